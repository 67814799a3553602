"""`RevocationLog` in PostgreSQL: the table is the truth, a notification says that it has grown."""

from __future__ import annotations

import itertools
import secrets
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec.structs import replace

from ....errors import StorageUnavailableError
from ...contract import Revocation, Revocations, Wakeup
from .listener import Listener
from .positions import START, Position, Positions, Rest, now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .connection import Connection
    from .database import Database
    from .notifier import Notifier

Result = TypeVar("Result")
_LOG: Final = "log.log_id, log.born_at, log.era, log.file, log.tableoid::bigint, pg_current_snapshot()::text"
_UNSEEN: Final = """
      xid >= pg_snapshot_xmin(%(snapshot)s::pg_snapshot)
  AND NOT pg_visible_in_snapshot(xid, %(snapshot)s::pg_snapshot)"""
# What a snapshot shows beside an older one, from the last entry that was read on.
_REST: Final = """
      xid >= %(writer)s::xid8 AND (xid, number) > (%(writer)s::xid8, %(number)s)
  AND NOT pg_visible_in_snapshot(xid, %(since)s::pg_snapshot)
  AND pg_visible_in_snapshot(xid, %(snapshot)s::pg_snapshot)"""
_PAGE: Final = 500
"""Entries that one statement reads: some 2 ms. So few that the planner takes the index before any ANALYZE, too."""
# The log and its entries in one statement, so that the snapshot is the one in which they were read. Ordered as the
# index on `xid` is, so that a page costs the same wherever it lies.
_READ: Final = f"""
SELECT {_LOG}, entry.*
  FROM tessera_log AS log
  LEFT JOIN (SELECT xid::text AS writer, number, forget_at, reason, sid, realm, user_id, epoch, except_sid
               FROM tessera_revocations WHERE {{}} ORDER BY xid, number LIMIT {_PAGE}) AS entry ON true
 WHERE log.id = 1"""  # noqa: S608 - constants
_READ_UNSEEN: Final = _READ.format(_UNSEEN)
_READ_REST: Final = _READ.format(_REST)
# Ordered, so that the index is read: without it one that finds nothing would have read the whole table. Not EXISTS, for
# which the planner drops the order.
_LOOK: Final = f"""
SELECT {_LOG}, (SELECT number FROM tessera_revocations WHERE {_UNSEEN} ORDER BY xid, number LIMIT 1) IS NOT NULL
  FROM tessera_log AS log
 WHERE log.id = 1"""  # noqa: S608 - constants
# By number: what is committed later under a lower one was begun before the highest that could be seen.
_END: Final = f"""
SELECT {_LOG}, coalesce((SELECT max(number) FROM tessera_revocations), 0)
  FROM tessera_log AS log
 WHERE log.id = 1"""  # noqa: S608 - constants
_ENDED_ALL: Final = """
SELECT 1 FROM tessera_revocations WHERE number > %s AND user_id = %s AND realm = %s AND epoch > 0 LIMIT 1"""
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

    def __init__(self, database: Database, notifier: Notifier) -> None:
        self._database = database
        self._notifier = notifier
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
        log, entries, seen = self._born(partial(_read, self._positions.of(cursor)), at)
        if entries or seen.has_more(log.snapshot):
            cursor = self._positions.cursor_of(seen)
        else:
            self._positions.keep(cursor, seen)
        return log.stretch(entries, cursor, is_whole=not seen.has_more(log.snapshot))

    def tail(self, *, at: int) -> Revocations:
        log, last, _ = self._born(_look_at_end, at)
        return replace(log.stretch((), 0), last=last)

    def ended_all(self, realm: str, user_id: str, *, after: int) -> bool:
        values = (after, user_id, realm)
        return self._database.read(lambda connection: connection.one(_ENDED_ALL, values)) is not None

    def wait(self, cursor: int, *, longest: float) -> Wakeup:
        if self._positions.of(cursor).rest is None:
            self._listener.wait(longest)
        # Never "unchanged": who ended a session may have died before it could notify.
        return Wakeup()

    def interrupt(self) -> None:
        self._listener.interrupt()

    def restore(self, *, at: int) -> int:
        (era,) = self._database.write(partial(_restore, at))
        self._notifier.notify()
        return int(era)

    def purge(self, *, at: int) -> None:
        while self._database.write(lambda connection: connection.run(_PURGE, (at, _STRETCH)).rowcount) == _STRETCH:
            pass

    def _born(
        self, work: Callable[[Connection], tuple[_Log, Result, Position]], at: int
    ) -> tuple[_Log, Result, Position]:
        """What `work` reads, of a log that was born in these tables, or is by this call."""
        while True:
            log, result, seen = self._database.read(work)
            if not log.is_unborn:
                return log, result, seen
            values = (at, log.file, log.file)
            self._database.write(lambda connection: connection.run(_BORN, values), again=True)  # noqa: B023 - called at once

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

    def stretch(self, entries: tuple[Revocation, ...], cursor: int, *, is_whole: bool = True) -> Revocations:
        """Some of it, for who asked."""
        return Revocations(entries, cursor, self.name, self.born_at or 0, self.era, is_whole)


def _read(position: Position, connection: Connection) -> tuple[_Log, tuple[Revocation, ...], Position]:
    taken_at = now()
    known = position.as_seen_by(connection)
    rows = connection.all(_READ_REST if known.rest else _READ_UNSEEN, known.values())
    log = _log_of(rows[0] if rows else None, connection)
    if position.log and log.name != position.log:
        return _read(START, connection)
    found = [row[6:] for row in rows if row[6] is not None]
    moment = known if known.rest else Position(log.snapshot, log.name, taken_at)
    if len(found) < _PAGE:
        return log, _entries(found), moment._replace(rest=None)
    writer, number = max((int(row[0]), row[1]) for row in found)
    since = known.rest.since if known.rest else known.snapshot
    return log, _entries(found), moment._replace(rest=Rest(since, str(writer), number))


def _entries(rows: list[Any]) -> tuple[Revocation, ...]:
    """As they were noted, as far as that can be told."""
    return tuple(Revocation(*row[2:]) for row in sorted(rows, key=itemgetter(1)))


def _look(position: Position, connection: Connection) -> tuple[_Log, bool, Position]:
    taken_at = now()
    row = connection.one(_LOOK, position.as_seen_by(connection).values())
    log = _log_of(row, connection)
    return log, row[6], Position(log.snapshot, log.name, taken_at)


def _look_at_end(connection: Connection) -> tuple[_Log, int, Position]:
    taken_at = now()
    row = connection.one(_END)
    log = _log_of(row, connection)
    return log, row[6], Position(log.snapshot, log.name, taken_at)


def _log_of(row: Sequence[Any] | None, connection: Connection) -> _Log:
    if row is None:
        raise StorageUnavailableError("table tessera_log has no row; the next connection writes one")
    return _Log(row, connection)


def _restore(at: int, connection: Connection) -> Any:
    return connection.one(_RESTORE, (secrets.token_hex(8), at, f"{connection.server}."))
