"""Where a user's records lie: under a tag of two bytes, which names a slot of a cluster."""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .link import Link

SID_LENGTH: Final = 16


class Homes:
    """Tags of users, made with a key that the server keeps; it is read once.

    Args:
        link: to that server.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._key = b""
        self._is_believed = False

    def tag(self, realm: str, user_id: str, *, seed: bytes = b"") -> bytes:
        """The user's tag; `seed` becomes the key where there is none, by default dice do.

        Raises:
            StorageUnavailableError: the key cannot be read.
        """
        key = self._key if self._is_believed else self._learn(seed)
        return hmac.digest(key, f"{realm}\0{user_id}".encode(), "sha256")[:2]

    def doubt(self) -> None:
        """Look whether the server still has the key; it may have lost all, and been given another one."""
        self._is_believed = False

    def _learn(self, seed: bytes) -> bytes:
        # A key that is known goes before any other: all processes that know it agree.
        offered = self._key or seed or secrets.token_bytes(32)
        key: bytes = self._link.writing().run("tag_key", self._link.log, offered)
        self._key, self._is_believed = key, True
        return key


def tag_in(sid: bytes) -> bytes:
    """The tag that a sid names, most often its user's."""
    return sid[6:8]
