"""The throttle: so many failures and no more, however many guess at once."""

import contextlib
import itertools
import sys
import threading
import time

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from flask_tessera.accounts.attempt_counters import SMALLEST_SWEEP, AttemptCounters
from flask_tessera.accounts.throttle import LoginThrottle
from flask_tessera.errors import ConfigError, ThrottledError

HOME = "203.0.113.7"


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def restless():
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.fixture
def throttle(clock):
    return LoginThrottle("3 per 5 minutes", "5 per 5 minutes", clock=clock)


def reserve(throttle, account, address):
    return throttle.reserve("", [account], address)


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
        throttle = LoginThrottle(f"{limit} per 5 minutes", "1000 per 5 minutes")
        assert race(throttle, [address(number) for number in range(64)]) == limit


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("limit", [1, 10, 63])
def test_L07_of_64_parallel_guesses_from_one_network_exactly_the_limit_gets_through(limit):
    for _ in range(4):
        throttle = LoginThrottle("1000 per 5 minutes", f"{limit} per 5 minutes")
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
    for second in range(299):
        clock.now = 1000 + second
        assert retry_after(throttle) == 300 - second
    clock.now = 1298.5
    assert retry_after(throttle) == 2
    clock.now = 1299.5
    assert retry_after(throttle) == 1
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
    clock.now += 300
    for _ in range(3):
        reserve(throttle, "a", HOME)
    throttle.release(late)
    assert retry_after(throttle) == 300


def test_L07_several_limits_hold_together_and_the_longest_wait_is_told(clock):
    throttle = LoginThrottle("2 per minute; 3 per day", clock=clock)
    reserve(throttle, "a", HOME)
    reserve(throttle, "a", HOME)
    assert retry_after(throttle) == 60
    clock.now += 60
    reserve(throttle, "a", HOME)
    clock.now += 1
    assert retry_after(throttle) == 86_400 - 61


def test_L07_of_several_limits_that_are_reached_the_longest_wait_is_told(clock):
    throttle = LoginThrottle("1 per day; 1 per minute", "1 per hour", clock=clock)
    reserve(throttle, "a", HOME)
    assert retry_after(throttle) == 86_400
    assert retry_after(throttle, "b") == 3600


def test_L07_the_wait_is_at_least_a_second_even_when_the_window_ends_meanwhile():
    readings = itertools.count()
    throttle = LoginThrottle("1 per second", clock=lambda: next(readings) * 0.15)
    reserve(throttle, "a", HOME)
    assert retry_after(throttle) == 1


def test_L05_known_and_unknown_accounts_are_throttled_alike_since_only_names_count(throttle):
    names = ("known", "unknown", "", "\ud800", "x" * 100_000, "a/b", "a\0b")
    for network, name in enumerate(names):
        for _ in range(3):
            reserve(throttle, name, address(network))
        assert retry_after(throttle, name, HOME) == 300


def test_L07_names_that_look_like_key_separators_are_apart(throttle):
    for _ in range(3):
        reserve(throttle, "a/3/5", HOME)
    reserve(throttle, "a", HOME)


def test_F07_the_clock_is_not_the_one_on_the_wall(clock):
    assert LoginThrottle()._clock is time.monotonic
    throttle = LoginThrottle("1 per minute", clock=clock)
    reserve(throttle, "a", HOME)
    assert retry_after(throttle) == 60


def test_X14_successes_and_unchecked_attempts_leave_nothing_in_memory(throttle):
    for number in range(3000):
        throttle.release(reserve(throttle, f"a{number}", address(number)))
        throttle.release(reserve(throttle, f"b{number}", address(number)))
    assert len(throttle._counters) == 0


def test_X14_expired_counters_are_swept_and_live_ones_kept(clock):
    counters = AttemptCounters(clock)
    for number in range(10 * SMALLEST_SWEEP):
        counters.incr(f"key {number}", 300)
        counters.incr("steady", 10**9)
        clock.now += 1
        assert len(counters) <= SMALLEST_SWEEP
    assert counters.get("steady") == 10 * SMALLEST_SWEEP


def test_the_counters_answer_as_a_storage_of_limits_should(clock):
    counters = AttemptCounters(clock)
    assert counters.check() is True
    assert counters.base_exceptions == ()
    assert counters.get("key") == 0
    assert counters.get_expiry("key") == clock.now
    assert counters.incr("key", 60, amount=2) == 2
    assert counters.get_expiry("key") == clock.now + 60
    assert counters.incr("key", 60, amount=-5) == 0
    assert counters.incr("key", 60) == 1
    assert counters.reset() == 1
    assert len(counters) == 0


@pytest.mark.parametrize(
    "notation", ["", "ten per minute", "10", "10 per fortnight", "0 per minute", "-1 per minute", None]
)
def test_X15_a_limit_that_cannot_be_read_is_named(notation):
    with pytest.raises(ConfigError, match="TESSERA_LOGIN_LIMIT_ACCOUNT"):
        LoginThrottle(per_account=notation)
    with pytest.raises(ConfigError, match="TESSERA_LOGIN_LIMIT_ADDRESS"):
        LoginThrottle(per_address=notation)


class ThrottleMachine(RuleBasedStateMachine):
    """Against a model: lists of the failures of each window."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.throttle = LoginThrottle("2 per minute", "4 per minute", clock=self.clock)
        self.windows: dict[str, tuple[float, int]] = {}

    def count(self, key: str) -> int:
        ends_at, count = self.windows.get(key, (0, 0))
        return count if ends_at > self.clock.now else 0

    def take(self, key: str) -> None:
        count = self.count(key)
        self.windows[key] = (self.windows[key][0] if count else self.clock.now + 60, count + 1)

    @rule(seconds=st.sampled_from([1, 20, 59, 60, 61]))
    def time_passes(self, seconds):
        self.clock.now += seconds

    @rule(
        account=st.sampled_from("ab"),
        number=st.sampled_from([1, 2]),
        failed=st.booleans(),
    )
    def attempt(self, account, number, failed):
        network = address(number)
        expected = self.count(account) < 2 and self.count(network) < 4
        if not expected:
            assert 1 <= retry_after(self.throttle, account, network) <= 60
            return
        reservation = reserve(self.throttle, account, network)
        if failed:
            self.take(account)
            self.take(network)
        else:
            self.throttle.release(reservation)

    @invariant()
    def memory_holds_no_more_than_the_model(self):
        assert len(self.throttle._counters) <= 4


ThrottleMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestThrottleAgainstItsModel = ThrottleMachine.TestCase
