"""The throttle: so many failures and no more, however many guess at once."""

import contextlib
import os
import sys
import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from flask_tessera.accounts.address import network_of
from flask_tessera.accounts.rates import rates_of
from flask_tessera.errors import ConfigError, StorageUnavailableError, ThrottledError
from flask_tessera.services.throttle import KNOWN_FOR, LoginThrottle, ThrottleLimits
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing import Clock, WorkerProcesses
from flask_tessera.testing import race as race_threads
from tests.cli.stores import STORES, store_url

HOME, ELSEWHERE, THIRD = "203.0.113.7", "198.51.100.1", "192.0.2.1"


@pytest.fixture
def clock():
    return Clock(1000)


def make(account="10 per 5 minutes", address="100 per 5 minutes", login="1000 per hour", *, clock=None, storage=None):
    limits = ThrottleLimits(
        rates_of("LOGIN_LIMIT_ACCOUNT", account),
        rates_of("LOGIN_LIMIT_ADDRESS", address),
        rates_of("LOGIN_LIMIT_SUCCESS", login),
    )
    storage = storage or open_storage("memory:")
    return LoginThrottle(storage.values, limits, clock or Clock(1000))


@pytest.fixture
def restless():
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.fixture
def throttle(clock):
    return make("3 per 5 minutes", "5 per 5 minutes", clock=clock)


def reserve(throttle, account, address):
    return throttle.reserve("", [account], network_of(address))


def retry_after(throttle, account="a", address=HOME) -> int:
    with pytest.raises(ThrottledError) as caught:
        reserve(throttle, account, address)
    return caught.value.retry_after


def address(number: int) -> str:
    return f"10.0.{number // 256}.{number % 256}"


