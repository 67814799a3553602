"""How far in the log somebody has read: what had been committed at that moment."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ....fork import renew_in_children

if TYPE_CHECKING:
    from .connection import Connection

NOTHING: Final = "1:1:"
"""The snapshot in which no transaction is visible."""
_MOST: Final = 256


class Rest(NamedTuple):
    """That some of what a moment shows was not read yet.

    Attributes:
        since: the snapshot of the moment before, of which all was read.
        writer: the transaction that wrote the last entry that was read; they are read in this order.
        number: of that entry.
    """

    since: str
    writer: str
    number: int


class Position(NamedTuple):
    """A moment of a log.

    A sequence is no cursor: a lower number may be committed later. So it is the database's snapshot that is kept, which
    knows of each transaction whether it was over; of each the log has noted who wrote it. Where that shows very many
    entries they are read one after another, and only then what it does not show.

    Attributes:
        snapshot: of the statement that read, as PostgreSQL writes it.
        log: which log that was.
        taken_at: steady second before the statement was sent.
        rest: how far this moment was read; None if all of it was.
    """

    snapshot: str
    log: str
    taken_at: float
    rest: Rest | None = None

    def as_seen_by(self, connection: Connection) -> Position:
        """The position, or the start where it cannot be trusted on this connection.

        After a crash the server gives numbers of unfinished transactions a second time. A connection that was there
        before the snapshot proves that there was no crash since.
        """
        return self if connection.opened_at < self.taken_at else START

    def values(self) -> dict[str, Any]:
        """For the statements that read on."""
        return {"snapshot": self.snapshot, **(self.rest._asdict() if self.rest else {})}

    def has_more(self, snapshot: str) -> bool:
        """Whether there may have been more to read when a statement saw `snapshot`."""
        return self.rest is not None or self.snapshot != snapshot


START: Final = Position(NOTHING, "", 0.0)
"""Before all entries of any log."""


class Positions:
    """What cursors stand for, in this process: the last ones that were given."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Position] = OrderedDict()
        self._numbers = itertools.count()
        renew_in_children(self)

    def renew_locks(self) -> None:
        """A thread of the parent may hold the lock."""
        self._lock = threading.Lock()

    def of(self, cursor: int) -> Position:
        """The position; the start for a cursor that another process was given, or that is too old."""
        with self._lock:
            return self._kept.get(cursor, START)

    def keep(self, cursor: int, position: Position) -> None:
        """Let a cursor stand for a position."""
        with self._lock:
            self._kept[cursor] = position
            self._kept.move_to_end(cursor)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)

    def cursor_of(self, position: Position) -> int:
        """A new cursor: greater than earlier ones, and none that another process may have given."""
        oldest = int(position.snapshot.partition(":")[0])
        cursor = oldest << 64 | (next(self._numbers) & 0xFFFF_FFFF) << 32 | secrets.randbits(32)
        self.keep(cursor, position)
        return cursor


def now() -> float:
    """The steady second, for `Position.taken_at`."""
    return time.monotonic()
