"""`Records` in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ...errors import AlreadyExistsError, StorageUnavailableError
from ..contract import Page
from .endings import append
from .homes import tag_in
from .record import pack, unpack, unpack_principal
from .sessions import lead
from .walk import scan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...sessions.record import Principal, Session
    from .homes import Homes
    from .link import Link
    from .node import Node
    from .walk import Key


class RedisMoving:
    """Reads server by server; a cursor is the server's place and what it said last."""

    def __init__(self, link: Link, homes: Homes) -> None:
        self._link = link
        self._homes = homes

    def read(self, cursor: str, *, most: int) -> Page:
        servers = self._link.reading().servers()
        name, _, said = cursor.rpartition("|")
        position = _position(servers, name) if cursor else 0
        following, keys = scan(self._link, servers[position], said.encode() or b"0", most, b"sp")
        sessions, principals = self._records(servers[position], keys)
        if following != b"0":
            return Page(sessions, principals, f"{_name(servers[position])}|{following.decode()}")
        is_last = position + 1 == len(servers)
        return Page(sessions, principals, "" if is_last else f"{_name(servers[position + 1])}|0")

    def write(self, page: Page, *, at: int) -> None:
        for principal in page.principals:
            self._write_principal(principal)
        era = int(self._link.reading().command(self._link.log, b"GET", self._link.log + b"era") or 0)
        step = self._link.writing()
        homes = [self._homes.tag(session.realm, session.user_id) for session in page.sessions]
        calls = [
            (self._put_keys(session, home), (pack(session), era, at))
            for home, session in zip(homes, page.sessions, strict=True)
            if self._can_lie(session, home, at)
        ]
        step.run_all("put", calls)
        append(self._link, step, [msgspec.structs.astuple(entry) for entry in page.revocations], at=at)

    def _records(self, server: Node, keys: Sequence[Key]) -> tuple[tuple[Session, ...], tuple[Principal, ...]]:
        """What these keys hold; those that have expired meanwhile are left out."""
        if not keys:
            return (), ()
        commands = [(b"GET", self._link.base(key.tag) + key.kind + b":" + key.name) for key in keys]
        found = zip(keys, self._link.reading().ask(server, *commands), strict=True)
        present = [(key, raw) for key, raw in found if raw is not None]
        sessions = [(key.tag, unpack(key.name, raw)) for key, raw in present if key.kind == b"s"]
        return (
            tuple(each for tag, each in sessions if self._homes.find(each.realm, each.user_id) == tag),
            tuple(_principal(key.name, raw) for key, raw in present if key.kind == b"p"),
        )

    def _write_principal(self, principal: Principal) -> None:
        realm, user_id = principal.realm, principal.user_id
        _, key = self._link.user_keys(self._homes.tag(realm, user_id), realm, user_id)
        self._link.writing().run("put_principal", [key], realm, user_id, principal.epoch, principal.suspended_until)

    def _put_keys(self, session: Session, home: bytes) -> tuple[bytes, bytes]:
        index, _ = self._link.user_keys(home, session.realm, session.user_id)
        return self._link.session_key(home, session.sid), index

    def _can_lie(self, session: Session, home: bytes, at: int) -> bool:
        """Whether it may be put there, with something leading to it where its sid names another place."""
        if home == tag_in(session.sid):
            return True
        try:
            lead(self._link, self._link.writing(), session, home, at)
        except AlreadyExistsError:
            return False
        return True


def _name(server: Node) -> str:
    return f"{server.place[0]}:{server.place[1]}"


def _position(servers: Sequence[Node], name: str) -> int:
    names = [_name(server) for server in servers]
    if name not in names:
        raise StorageUnavailableError("Redis: the servers have changed meanwhile; begin again")
    return names.index(name)


def _principal(key: bytes, raw: bytes) -> Principal:
    length, _, user = key.partition(b":")
    realm, user_id = user[: int(length)], user[int(length) :]
    return unpack_principal(realm.decode(), user_id.decode(), raw)
