"""How many messages leave: per recipient, network and country, exactly, however many ask at once."""

import contextlib
import os
import sys
from functools import partial
from itertools import chain

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers.data import _COUNTRY_CODE_TO_REGION_CODE

from flask_tessera.errors import SendingError, StorageUnavailableError, ThrottledError
from flask_tessera.services.sending_limits import SendingLimits, calling_code_of
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing import Clock, WorkerProcesses
from flask_tessera.testing import race as race_threads
from tests.cli.stores import STORES, store_url

MINUTE, HOUR, DAY = 60, 3600, 86_400
PHONE = "+8613800138000"


@pytest.fixture
def clock():
    return Clock(1000)


@pytest.fixture
def storage():
    return open_storage("memory:")


@pytest.fixture
def limits(storage, clock):
    return SendingLimits(storage.values, clock)


def phone(number: int, prefix: str = "+86138") -> str:
    return f"{prefix}{number:08}"


def retry_after(limits, *message) -> int:
    with pytest.raises(ThrottledError) as caught:
        count(limits, *message)
    return caught.value.retry_after


def count(limits, kind, address, network, purpose="login"):
    return limits.count(kind, address, network, purpose)


def is_open(limits, *message) -> bool:
    """Whether a message can be counted; it is not, afterwards."""
    try:
        limits.give_back(count(limits, *message))
    except ThrottledError:
        return False
    return True


@pytest.mark.parametrize(("kind", "address"), [("phone", PHONE), ("email", "anna@example.com")])
def test_L13_a_recipient_gets_one_message_a_minute_ten_an_hour_and_twenty_a_day(limits, clock, kind, address):
    sent = []
    for second in range(DAY):
        clock.now = 1000 + second
        with contextlib.suppress(ThrottledError):
            count(limits, kind, address, f"network {second}")
            sent.append(second)
        if len(sent) >= 20:
            break
    assert sent == [*range(0, 600, 60), *range(3600, 4200, 60)]
    assert retry_after(limits, kind, address, "another network") == DAY - 4140
    clock.now = 1000 + DAY
    count(limits, kind, address, "another network")


