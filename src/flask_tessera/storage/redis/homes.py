"""Where a user's records lie: under a tag of two bytes, which names a slot of a cluster."""

from __future__ import annotations

import hmac
import secrets
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .link import Link

SID_LENGTH: Final = 16
_BELIEVED: Final = 30.0
"""Seconds after which the key is read again: a server that has lost all may have been given another one."""


class Homes:
    """Tags of users, made with a key that the server keeps.

    Args:
        link: to that server.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._key = b""
        self._believed_until = 0.0

    def tag(self, realm: str, user_id: str, *, seed: bytes = b"") -> bytes:
        """The user's tag; `seed` becomes the key where there is none, by default dice do.

        Raises:
            StorageUnavailableError: the key cannot be read.
        """
        return _tag(self._learned(seed or secrets.token_bytes(32)), realm, user_id)

    def find(self, realm: str, user_id: str) -> bytes:
        """The user's tag; empty where there is no key yet, so that nothing is kept of anybody.

        Who only looks makes no key: the application is to offer its own.

        Raises:
            StorageUnavailableError: the key cannot be read.
        """
        key = self._learned(b"")
        return _tag(key, realm, user_id) if key else b""

    def doubt(self) -> None:
        """Read the key again before the next use."""
        self._believed_until = 0.0

    def _learned(self, offered: bytes) -> bytes:
        if time.monotonic() < self._believed_until:
            return self._key
        # A key that is known goes before any other: all processes that know it agree.
        key = self._link.writing().run("tag_key", self._link.log_keys(b"meta", b"tag_key"), self._key or offered)
        if key:
            self._key, self._believed_until = key, time.monotonic() + _BELIEVED
        return key or b""


def _tag(key: bytes, realm: str, user_id: str) -> bytes:
    return hmac.digest(key, f"{realm}\0{user_id}".encode(), "sha256")[:2]


def tag_in(sid: bytes) -> bytes:
    """The tag that a sid names, most often its user's."""
    return sid[6:8]
