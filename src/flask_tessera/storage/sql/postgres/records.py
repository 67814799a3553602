"""`Records` in PostgreSQL."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from .. import paging
from ..rows import COLUMNS, NAMES, row_of
from . import steps

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...contract import Page
    from .connection import Connection
    from .database import Database
    from .notifier import Notifier

_SESSIONS: Final = f"SELECT {COLUMNS} FROM tessera_sessions WHERE sid > %s ORDER BY sid LIMIT %s"  # noqa: S608 - constants
_PRINCIPALS: Final = """
SELECT realm, user_id, epoch, suspended_until FROM tessera_principals
 WHERE (user_id, realm) > (%s, %s) ORDER BY user_id, realm LIMIT %s"""
_ERA: Final = "SELECT era FROM tessera_log WHERE id = 1"
_PUT_SESSION: Final = f"""
INSERT INTO tessera_sessions ({COLUMNS}) VALUES ({", ".join("%s" for _ in NAMES)})
ON CONFLICT (sid) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in NAMES)}
 WHERE tessera_sessions.ended_at = 0
   AND (excluded.ended_at <> 0 OR (excluded.gen, excluded.epoch) > (tessera_sessions.gen, tessera_sessions.epoch))"""  # noqa: S608 - constants
_PUT_PRINCIPAL: Final = """
INSERT INTO tessera_principals (realm, user_id, epoch, suspended_until) VALUES (%s, %s, %s, %s)
ON CONFLICT (user_id, realm) DO UPDATE
   SET epoch = greatest(tessera_principals.epoch, excluded.epoch),
       suspended_until = greatest(tessera_principals.suspended_until, excluded.suspended_until)"""


class PostgresRecords:
    """Pages by key, so that each costs the same."""

    def __init__(self, database: Database, notifier: Notifier) -> None:
        self._database = database
        self._notifier = notifier

    def read(self, cursor: str, *, most: int) -> Page:
        position = paging.parse(cursor)
        if position.sid is not None:
            values: tuple[Any, ...] = (position.sid, most)
            rows = self._database.read(lambda connection: connection.all(_SESSIONS, values))
            return paging.of_sessions(rows, most)
        keys = (*position[1:], most)
        return paging.of_principals(self._database.read(lambda connection: connection.all(_PRINCIPALS, keys)), most)

    def write(self, page: Page, *, at: int) -> None:
        self._database.transact(partial(_write, page, at), again=not page.revocations)
        if page.revocations:
            self._notifier.notify()


def _write(page: Page, at: int, connection: Connection) -> None:
    (era,) = connection.one(_ERA)
    # In the order in which all take their locks.
    principals = sorted(page.principals, key=lambda each: (each.user_id, each.realm))
    sessions = sorted(page.sessions, key=lambda session: session.sid)
    _many(
        connection,
        _PUT_PRINCIPAL,
        ((each.realm, each.user_id, each.epoch, each.suspended_until) for each in principals),
    )
    _many(connection, _PUT_SESSION, (row_of(replace(session, era=era)) for session in sessions))
    _many(connection, steps.NOTE, ((*msgspec.structs.astuple(entry), at) for entry in page.revocations))


def _many(connection: Connection, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
    connection.cursor().executemany(statement, rows)
