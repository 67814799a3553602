"""The cursor with which all records are read: sessions by sid, then principals by user id and realm."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...sessions.record import Principal
from ..contract import Page
from .rows import session_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_SESSIONS: Final = "s"
_PRINCIPALS: Final = "p"


class Position(NamedTuple):
    """After which record to go on; `sid` is None once all sessions were read."""

    sid: bytes | None = b""
    user_id: str = ""
    realm: str = ""


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


def render(position: Position) -> str:
    """The cursor of a position."""
    if position.sid is not None:
        return _SESSIONS + position.sid.hex()
    return _PRINCIPALS + json.dumps([position.user_id, position.realm])


def of_sessions(rows: Sequence[Sequence[Any]], most: int) -> Page:
    """The page that rows of `rows.COLUMNS` make; after the last of them the principals follow."""
    sessions = tuple(map(session_of, rows))
    return Page(sessions, (), render(Position(sessions[-1].sid) if len(sessions) >= most else Position(None)))


def of_principals(rows: Sequence[Sequence[Any]], most: int) -> Page:
    """The page that rows of realm, user id, epoch and suspension make."""
    principals = tuple(Principal(*row) for row in rows)
    if len(principals) < most:
        return Page((), principals)
    last = principals[-1]
    return Page((), principals, render(Position(None, last.user_id, last.realm)))
