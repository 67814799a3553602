"""A clock that goes when a test says so."""

from __future__ import annotations

from typing import Final

YEAR_2096: Final = 3_976_214_400
"""The first second of 2096: so far off that no server expires a key by its own clock during a test."""


class Clock:
    """Gives Unix seconds: `Tessera(clock=Clock())`.

    Args:
        now: Unix second at which it stands.
    """

    is_controlled: Final = True
    """It goes only when a test says so: what is otherwise written some seconds later is written at once."""

    def __init__(self, now: int = YEAR_2096) -> None:
        self.now = now

    def __call__(self) -> int:
        """Now, in Unix seconds."""
        return self.now

    def advance(self, seconds: int) -> int:
        """Let `seconds` pass, backwards if negative, and give the new now in Unix seconds."""
        self.now += seconds
        return self.now

    def set(self, now: int) -> None:
        """Put it to Unix second `now`."""
        self.now = now
