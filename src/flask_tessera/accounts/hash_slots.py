"""How many passwords are hashed at once: each costs 19 MiB and a core."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, Final, TypeVar

from ..errors import ConfigError, ThrottledError
from ..fork import renew_in_children

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Result = TypeVar("Result")
WAITERS_PER_SLOT: Final = 2
"""How many may wait for each slot; the next is refused at once, so that other requests keep being served."""
RETRY_AFTER: Final = 1
"""Seconds after which a caller who was refused may come again."""


class HashSlots:
    """Bounds the work of hashing in one process: `slots` at work, twice as many waiting.

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
        renew_in_children(self)

    def renew_locks(self) -> None:
        """A child process has none of its parent's threads, and none of the slots that they hold."""
        self._slots = BoundedSemaphore(self._number)
        self._places = BoundedSemaphore(self._number * (1 + WAITERS_PER_SLOT))
        self._lock = Lock()
        self._threads: ThreadPoolExecutor | None = None

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold one slot.

        Raises:
            ThrottledError: the queue is full, or no slot came free in time; retry after 1 s.
        """
        if not self._places.acquire(blocking=False):
            raise ThrottledError(RETRY_AFTER)
        try:
            if not self._slots.acquire(timeout=self._longest_wait):
                raise ThrottledError(RETRY_AFTER)
            try:
                yield
            finally:
                self._slots.release()
        finally:
            self._places.release()

    def work(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Do what a slot was taken for, on one of as many threads as there are slots.

        The C library keeps memory for each thread that has ever hashed: on the server's own threads that would grow
        with their number.
        """
        return self._pool().submit(function, *arguments).result()

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._number, thread_name_prefix="tessera-hash")
            return self._threads
