"""How many passwords are hashed at once: each costs 19 MiB and a core."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, Final, TypeVar

from ..errors import ConfigError, ThrottledError

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
        self._slots = BoundedSemaphore(slots)
        self._places = BoundedSemaphore(slots * (1 + WAITERS_PER_SLOT))
        self._longest_wait = longest_wait
        self._number = slots
        self._threads: ThreadPoolExecutor | None = None
        self._process = 0
        self._lock = Lock()

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
        threads = self._threads
        if threads is None or self._process != os.getpid():
            with self._lock:
                # A child process has none of its parent's threads.
                if self._threads is None or self._process != os.getpid():
                    self._threads = ThreadPoolExecutor(self._number, thread_name_prefix="tessera-hash")
                    self._process = os.getpid()
                threads = self._threads
        return threads
