"""Counters of attempts in memory, by a clock that nobody can set."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from limits.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Callable

SMALLEST_SWEEP: Final = 1024
"""Counters below which it is not worth looking for expired ones."""


@dataclass(slots=True)
class _Window:
    count: int
    ends_at: float


class AttemptCounters(Storage):
    """A storage for the fixed windows of `limits`, in one process; the caller holds a lock.

    Its own MemoryStorage cannot be given a clock: it reads the wall clock, and setting that forward reopens every
    window. It also drops expired keys outside the lock under which it counts. A counter that went back to zero is
    forgotten, so memory is held only for attempts that were really checked within a window.

    Args:
        clock: seconds, never going back; `get_expiry` answers in the same.
    """

    STORAGE_SCHEME = None

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._windows: dict[str, _Window] = {}
        self._sweep_at = SMALLEST_SWEEP

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """No error is peculiar to a dict."""
        return ()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add `amount` (negative: give back) and answer the new count; a new window lasts `expiry` seconds."""
        window = self._live(key) or self._opened(expiry)
        window.count = max(0, window.count + amount)
        if window.count:
            self._windows[key] = window
        else:
            self._windows.pop(key, None)
        return window.count

    def get(self, key: str) -> int:
        """The count; 0 where there is none."""
        window = self._live(key)
        return window.count if window else 0

    def get_expiry(self, key: str) -> float:
        """When the window ends, in seconds of the clock; now, where there is none."""
        window = self._live(key)
        return window.ends_at if window else self._clock()

    def clear(self, key: str) -> None:
        """Forget the count."""
        self._windows.pop(key, None)

    def reset(self) -> int | None:
        """Forget all counts, and answer how many there were."""
        number = len(self._windows)
        self._windows.clear()
        return number

    def check(self) -> bool:
        """A dict is always there."""
        return True

    def __len__(self) -> int:
        return len(self._windows)

    def _live(self, key: str) -> _Window | None:
        window = self._windows.get(key)
        return window if window and window.ends_at > self._clock() else None

    def _opened(self, expiry: int) -> _Window:
        if len(self._windows) >= self._sweep_at:
            self._sweep()
        return _Window(0, self._clock() + expiry)

    def _sweep(self) -> None:
        """Drop the expired; the next sweep comes when the rest has doubled, so that each costs its share."""
        now = self._clock()
        self._windows = {key: window for key, window in self._windows.items() if window.ends_at > now}
        self._sweep_at = max(SMALLEST_SWEEP, 2 * len(self._windows))
