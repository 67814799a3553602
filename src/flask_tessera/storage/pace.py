"""How often something may be done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..clocks import boot_clock

if TYPE_CHECKING:
    from collections.abc import Callable


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