def test_L13_strangers_use_up_nothing_of_who_is_known_and_all_together_get_sixty_messages_a_day(limits, clock):
    sent = dict.fromkeys(["", "network a", "device b", "device c"], 0)
    for known_as in sent:
        for _ in range(3 * HOUR // MINUTE):
            with contextlib.suppress(ThrottledError):
                limits.count("phone", PHONE, "", "login", known_as)
                sent[known_as] += 1
            clock.advance(MINUTE)
    assert sent == {"": 20, "network a": 20, "device b": 20, "device c": 0}


def test_L13_who_is_refused_learns_when_the_last_of_the_full_windows_ends(limits, clock):
    for _ in range(10):
        count(limits, "phone", PHONE, "")
        assert retry_after(limits, "phone", PHONE, "") >= MINUTE
        clock.advance(MINUTE)
    assert retry_after(limits, "phone", PHONE, "") == HOUR - 10 * MINUTE


def test_L13_a_message_of_another_purpose_may_follow_at_once(limits):
    for purpose in ("register", "login", "reset"):
        count(limits, "phone", PHONE, "", purpose)
        assert not is_open(limits, "phone", PHONE, "", purpose)


def test_L13_recipients_do_not_count_for_one_another(limits):
    count(limits, "phone", PHONE, "a")
    assert is_open(limits, "phone", phone(1), "a")
    assert is_open(limits, "email", "anna@example.com", "a")
    assert not is_open(limits, "phone", PHONE, "b")


def test_L13_a_network_gets_two_hundred_messages_an_hour_to_whomever(limits, clock):
    for number in range(200):
        count(limits, "phone", phone(number), "203.0.113.7")
        clock.advance(1)
    assert retry_after(limits, "email", "anna@example.com", "203.0.113.7") == HOUR - 200
    assert is_open(limits, "email", "anna@example.com", "203.0.113.8")
    # A notice is asked for by nobody.
    assert is_open(limits, "email", "anna@example.com", "")


@pytest.mark.parametrize("other", ["anna+shop@example.com", "Anna@Example.com", "anna+a+b@example.com"])
def test_L13_all_spellings_of_a_mailbox_count_as_one(limits, other):
    count(limits, "email", "anna@example.com", "a")
    assert not is_open(limits, "email", other, "b")
    assert is_open(limits, "email", "+anna@example.com", "b")
    assert is_open(limits, "email", "anna+shop@example.org", "b")
    for _ in range(3):
        limits.count_notice("new_device", "email", "anna@example.com")
    with pytest.raises(ThrottledError):
        limits.count_notice("new_device", "email", other)


def test_L13_a_network_gets_a_tenth_of_a_country(limits, clock):
    for number in range(10):
        count(limits, "phone", phone(number, "+1201"), "203.0.113.7")
    assert retry_after(limits, "phone", phone(10, "+1604"), "203.0.113.7") == HOUR
    assert is_open(limits, "phone", phone(10, "+1604"), "203.0.113.8")
    assert is_open(limits, "phone", phone(10, "+4477"), "203.0.113.7")
    assert is_open(limits, "phone", phone(10), "203.0.113.7")
    clock.advance(HOUR)
    assert is_open(limits, "phone", phone(10, "+1604"), "203.0.113.7")


@pytest.mark.parametrize(
    ("prefix", "amount"),
    [pytest.param("+86138", 10_000, marks=pytest.mark.slow), ("+4477", 100), ("+1201", 100), ("+85291", 100)],
)
def test_L13_a_country_gets_so_many_messages_an_hour(limits, clock, prefix, amount):
    for number in range(amount):
        count(limits, "phone", phone(number, prefix), f"network {number}")
    assert retry_after(limits, "phone", phone(amount, prefix), "another") == HOUR
    assert is_open(limits, "phone", phone(0, "+336"), "another")
    assert is_open(limits, "email", "anna@example.com", "another")
    clock.advance(HOUR)
    assert is_open(limits, "phone", phone(amount, prefix), "another")


def test_L13_what_is_refused_is_counted_nowhere(limits, clock):
    count(limits, "phone", PHONE, "a")
    for _ in range(500):
        retry_after(limits, "phone", PHONE, "b")
    for number in range(20):
        count(limits, "phone", phone(number), "b")


def test_L13_a_message_that_could_not_be_sent_is_given_back(limits, clock):
    for _ in range(50):
        limits.give_back(count(limits, "phone", PHONE, "a"))
    count(limits, "phone", PHONE, "a")
    assert not is_open(limits, "phone", PHONE, "a")


@pytest.mark.parametrize("error", [SendingError("down"), StorageUnavailableError(), KeyboardInterrupt()])
def test_L13_a_block_that_cannot_send_counts_for_nothing(limits, error):
    for _ in range(20):
        with pytest.raises(type(error)), limits.counted("phone", PHONE, "a", "login"):
            raise error
    with limits.counted("phone", PHONE, "a", "login"):
        pass
    assert not is_open(limits, "phone", PHONE, "a")


def test_L13_what_may_have_arrived_counts_though_its_sender_has_failed(limits):
    with pytest.raises(SendingError), limits.counted("phone", PHONE, "a", "login"):
        raise SendingError("the webhook answered 500", may_have_arrived=True)
    assert not is_open(limits, "phone", PHONE, "a")


def test_L13_what_is_given_back_late_takes_nothing_from_a_later_window(limits, clock):
    first = count(limits, "phone", PHONE, "a")
    clock.advance(MINUTE)
    count(limits, "phone", PHONE, "a")
    limits.give_back(first)
    assert retry_after(limits, "phone", PHONE, "a") == MINUTE
    clock.advance(DAY)
    count(limits, "phone", PHONE, "a")
    limits.give_back(first)
    assert not is_open(limits, "phone", PHONE, "a")


def test_L13_where_nothing_can_be_counted_nothing_is_sent_and_giving_back_fails_in_silence(clock):
    class Away:
        def get_many(self, *_, **__):
            raise StorageUnavailableError

        increment_many = get_many

    limits = SendingLimits(Away(), clock)
    with pytest.raises(StorageUnavailableError):
        count(limits, "phone", PHONE, "a")
    memory = count(SendingLimits(open_storage("memory:").values, clock), "phone", PHONE, "a")
    limits.give_back(memory)


def test_L13_no_recipient_or_network_is_stored_readable(tmp_path, clock):
    storage = open_storage(f"sqlite:///{tmp_path}/values.db")
    count(SendingLimits(storage.values, clock), "phone", PHONE, "203.0.113.7")
    storage.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"13800138000" not in stored
    assert b"203.0.113" not in stored


def test_every_calling_code_is_read_as_the_numbering_plan_says():
    codes = {str(code) for code in _COUNTRY_CODE_TO_REGION_CODE}
    assert {calling_code_of(f"+{code}5550100") for code in codes} == codes


@given(st.text(max_size=20))
@settings(max_examples=200)
def test_any_text_has_some_calling_code(text):
    assert len(calling_code_of(text)) <= 3


def test_an_example_of_each_country_has_its_calling_code():
    for code, regions in _COUNTRY_CODE_TO_REGION_CODE.items():
        if number := phonenumbers.example_number(regions[0]):
            text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            assert calling_code_of(text) == str(code)


def attempt(limits, *message):
    """Whether it may be sent; None where a storage was too busy to answer: it may have been counted."""
    try:
        count(limits, *message)
    except ThrottledError:
        return False
    except StorageUnavailableError:
        return None
    return True


def assert_sent(outcomes, limit):
    """Exactly the limit, less what was not answered."""
    outcomes = list(outcomes)
    assert limit - outcomes.count(None) <= outcomes.count(True) <= limit


@pytest.fixture
def restless():
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def asks(limits, number):
    """One recipient, asked for from everywhere."""
    return attempt(limits, "phone", PHONE, f"network {number}")


@pytest.mark.usefixtures("restless")
def test_L13_of_48_parallel_requests_for_one_recipient_one_is_sent(clock):
    for _ in range(10):
        limits = SendingLimits(open_storage("memory:").values, clock)
        assert_sent(race_threads(48, partial(asks, limits)), 1)


@pytest.mark.slow
@pytest.mark.usefixtures("restless")
def test_L13_of_48_parallel_requests_of_one_network_as_many_are_sent_as_may_be(clock):
    for _ in range(10):
        limits = SendingLimits(open_storage("memory:").values, clock)
        for number in range(180):
            count(limits, "phone", phone(1000 + number), "network")
        assert_sent(race_threads(48, lambda number: attempt(limits, "phone", phone(number), "network")), 20)  # noqa: B023


def requester(url):
    """Asks for messages to these phones at once, each from its own network; gives what came of them."""
    limits = SendingLimits(open_storage(url).values, Clock(1000))

    def ask(phones):
        return race_threads(
            len(phones), lambda number: attempt(limits, "phone", phones[number], f"network {os.getpid()} {number}")
        )

    return ask


@pytest.mark.slow
@pytest.mark.parametrize("kind", STORES)
def test_L13_of_requests_in_four_processes_exactly_the_limits_get_through(kind, tmp_path):
    with store_url(kind, tmp_path) as url:
        open_storage(url).check()
        with WorkerProcesses(4, requester, url) as processes:
            assert_sent(chain(*processes.race([PHONE] * 12)), 1)
            for number in range(4):
                processes.send(number, [phone(number * 100 + each, "+4477") for each in range(30)])
            assert_sent(chain(*[processes.receive(number) for number in range(4)]), 100)


@pytest.mark.repeats("kind")
@pytest.mark.parametrize("kind", STORES)
def test_L13_of_requests_in_sixteen_threads_exactly_the_limits_get_through(kind, tmp_path):
    with store_url(kind, tmp_path) as url:
        storage = open_storage(url)
        storage.check()
        limits = SendingLimits(storage.values, Clock(1000))
        assert_sent(race_threads(16, partial(asks, limits)), 1)
        assert_sent(race_threads(16, lambda number: attempt(limits, "email", f"{number // 2}@example.com", "home")), 8)
        messages = [count(limits, "phone", phone(number), "again") for number in range(16)]
        race_threads(16, lambda number: limits.give_back(messages[number]))
        assert_sent(race_threads(16, lambda number: attempt(limits, "phone", phone(number), "again")), 16)
        storage.close()


def test_notices_have_counters_of_their_own_for_each_sort(limits, clock):
    for _ in range(10):
        with contextlib.suppress(ThrottledError):
            count(limits, "phone", PHONE, "")
    for sort in ("new_device", "password_changed"):
        for _ in range(3):
            limits.count_notice(sort, "phone", PHONE)
        with pytest.raises(ThrottledError):
            limits.count_notice(sort, "phone", PHONE)
    clock.advance(DAY)
    for _ in range(3):
        limits.count_notice("new_device", "phone", PHONE)
    assert count(limits, "phone", PHONE, "").taken
