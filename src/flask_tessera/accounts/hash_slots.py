"""How many passwords are hashed at once: each costs 19 MiB and a core."""

from __future__ import annotations

from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Final

from ..errors import ConfigError, ThrottledError

if TYPE_CHECKING:
    from collections.abc import Iterator

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
