"""Where the removal of dead sessions goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

SCANNED: Final = 5000
"""Sessions that one statement looks at: some 10 ms."""


class ScanBatch(NamedTuple):
    """The dead among some sessions that follow one another, by sid, and the last of them all; None at the end."""

    dead: list[bytes]
    last: bytes | None


class ExpiredSessionScan:
    """A walk over all sessions, which goes on where the call before has stopped.

    Sids begin with the time of birth, so the oldest come first and the walk needs no index. Nor does it need a lock:
    who removes what it has found looks at it once more.
    """

    def __init__(self) -> None:
        self._after: bytes | None = b""

    def following(self, look: Callable[[bytes], ScanBatch], most: int) -> list[bytes]:
        """At most `most` more; fewer at the end, after which the next call begins anew.

        Args:
            look: gives the sessions that follow a sid.
            most: how many to find.
        """
        after, dead = self._after, list[bytes]()
        while after is not None and len(dead) < most:
            found, last = look(after)
            room = most - len(dead)
            dead += found[:room]
            after = last if len(found) <= room else dead[-1]
        # At the end of the walk it stays there where the caller will ask for more: there is none.
        self._after = after if len(dead) == most else b""
        return dead
