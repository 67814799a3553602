"""How often something may be done, and how long in vain."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from ..clocks import boot_clock
from ..errors import StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable


_GIVEN_UP_FOR: Final = 1.0
"""Seconds; by then a request has come to its next step, if there is one."""


class _GivenUp(threading.local):
    until = 0.0
    error: StorageUnavailableError | None = None


_given_up: Final = _GivenUp()


def give_up(error: StorageUnavailableError) -> None:
    """Let the next step of this thread fail at once: it has waited as long as one request may, and got `error`."""
    _given_up.until, _given_up.error = boot_clock() + _GIVEN_UP_FOR, error


def refuse_if_given_up() -> None:
    """Keep a step from waiting, too.

    Raises:
        StorageUnavailableError: this thread has just given up.
    """
    error, _given_up.error = _given_up.error, None
    if error is not None and boot_clock() < _given_up.until:
        raise StorageUnavailableError(f"{error} (a moment ago)", writing=error.writing) from error


class Pace:
    """Says whether it is time again.

    Args:
        seconds: between two times.
        steady: gives seconds that only grow.
    """

    def __init__(self, seconds: float, steady: Callable[[], float] = boot_clock) -> None:
        self._seconds = seconds
        self._steady = steady
        self._next = float("-inf")

    @property
    def is_due(self) -> bool:
        """Whether it was not done in the last so many seconds."""
        return self._steady() >= self._next

    def note_done(self) -> None:
        """It was done now."""
        self._next = self._steady() + self._seconds
