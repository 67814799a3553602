"""`PrincipalStorage` in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...sessions.record import Principal
from .endings import end_all
from .record import unpack_principal

if TYPE_CHECKING:
    from ...sessions.record import Session
    from .homes import Homes
    from .link import Link


class RedisPrincipals:
    """Each method is one step."""

    def __init__(self, link: Link, homes: Homes) -> None:
        self._link = link
        self._homes = homes

    def find(self, realm: str, user_id: str) -> Principal:
        tag = self._homes.find(realm, user_id)
        if not tag:
            return Principal(realm, user_id)
        _, key = self._link.user_keys(tag, realm, user_id)
        raw = self._link.reading().command(key, b"GET", key)
        return unpack_principal(realm, user_id, raw)

    def suspend(self, realm: str, user_id: str, *, until: int, at: int, keep_until: int = 0) -> list[Session]:
        return end_all(
            self._link,
            self._homes,
            realm,
            user_id,
            "suspension",
            at=at,
            suspended_until=until,
            keep_until=keep_until,
        )

    def unsuspend(self, realm: str, user_id: str) -> None:
        tag = self._homes.find(realm, user_id)
        if not tag:
            return
        _, key = self._link.user_keys(tag, realm, user_id)
        self._link.writing().run("unsuspend", [key], realm, user_id)
