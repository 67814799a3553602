"""The cursor with which all records are read: sessions by sid, then principals by user id and realm."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...sessions.model import Principal
from ..contract import Page
from .rows import COLUMNS, session_of, text

if TYPE_CHECKING:
    from collections.abc import Sequence

_SESSIONS: Final = "s"
_PRINCIPALS: Final = "p"
_READ_SESSIONS: Final = f"SELECT {COLUMNS} FROM tessera_sessions WHERE sid > ? ORDER BY sid LIMIT ?"  # noqa: S608 - constants
# Not as a comparison of pairs, for which MySQL would not use the key.
_READ_PRINCIPALS: Final = """
SELECT realm, user_id, epoch, suspended_until FROM tessera_principals
 WHERE user_id >= ? AND (user_id > ? OR realm > ?) ORDER BY user_id, realm LIMIT ?"""


class Position(NamedTuple):
    """After which record to go on; `sid` is None once all sessions were read."""

    sid: bytes | None = b""
    user_id: str = ""
    realm: str = ""

    @property
    def statement(self) -> str:
        """What reads on; its last value is how many rows."""
        return _READ_SESSIONS if self.sid is not None else _READ_PRINCIPALS

    @property
    def values(self) -> tuple[Any, ...]:
        """Its values but for the last."""
        return (self.sid,) if self.sid is not None else (self.user_id, self.user_id, self.realm)

    @property
    def cursor(self) -> str:
        """The cursor that leads here."""
        if self.sid is not None:
            return _SESSIONS + self.sid.hex()
        return _PRINCIPALS + json.dumps([self.user_id, self.realm])

    def page(self, rows: Sequence[Sequence[Any]], most: int) -> Page:
        """The page that the rows make; after the last session the principals follow."""
        if self.sid is not None:
            sessions = tuple(map(session_of, rows))
            following = Position(sessions[-1].sid) if len(sessions) >= most else Position(None)
            return Page(sessions, cursor=following.cursor)
        principals = tuple(Principal(text(realm), text(user_id), *rest) for realm, user_id, *rest in rows)
        if len(principals) < most:
            return Page((), principals)
        last = principals[-1]
        return Page((), principals, cursor=Position(None, last.user_id, last.realm).cursor)


def parse(cursor: str) -> Position:
    """The position that a cursor names; the beginning for an empty text.

    Raises:
        ValueError: it is not one of ours.
    """
    if not cursor:
        return Position()
    kind, rest = cursor[:1], cursor[1:]
    if kind == _SESSIONS:
        return Position(bytes.fromhex(rest))
    if kind != _PRINCIPALS:
        raise ValueError("this is not a cursor of a SQL storage")
    user_id, realm = json.loads(rest)
    return Position(None, user_id, realm)
