"""Slots: so many hashes at once, so many waiting, the rest refused at once."""

import os
import threading

import pytest

from flask_tessera.accounts.hash_slots import LONGEST_RETRY, HashSlots, Turns, claiming
from flask_tessera.errors import ConfigError, ThrottledError

PATIENCE = 30
"""Seconds after which a test is stuck; none waits for them."""


class Crowd:
    """Threads that each take a slot, say so, and hold it until told to leave."""

    def __init__(self, slots: HashSlots) -> None:
        self.slots = slots
        self.inside = threading.Semaphore(0)
        self.leave = threading.Semaphore(0)
        self.sent_away = threading.Semaphore(0)
        self.lock = threading.Lock()
        self.at_work = 0
        self.most_at_work = 0
        self.served = 0
        self.errors: list[ThrottledError] = []
        self.threads: list[threading.Thread] = []

    def one(self, *claimants: str) -> None:
        try:
            with claiming(*claimants), self.slots.acquire():
                self._work()
        except ThrottledError as error:
            self.errors.append(error)
            self.sent_away.release()

    def _work(self) -> None:
        with self.lock:
            self.at_work += 1
            self.most_at_work = max(self.most_at_work, self.at_work)
        self.inside.release()
        assert self.leave.acquire(timeout=PATIENCE)
        with self.lock:
            self.at_work -= 1
            self.served += 1

    def start(self, number: int, *claimants: str) -> None:
        threads = [threading.Thread(target=self.one, args=claimants) for _ in range(number)]
        self.threads += threads
        for thread in threads:
            thread.start()

    def end(self) -> None:
        self.leave.release(len(self.threads))
        for thread in self.threads:
            thread.join(PATIENCE)


@pytest.mark.parametrize("number", [1, 2, 5])
def test_L02_of_64_at_once_so_many_work_twice_as_many_wait_and_the_rest_is_refused(number):
    crowd = Crowd(HashSlots(number, longest_wait=PATIENCE))
    crowd.start(number)
    for _ in range(number):
        assert crowd.inside.acquire(timeout=PATIENCE)
    crowd.start(64 - number)
    # Nobody leaves before these are refused, so they were refused at once, and the others wait.
    for _ in range(64 - 3 * number):
        assert crowd.sent_away.acquire(timeout=PATIENCE)
    with pytest.raises(ThrottledError):
        crowd.slots.refuse_if_full()
    crowd.end()
    crowd.slots.refuse_if_full()
    assert len(crowd.errors) == 64 - 3 * number
    assert all(1 <= error.retry_after <= LONGEST_RETRY for error in crowd.errors)
    assert crowd.served == 3 * number
    assert crowd.most_at_work == number


def test_L02_who_is_refused_is_told_to_come_when_those_before_him_were_served():
    turns = Turns(slots=2)
    for _ in range(100):
        turns.note(0.5)
    told = [turns.next(now=1000.0) for _ in range(1000)]
    assert told == sorted(told)
    assert told[:9] == [1, 1, 1, 1, 2, 2, 2, 2, 3]
    assert told[-1] == LONGEST_RETRY
    assert turns.next(now=1000.0 + LONGEST_RETRY + 1) == 1


def test_L02_a_waiter_is_refused_when_no_slot_comes_free_in_time():
    slots = HashSlots(1, longest_wait=0)
    crowd = Crowd(slots)
    crowd.start(1)
    assert crowd.inside.acquire(timeout=PATIENCE)
    for _ in range(10):
        with pytest.raises(ThrottledError) as caught, slots.acquire():
            pytest.fail("the slot is taken")
        assert caught.value.retry_after == 1
    crowd.end()
    with slots.acquire():
        pass


@pytest.mark.parametrize("claimants", [("network 1", "account 1"), ("account 1",), ("network 1",)])
def test_L02_one_client_leaves_half_of_all_places_to_the_others(claimants):
    crowd = Crowd(HashSlots(2, longest_wait=PATIENCE))
    crowd.start(20, *claimants)
    for _ in range(17):
        assert crowd.sent_away.acquire(timeout=PATIENCE)
    crowd.start(3, "network 2", "account 2")
    crowd.end()
    assert (crowd.served, len(crowd.errors)) == (6, 17)


def test_L02_another_network_buys_no_further_place_for_one_account():
    crowd = Crowd(HashSlots(2, longest_wait=PATIENCE))
    for number in range(6):
        crowd.start(1, f"network {number}", "account 1")
    for _ in range(3):
        assert crowd.sent_away.acquire(timeout=PATIENCE)
    crowd.end()
    assert crowd.served == 3


def test_L02_a_place_that_was_left_is_free_for_the_same_client_again():
    slots = HashSlots(1, longest_wait=0)
    for _ in range(10):
        with claiming("network 1"), slots.acquire(), pytest.raises(ThrottledError), slots.acquire():
            pytest.fail("that was its share")
    assert not slots._held


def test_L02_those_who_wait_are_served_in_the_order_in_which_they_came():
    slots = HashSlots(1, longest_wait=PATIENCE)
    served = []

    def one(name: str) -> None:
        with slots.acquire():
            served.append(name)

    threads = [threading.Thread(target=one, args=(name,)) for name in "ab"]
    with slots.acquire():
        for number, thread in enumerate(threads, 1):
            thread.start()
            while len(slots._queue) < number:
                threading.Event().wait(0.001)
    for thread in threads:
        thread.join(PATIENCE)
    assert served == ["a", "b"]


def test_L02_who_gave_up_waiting_takes_no_slot_with_him():
    slots = HashSlots(1, longest_wait=0)
    with slots.acquire(), pytest.raises(ThrottledError), slots.acquire():
        pytest.fail("the slot is taken")
    assert (slots._free, slots._places, len(slots._queue)) == (1, 0, 0)


def test_L02_a_slot_comes_free_when_the_work_fails():
    slots = HashSlots(1, longest_wait=0)
    for _ in range(10):
        with pytest.raises(ZeroDivisionError), slots.acquire():
            raise ZeroDivisionError
    with slots.acquire():
        pass


@pytest.mark.parametrize("number", [0, -1, True, 1.5, "2", None])
def test_X15_a_number_of_slots_that_is_none_is_a_wrong_setting(number):
    with pytest.raises(ConfigError, match="TESSERA_HASH_SLOTS"):
        HashSlots(number)


def test_L02_work_is_done_on_as_many_threads_as_there_are_slots():
    slots = HashSlots(2)
    names = set()

    def one() -> None:
        with slots.acquire():
            names.add(slots.run(threading.current_thread).name)

    for _ in range(20):
        thread = threading.Thread(target=one)
        thread.start()
        thread.join(PATIENCE)
    assert len(names) <= 2
    assert all(name.startswith("tessera-hash") for name in names)


@pytest.mark.unix("fork")
def test_X12_a_child_process_has_threads_of_its_own():
    slots = HashSlots(1)
    assert slots.run(os.getpid) == os.getpid()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, str(slots.run(os.getpid)).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        assert answer.read() == str(child)
    os.waitpid(child, 0)


@pytest.mark.unix("fork")
def test_X12_a_slot_that_was_taken_in_the_moment_of_a_fork_is_free_in_the_child():
    slots = HashSlots(1, longest_wait=0)
    with slots.acquire():
        child = os.fork()
        if child == 0:
            with slots.acquire():
                os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
