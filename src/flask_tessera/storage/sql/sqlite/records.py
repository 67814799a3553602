"""`Records` in SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from .. import paging
from ..rows import COLUMNS, NAMES, row_of
from . import steps

if TYPE_CHECKING:
    from ...contract import Page
    from .database import Database
    from .revocations import SQLiteRevocations

_SESSIONS: Final = f"SELECT {COLUMNS} FROM tessera_sessions WHERE sid > ? ORDER BY sid LIMIT ?"  # noqa: S608 - constants
_PRINCIPALS: Final = """
SELECT realm, user_id, epoch, suspended_until FROM tessera_principals
 WHERE (user_id, realm) > (?, ?) ORDER BY user_id, realm LIMIT ?"""
_ERA: Final = "SELECT era FROM tessera_log"
_PUT_SESSION: Final = f"""
INSERT INTO tessera_sessions ({COLUMNS}) VALUES ({steps.PLACES})
ON CONFLICT (sid) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in NAMES)}
 WHERE tessera_sessions.ended_at = 0
   AND (excluded.ended_at <> 0 OR (excluded.gen, excluded.epoch) > (tessera_sessions.gen, tessera_sessions.epoch))"""  # noqa: S608 - constants
_PUT_PRINCIPAL: Final = """
INSERT INTO tessera_principals (realm, user_id, epoch, suspended_until) VALUES (?, ?, ?, ?)
ON CONFLICT (user_id, realm) DO UPDATE
   SET epoch = max(tessera_principals.epoch, excluded.epoch),
       suspended_until = max(tessera_principals.suspended_until, excluded.suspended_until)"""


class SQLiteRecords:
    """Pages by key, so that each costs the same."""

    def __init__(self, database: Database, revocations: SQLiteRevocations) -> None:
        self._database = database
        self._revocations = revocations

    def read(self, cursor: str, *, most: int) -> Page:
        position = paging.parse(cursor)
        with self._database.reading() as connection:
            sql = connection.cursor()
            if position.sid is not None:
                return paging.of_sessions(sql.execute(_SESSIONS, (position.sid, most)).fetchall(), most)
            return paging.of_principals(sql.execute(_PRINCIPALS, (*position[1:], most)).fetchall(), most)

    def write(self, page: Page, *, at: int) -> None:  # noqa: ARG002 - nothing expires by itself here
        with self._database.writing() as connection:
            sql = connection.cursor()
            (era,) = sql.execute(_ERA).fetchone()
            sql.executemany(_PUT_SESSION, [row_of(replace(session, era=era)) for session in page.sessions])
            sql.executemany(
                _PUT_PRINCIPAL,
                [(each.realm, each.user_id, each.epoch, each.suspended_until) for each in page.principals],
            )
            sql.executemany(steps.NOTE, [msgspec.structs.astuple(entry) for entry in page.revocations])
        if page.revocations:
            self._revocations.announce()
