"""How often something may be done."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """So many times in so many seconds.

    Attributes:
        amount: how often.
        seconds: in windows of this length.
    """

    amount: int
    seconds: int

    def window_after(self, failures: int) -> int:
        """Seconds of the next window after so many failures: it doubles with each window that was used up."""
        return int(self.seconds << min(failures // self.amount, 20))
