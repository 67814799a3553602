"""`RevocationLog` in PostgreSQL: the table is the truth, a notification says that it has grown."""

from __future__ import annotations

import itertools
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ....errors import StorageUnavailableError
from ...contract import Revocation, Revocations
from .listener import Listener
from .positions import START, Position, Positions, now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .bell import Bell
    from .connection import Connection
    from .database import Database

# The log and its entries in one statement, so that the snapshot is the one in which they were read.
_READ: Final = """
SELECT log.log_id, log.born_at, log.era, log.file, log.tableoid::bigint, pg_current_snapshot()::text,
       entry.number, entry.forget_at, entry.reason, entry.sid, entry.realm, entry.user_id, entry.epoch, entry.except_sid
  FROM tessera_log AS log
  LEFT JOIN tessera_revocations AS entry
    ON entry.xid >= pg_snapshot_xmin(%(snapshot)s::pg_snapshot)
   AND NOT pg_visible_in_snapshot(entry.xid, %(snapshot)s::pg_snapshot)
 ORDER BY entry.number"""
_LOOK: Final = """
SELECT log.log_id, log.born_at, log.era, log.file, log.tableoid::bigint, pg_current_snapshot()::text,
       EXISTS (SELECT 1 FROM tessera_revocations AS entry
                WHERE entry.xid >= pg_snapshot_xmin(%(snapshot)s::pg_snapshot)
                  AND NOT pg_visible_in_snapshot(entry.xid, %(snapshot)s::pg_snapshot))
  FROM tessera_log AS log"""
_BORN: Final = "UPDATE tessera_log SET born_at = %s, file = %s WHERE born_at IS NULL OR file <> %s"
_RESTORE: Final = """
UPDATE tessera_log SET log_id = %s, born_at = %s, file = %s || tableoid::bigint, era = era + 1 RETURNING era"""
_PURGE: Final = """
DELETE FROM tessera_revocations
 WHERE number IN (SELECT number FROM tessera_revocations WHERE forget_at <= %s
                   ORDER BY number LIMIT %s FOR UPDATE SKIP LOCKED)"""
_STRETCH: Final = 1000


class PostgresRevocations:
    """The log, and how far this process has read in it."""

    bound = 2

    def __init__(self, database: Database, bell: Bell) -> None:
        self._database = database
        self._bell = bell
        self._positions = Positions()
        self._listener = Listener(database)
        self._stamps = itertools.count(1)
        self._stamp: tuple[int, Position] = (0, START)

    def stamp(self) -> object:
        stamp, position = self._stamp
        log, has_grown, seen = self._database.read(partial(_look, position))
        if has_grown or log.name != position.log:
            stamp = next(self._stamps)
        # One object: a stamp that another thread has not seen yet must not stand beside what was read after it.
        self._stamp = (stamp, seen)
        return stamp

    def after(self, cursor: int, *, at: int) -> Revocations:
        position = self._positions.of(cursor)
        log, rows, seen = self._database.read(partial(_read, position))
        if log.is_unborn:
            self._database.write(lambda connection: connection.run(_BORN, (at, log.file, log.file)), again=True)
            return self.after(cursor, at=at)
        entries = tuple(Revocation(*row[7:]) for row in rows if row[6] is not None)
        if entries:
            cursor = self._positions.cursor_of(seen)
        else:
            self._positions.keep(cursor, seen)
        return Revocations(entries, cursor, log.name, log.born_at or 0, log.era)

    def wait(self, cursor: int, *, longest: float) -> tuple[str, ...]:
        return self._listener.hear(partial(_has_grown, self._positions.of(cursor)), longest)

    def restore(self, *, at: int) -> int:
        (era,) = self._database.write(partial(_restore, at))
        self._bell.ring()
        return int(era)

    def purge(self, *, at: int) -> None:
        while self._database.write(lambda connection: connection.run(_PURGE, (at, _STRETCH)).rowcount) == _STRETCH:
            pass

    def close(self) -> None:
        """Stop listening; the next `wait` begins again."""
        self._listener.close()


class _Log:
    """The row of `tessera_log`, as it was read."""

    def __init__(self, row: Sequence[Any], connection: Connection) -> None:
        self.log_id, self.born_at, self.era, self._file, table, self.snapshot = row[:6]
        # Which server, timeline and table it lies in: another one has forgotten what came later.
        self.file = f"{connection.server}.{table}"

    @property
    def name(self) -> str:
        return f"{self.log_id}.{self.file}"

    @property
    def is_unborn(self) -> bool:
        return self.born_at is None or self._file != self.file


def _read(position: Position, connection: Connection) -> tuple[_Log, list[Any], Position]:
    taken_at = now()
    rows = connection.all(_READ, {"snapshot": position.seen_by(connection)})
    log = _log_of(rows[0] if rows else None, connection)
    if position.log and log.name != position.log:
        return _read(START, connection)
    return log, rows, Position(log.snapshot, log.name, taken_at)


def _look(position: Position, connection: Connection) -> tuple[_Log, bool, Position]:
    taken_at = now()
    row = connection.one(_LOOK, {"snapshot": position.seen_by(connection)})
    log = _log_of(row, connection)
    return log, row[6], Position(log.snapshot, log.name, taken_at)


def _has_grown(position: Position, connection: Connection) -> bool:
    log, has_grown, _ = _look(position, connection)
    return has_grown or bool(position.log and log.name != position.log)


def _log_of(row: Sequence[Any] | None, connection: Connection) -> _Log:
    if row is None:
        raise StorageUnavailableError("the revocation log has lost its name")
    return _Log(row, connection)


def _restore(at: int, connection: Connection) -> Any:
    return connection.one(_RESTORE, (secrets.token_hex(8), at, f"{connection.server}."))