def race(throttle, addresses) -> int:
    """How many of the guesses, all begun at one moment, are let through."""
    gate = threading.Barrier(len(addresses))
    through = []

    def guess(address: str) -> None:
        gate.wait(30)
        with contextlib.suppress(ThrottledError):
            through.append(reserve(throttle, "victim", address))

    threads = [threading.Thread(target=guess, args=(address,)) for address in addresses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return len(through)


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("limit", [1, 10, 63])
def test_L07_of_64_parallel_guesses_at_one_account_exactly_the_limit_gets_through(limit):
    for _ in range(4):
        throttle = make(f"{limit} per 5 minutes", "1000 per 5 minutes")
        assert race(throttle, [address(number) for number in range(64)]) == limit


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("limit", [1, 10, 63])
def test_L07_of_64_parallel_guesses_from_one_network_exactly_the_limit_gets_through(limit):
    for _ in range(4):
        throttle = make("1000 per 5 minutes", f"{limit} per 5 minutes")
        assert race(throttle, [f"2001:db8::{number:x}" for number in range(64)]) == limit


def test_L07_failures_are_counted_per_account_whatever_the_network(throttle):
    for number in range(3):
        reserve(throttle, "a", address(number))
    assert retry_after(throttle, "a", address(9)) == 300
    reserve(throttle, "b", address(9))


def test_L07_failures_are_counted_per_network_whatever_the_account(throttle):
    for number in range(5):
        reserve(throttle, f"account {number}", HOME)
    assert retry_after(throttle, "another", HOME) == 300
    assert retry_after(throttle, "another", f"::ffff:{HOME}") == 300
    reserve(throttle, "another", "203.0.113.8")


def test_L08_a_64_of_ipv6_is_one_network_and_garbage_is_one(throttle):
    for number in range(5):
        reserve(throttle, f"account {number}", f"2001:db8::{number}")
        reserve(throttle, f"account {number}", f"garbage {number}")
    assert retry_after(throttle, "x", "2001:db8::ffff")
    assert retry_after(throttle, "x", "other garbage")


def test_L09_the_window_is_not_prolonged_by_attempts_that_are_refused(throttle, clock):
    for _ in range(3):
        reserve(throttle, "a", HOME)
    for second in range(300):
        clock.now = 1000 + second
        assert retry_after(throttle) == 300 - second
    clock.now = 1300
    reserve(throttle, "a", HOME)


def test_L09_a_network_that_is_refused_cannot_use_up_an_account(throttle):
    for number in range(5):
        reserve(throttle, f"account {number}", HOME)
    for _ in range(50):
        retry_after(throttle, "victim", HOME)
    for _ in range(3):
        reserve(throttle, "victim", "203.0.113.8")


def test_L07_an_account_that_is_refused_does_not_use_up_the_network(throttle):
    for number in range(3):
        reserve(throttle, "a", address(number))
    for _ in range(50):
        retry_after(throttle, "a", HOME)
    for number in range(5):
        reserve(throttle, f"account {number}", HOME)


def test_L07_a_thousand_attempts_that_did_not_fail_are_never_throttled(throttle):
    for _ in range(1000):
        throttle.release(reserve(throttle, "a", HOME))


def test_L07_an_attempt_that_did_not_fail_forgets_no_failure(throttle):
    reserve(throttle, "a", HOME)
    reserve(throttle, "a", HOME)
    throttle.release(reserve(throttle, "a", HOME))
    reserve(throttle, "a", HOME)
    assert retry_after(throttle, "a", "203.0.113.8") == 300


def test_L07_an_attempt_counts_on_each_account_that_it_may_be_about_once(throttle):
    for _ in range(3):
        throttle.reserve("", ["a", "b", "a"], HOME)
    assert retry_after(throttle, "a", "203.0.113.8") == 300
    assert retry_after(throttle, "b", "203.0.113.8") == 300


def test_L07_realms_share_the_networks_and_not_the_accounts(throttle):
    for _ in range(3):
        throttle.reserve("staff", ["a"], HOME)
    reserve(throttle, "a", HOME)
    reserve(throttle, "staff\0a", HOME)
    assert retry_after(throttle, "b", HOME) == 300
    with pytest.raises(ThrottledError):
        throttle.reserve("staff", ["a"], "203.0.113.8")


def test_L02_an_attempt_that_was_never_checked_is_given_back(throttle):
    for _ in range(100):
        throttle.release(reserve(throttle, "a", HOME))
    for _ in range(3):
        reserve(throttle, "a", HOME)
    assert retry_after(throttle) == 300


def test_L07_giving_back_after_the_window_allows_no_guess_too_many(throttle, clock):
    late = reserve(throttle, "a", HOME)
    clock.advance(300)
    for _ in range(3):
        reserve(throttle, "a", HOME)
    throttle.release(late)
    assert retry_after(throttle) == 300


def test_L07_several_limits_hold_together_and_the_longest_wait_is_told(clock):
    throttle = make("2 per minute; 3 per day", clock=clock)
    reserve(throttle, "a", HOME)
    reserve(throttle, "a", HOME)
    assert retry_after(throttle) == 60
    clock.advance(60)
    reserve(throttle, "a", HOME)
    clock.advance(1)
    assert retry_after(throttle) == 86_400 - 61


def test_L07_of_several_limits_that_are_reached_the_longest_wait_is_told(clock):
    throttle = make("1 per day; 1 per minute", "1 per hour", clock=clock)
    reserve(throttle, "a", HOME)
    assert retry_after(throttle) == 86_400
    assert retry_after(throttle, "b") == 3600


def test_L05_known_and_unknown_accounts_are_throttled_alike_since_only_names_count(throttle):
    names = ("known", "unknown", "", "x\ud800", "x" * 500, "a/b", "a\0b")
    for network, name in enumerate(names):
        for _ in range(3):
            reserve(throttle, name, address(network))
        assert retry_after(throttle, name, HOME) == 300


def test_L07_names_that_look_like_key_separators_are_apart(throttle):
    for _ in range(3):
        reserve(throttle, "a/3/5", HOME)
    reserve(throttle, "a", HOME)


def fail(throttle, account="a", address=HOME, device=""):
    """A wrong password."""
    throttle.note_failure(throttle.reserve("", [account], network_of(address), device))


def log_in(throttle, account="a", address=HOME, device=""):
    """The right password, and a session."""
    throttle.note_login(throttle.reserve("", [account], network_of(address), device))


def is_open(throttle, account="a", address=HOME, device=""):
    try:
        throttle.release(throttle.reserve("", [account], network_of(address), device))
    except ThrottledError:
        return False
    return True


def test_L09_a_guesser_does_not_keep_the_owner_out_for_24_hours_and_guesses_at_most_a_hundred_times(clock):
    """He tries as often as he is let in; the owner, who has logged in from home before, gets in at his first try."""
    throttle, guesses = make(clock=clock), 0
    log_in(throttle)
    for minute in range(24 * 60):
        while is_open(throttle, address=ELSEWHERE):
            fail(throttle, address=ELSEWHERE)
            guesses += 1
        if not minute % 30:
            log_in(throttle)
        clock.advance(60)
    assert 10 <= guesses <= 100


def test_L07_a_guesser_who_changes_his_network_gains_nothing(clock):
    throttle, guesses = make(address="1000 per 5 minutes", clock=clock), 0
    for minute in range(24 * 60):
        while is_open(throttle, address=address(minute % 500)):
            fail(throttle, address=address(minute % 500))
            guesses += 1
        clock.advance(60)
    assert guesses <= 100


def test_L09_a_device_is_known_wherever_it_is(throttle, clock):
    log_in(throttle, device="phone of the owner")
    for _ in range(3):
        fail(throttle, address=ELSEWHERE)
    assert not is_open(throttle, address=THIRD)
    assert not is_open(throttle, address=THIRD, device="another")
    log_in(throttle, address=THIRD, device="phone of the owner")
    # That network is known now, too, once the window is over in which the others have guessed.
    assert not is_open(throttle, address=THIRD)
    clock.advance(300)
    for _ in range(3):
        fail(throttle, address=ELSEWHERE)
    assert is_open(throttle, address=THIRD)


def test_L07_a_device_a_network_and_the_others_have_one_counter_each(clock):
    """Nobody gets the room of several; who has used up his own does not reach those of others."""
    throttle = make("3 per 5 minutes", clock=clock)
    log_in(throttle, device="d")
    for _ in range(3):
        fail(throttle, device="d")
    assert not is_open(throttle, device="d")
    for _ in range(3):
        fail(throttle)
    assert not is_open(throttle)
    for _ in range(3):
        fail(throttle, address=ELSEWHERE)
    assert not is_open(throttle, address=THIRD)


def test_L09_what_is_known_is_of_one_account_and_one_realm(clock):
    throttle = make("3 per 5 minutes", clock=clock)
    log_in(throttle, "a", device="d")
    for realm, account in (("", "b"), ("staff", "a")):
        for _ in range(3):
            throttle.note_failure(throttle.reserve(realm, [account], ELSEWHERE))
        with pytest.raises(ThrottledError):
            throttle.reserve(realm, [account], HOME, "d")


def test_L09_a_device_is_forgotten_30_days_after_its_last_login(throttle, clock):
    log_in(throttle, device="d")
    clock.advance(KNOWN_FOR // 2)
    log_in(throttle, device="d")
    clock.advance(KNOWN_FOR - 1)
    for _ in range(3):
        fail(throttle, address=ELSEWHERE)
    assert is_open(throttle, address=THIRD, device="d")
    clock.advance(1)
    assert not is_open(throttle, address=THIRD, device="d")


def test_L07_whoever_names_somebody_else_beside_himself_is_not_known_there(clock):
    throttle = make("3 per 5 minutes", login="1 per hour", clock=clock)
    throttle.note_login(throttle.reserve("", ["own", "victim"], HOME, "d"))
    for _ in range(3):
        fail(throttle, "victim", address=ELSEWHERE)
    assert not is_open(throttle, "victim", device="d")
    clock.advance(300)
    assert is_open(throttle, "victim", device="d")


def test_L07_a_login_shows_nothing_to_who_guesses_in_the_same_network(clock):
    """What he has tried before counts there as well, for as long as it would have."""
    throttle = make("3 per 5 minutes", clock=clock)
    for _ in range(2):
        fail(throttle)
    log_in(throttle)
    fail(throttle)
    assert not is_open(throttle)
    clock.advance(300)
    assert is_open(throttle)


def test_L07_only_a_login_makes_a_network_known(throttle):
    """Neither a failure, nor an attempt that was let through and began no session."""
    fail(throttle)
    throttle.release(reserve(throttle, "a", HOME))
    for _ in range(2):
        fail(throttle, address=ELSEWHERE)
    assert not is_open(throttle)


def test_L07_windows_that_failures_have_used_up_grow(throttle, clock):
    """Twice as long each; a day after the first failure all of it is forgotten."""
    waits = []
    for _ in range(6):
        for _ in range(3):
            fail(throttle)
        waits.append(retry_after(throttle))
        clock.advance(waits[-1])
    assert waits == [300, 600, 1200, 2400, 4800, 9600]
    clock.now = 1000 + 86_400
    for _ in range(3):
        fail(throttle)
    assert retry_after(throttle) == 300


def test_L07_attempts_that_did_not_fail_make_no_window_longer(throttle, clock):
    for _ in range(50):
        log_in(throttle)
        throttle.release(reserve(throttle, "a", HOME))
    for _ in range(3):
        fail(throttle)
    assert retry_after(throttle, "a", HOME) == 300


def test_S11_logins_that_succeed_are_limited_generously(clock):
    """Whoever has the password; the same answer to whoever has not."""
    throttle = make(login="5 per hour", clock=clock)
    for _ in range(5):
        log_in(throttle)
    assert retry_after(throttle) == 3600
    assert retry_after(throttle, "a", ELSEWHERE) == 3600
    assert is_open(throttle, "b")
    clock.advance(3600)
    log_in(throttle)


def _reserved(throttle, account, network):
    """Whether a guess would be checked; None where a busy machine has let the storage answer too late."""
    try:
        reserve(throttle, account, network)
    except ThrottledError:
        return False
    except StorageUnavailableError:
        return None
    return True


def guesser(url):
    """For a process: guesses of 25 threads, begun at once."""
    storage = open_storage(url)
    throttle = make(storage=storage)

    def guess(account):
        outcomes = race_threads(
            25, lambda number: _reserved(throttle, account, address(os.getpid() % 100 * 25 + number))
        )
        return outcomes.count(True), outcomes.count(None)

    return guess


@pytest.mark.repeats("kind")
@pytest.mark.parametrize("kind", STORES)
def test_L07_of_100_parallel_guesses_of_4_processes_exactly_the_limit_is_checked(kind, tmp_path):
    with store_url(kind, tmp_path) as url:
        open_storage(url).check()
        with WorkerProcesses(4, guesser, url) as processes:
            for account in ("a", "b", "c"):
                checked, unanswered = map(sum, zip(*processes.race(account), strict=True))
                # One that was not answered may have been counted.
                assert 10 - unanswered <= checked <= 10


@pytest.mark.repeats("kind")
@pytest.mark.parametrize("kind", STORES)
def test_X1_what_was_counted_outlives_every_process(kind, tmp_path):
    with store_url(kind, tmp_path) as url:
        for _ in range(5):
            storage = open_storage(url)
            throttle = make(storage=storage)
            fail(throttle)
            fail(throttle)
            storage.close()
        storage = open_storage(url)
        assert not is_open(make(storage=storage))
        storage.close()


class Values:
    """Small values that can be away."""

    def __init__(self, values):
        self.values = values
        self.is_away = False

    def __getattr__(self, name):
        if self.is_away:
            raise StorageUnavailableError("away")
        return getattr(self.values, name)


def test_F02_an_attempt_that_cannot_be_counted_is_not_checked_and_one_that_was_is_no_error(clock):
    storage = open_storage("memory:")
    throttle = make("3 per minute", clock=clock, storage=storage)
    values = throttle._values = Values(storage.values)
    first, second, third = (reserve(throttle, "a", HOME) for _ in range(3))
    values.is_away = True
    with pytest.raises(StorageUnavailableError):
        reserve(throttle, "a", HOME)
    throttle.release(first)
    throttle.note_failure(second)
    throttle.note_login(third)
    values.is_away = False
    assert not is_open(throttle)


@pytest.mark.parametrize(
    "notation", ["", "ten per minute", "10", "10 per fortnight", "0 per minute", "-1 per minute", None]
)
def test_X15_a_limit_that_cannot_be_read_is_named(notation):
    with pytest.raises(ConfigError, match="TESSERA_LOGIN_LIMIT_ACCOUNT"):
        rates_of("LOGIN_LIMIT_ACCOUNT", notation)


class ThrottleMachine(RuleBasedStateMachine):
    """Against a model: lists of the failures of each window."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock(1000)
        self.throttle = make("2 per minute", "4 per minute", clock=self.clock)
        self.windows: dict[str, tuple[int, int]] = {}
        self.failures: dict[str, tuple[int, int]] = {}

    def count(self, key: str) -> int:
        ends_at, count = self.windows.get(key, (0, 0))
        return count if ends_at > self.clock.now else 0

    def failed(self, account: str) -> int:
        ends_at, count = self.failures.get(account, (0, 0))
        return count if ends_at > self.clock.now else 0

    def take(self, key: str, before: int = 0) -> None:
        # A counter that was given back to nothing keeps the window that it was begun with.
        is_running = self.windows.get(key, (0, 0))[0] > self.clock.now
        ends_at = self.windows[key][0] if is_running else self.clock.now + (60 << before // 2)
        self.windows[key] = (ends_at, self.count(key) + 1)

    @rule(seconds=st.sampled_from([1, 20, 59, 60, 61]))
    def time_passes(self, seconds):
        self.clock.advance(seconds)

    @rule(
        account=st.sampled_from("ab"),
        number=st.sampled_from([1, 2]),
        failed=st.booleans(),
    )
    def attempt(self, account, number, failed):
        network = address(number)
        expected = self.count(account) < 2 and self.count(network) < 4
        if not expected:
            assert retry_after(self.throttle, account, network) >= 1
            return
        reservation = reserve(self.throttle, account, network)
        before = self.failed(account)
        self.take(account, before)
        self.take(network)
        if failed:
            self.throttle.note_failure(reservation)
            ends_at = self.failures[account][0] if before else self.clock.now + 86_400
            self.failures[account] = (ends_at, before + 1)
            return
        self.throttle.release(reservation)
        for key in (account, network):
            self.windows[key] = (self.windows[key][0], self.windows[key][1] - 1)


ThrottleMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestThrottleAgainstItsModel = ThrottleMachine.TestCase
