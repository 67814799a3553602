"""How many passwords are hashed at once: each costs 19 MiB and a core."""

from __future__ import annotations

from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from math import ceil
from threading import Event, Lock
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeVar

from ..errors import ConfigError, ThrottledError
from ..fork import renew_in_children

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Result = TypeVar("Result")
WAITERS_PER_SLOT: Final = 2
"""How many may wait for each slot; the next is refused at once, so that other requests keep being served."""
SHARE: Final = 2
"""One account or network holds at most this part of all places, at work and waiting: a half."""
RETRY_AFTER: Final = 1
"""Seconds after which a caller who was refused may come again, at least."""
LONGEST_RETRY: Final = 15
"""And at most: who logs in by hand waits for no longer."""

_claimants: ContextVar[tuple[str, ...]] = ContextVar("flask_tessera_hash_claimants", default=())


@contextmanager
def claiming(*claimants: str) -> Iterator[None]:
    """Say for whom passwords are hashed in this block: the account and the network, each with a share of its own."""
    token = _claimants.set(claimants)
    try:
        yield
    finally:
        _claimants.reset(token)


def network_claim(network: str) -> str:
    """What a client's network claims as, whatever its passwords are hashed for."""
    return f"network {network}"


class _Place:
    """One caller, at work once it is its turn."""

    __slots__ = ("claimants", "turn")

    def __init__(self, claimants: tuple[str, ...]) -> None:
        self.claimants = claimants
        self.turn = Event()


class Turns:
    """When the callers for whom there is no place may come again: one after the other, as fast as places come free.

    Told one and the same time, they would all come back at once, and keep the server's threads from everybody else.
    Not safe across threads.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._seconds_held = 0.1
        self._last = 0.0

    def note(self, seconds: float) -> None:
        """Note for how long a slot was held."""
        self._seconds_held += (seconds - self._seconds_held) / 8

    def next(self, now: float) -> int:
        """Whole seconds from `now`, of a monotonic clock."""
        self._last = min(max(self._last, now) + self._seconds_held / self._slots, now + LONGEST_RETRY)
        return max(RETRY_AFTER, ceil(self._last - now))


class HashSlots:
    """Bounds the work of hashing in one process: `slots` at work, twice as many waiting, served as they came.

    Of all these places one account or network (`claiming`) gets half at most: who sends one right password over and
    over leaves room for everybody else.

    Args:
        slots: how many hashes run at once, at least 1; the number of cores is a good one.
        longest_wait: seconds that a caller waits for a slot.

    Raises:
        ConfigError: `slots` is not a whole number of at least 1.
    """

    def __init__(self, slots: int, *, longest_wait: float = 1.0) -> None:
        if type(slots) is not int or slots < 1:
            raise ConfigError(f"TESSERA_HASH_SLOTS must be a whole number of at least 1, not {slots!r}")
        self._longest_wait = longest_wait
        self._number = slots
        self._most = slots * (1 + WAITERS_PER_SLOT)
        renew_in_children(self)

    def reset_after_fork(self) -> None:
        """A child process has none of its parent's threads, and none of the slots that they hold."""
        self._lock = Lock()
        self._free = self._number
        self._places = 0
        self._held: Counter[str] = Counter()
        self._queue: deque[_Place] = deque()
        self._turns = Turns(self._number)
        self._threads: ThreadPoolExecutor | None = None

    def refuse_if_full(self) -> None:
        """Refuse a caller for whom there is no place at this moment, before anything is done for him.

        Where many log in at once, what is counted in a storage for each of those who are refused anyhow would keep the
        server's threads from everybody else.

        Raises:
            ThrottledError: so it is; it tells when there may be one.
        """
        with self._lock:
            self._refuse_if_full()

    def _refuse_if_full(self) -> None:
        if self._places >= self._most:
            raise ThrottledError(self._turns.next(monotonic()))

    @contextmanager
    def acquire(self) -> Iterator[None]:
        """Hold one slot.

        Raises:
            ThrottledError: the queue is full, the claimant's share is, or no slot came free in time.
        """
        place = self._enter(tuple(dict.fromkeys(_claimants.get())))
        try:
            if not place.turn.wait(self._longest_wait):
                raise ThrottledError(RETRY_AFTER)
            began = monotonic()
            yield
            self._turns.note(monotonic() - began)
        finally:
            self._leave(place)

    def _enter(self, claimants: tuple[str, ...]) -> _Place:
        place, share = _Place(claimants), self._most // SHARE
        with self._lock:
            self._refuse_if_full()
            if any(self._held[each] >= share for each in claimants):
                raise ThrottledError(RETRY_AFTER)
            self._places += 1
            self._held.update(claimants)
            if self._free:
                self._free -= 1
                place.turn.set()
            else:
                self._queue.append(place)
        return place

    def _leave(self, place: _Place) -> None:
        with self._lock:
            self._places -= 1
            self._held.subtract(place.claimants)
            self._held += Counter()  # Drops those who hold nothing.
            if not place.turn.is_set():
                self._queue.remove(place)
            elif self._queue:
                # Handed over, or a newcomer could take it before the oldest one has woken.
                self._queue.popleft().turn.set()
            else:
                self._free += 1

    def run(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Do what a slot was acquired for, on one of as many threads as there are slots.

        The C library keeps memory for each thread that has ever hashed: on the server's own threads that would grow
        with their number.
        """
        return self._pool().submit(function, *arguments).result()

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._number, thread_name_prefix="tessera-hash")
            return self._threads
