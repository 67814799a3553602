"""All sessions of a SQL database, one after the other: what removes the dead ones, and what moves them.

Sids begin with the time of birth, so the oldest come first. By that, dead sessions are found in a walk that goes on
where the call before has stopped: an index by their end would be written at each refresh.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ...sessions.ids import first_sid
from ...sessions.model import Principal
from ..model import Page
from .rows import COLUMNS, session_of, text

if TYPE_CHECKING:
    from .database import Database

_NEWEST: Final = "SELECT created_at FROM tessera_sessions WHERE sid < ? ORDER BY sid DESC LIMIT 1"
_LAST: Final = "SELECT max(sid) FROM (SELECT sid FROM tessera_sessions WHERE sid > ? ORDER BY sid LIMIT ?) AS few"
_EXPIRED: Final = "SELECT sid FROM tessera_sessions WHERE sid > ? AND sid <= ? AND idle_until <= ? ORDER BY sid LIMIT ?"
_PURGE: Final = "DELETE FROM tessera_sessions WHERE sid = ? AND idle_until <= ?"
_READ_SESSIONS: Final = f"SELECT {COLUMNS} FROM tessera_sessions WHERE sid > ? ORDER BY sid LIMIT ?"  # noqa: S608 - constants
# Not as a comparison of pairs, for which MySQL would not use the key.
_READ_PRINCIPALS: Final = """
SELECT realm, user_id, epoch, suspended_until FROM tessera_principals
 WHERE user_id >= ? AND (user_id > ? OR realm > ?) ORDER BY user_id, realm LIMIT ?"""
_SCANNED: Final = 5000
"""Sessions that one statement looks at: some 10 ms."""
_FEW: Final = 100
"""Sessions that one transaction of a purge removes: a few ms."""
_PRINCIPALS: Final = "p"
"""Begins a cursor with which principals are read: they follow the sessions."""


class AllSessions:
    """The methods of `SessionStore` that look at all of them."""

    def __init__(self, database: Database[Any]) -> None:
        self._database = database
        self._purged = b""
        """The sid up to which dead sessions were removed in this walk."""

    def newest(self, *, before: int) -> int:
        (rows,) = self._database.read((_NEWEST, (first_sid(before),)))
        return int(rows[0][0]) if rows else 0

    def purge(self, *, at: int, most: int) -> int:
        removed = 0
        while removed < most:
            (((last,),),) = self._database.read((_LAST, (self._purged, _SCANNED)))
            if last is None:
                # The next call begins anew.
                self._purged = b""
                break
            room = most - removed
            # Without a lock: who removes them looks at them once more.
            (dead,) = self._database.read((_EXPIRED, (self._purged, last, at, room)))
            self._purged = last if len(dead) < room else dead[-1][0]
            for begin in range(0, len(dead), _FEW):
                batch = reversed(dead[begin : begin + _FEW])
                removed += self._database.remove(_PURGE, [(sid, at) for (sid,) in batch])
        return removed

    def read(self, cursor: str, *, most: int) -> Page:
        if not cursor.startswith(_PRINCIPALS):
            (rows,) = self._database.read((_READ_SESSIONS, (bytes.fromhex(cursor), most)))
            sessions = tuple(map(session_of, rows))
            return Page(sessions, cursor=sessions[-1].sid.hex() if len(rows) >= most else _PRINCIPALS)
        user_id, realm = json.loads(cursor.removeprefix(_PRINCIPALS) or '["", ""]')
        (rows,) = self._database.read((_READ_PRINCIPALS, (user_id, user_id, realm, most)))
        principals = tuple(Principal(text(realm), text(user_id), *rest) for realm, user_id, *rest in rows)
        if len(principals) < most:
            return Page((), principals)
        return Page((), principals, cursor=_PRINCIPALS + json.dumps([principals[-1].user_id, principals[-1].realm]))
