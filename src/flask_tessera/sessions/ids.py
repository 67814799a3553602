"""What a session's id is made of: 6 bytes of milliseconds, 2 of a hash of its user, 8 random ones.

Ids sort by the time at which sessions began. The two bytes of the user are the same in every storage; in a Redis
Cluster they name the slot, so that all of a user lies together. They are public: the token beside them names the user.
"""

from __future__ import annotations

import hashlib
from typing import Final

SID_LENGTH: Final = 16
_TAG: Final = slice(6, 8)


def tag_of(realm: str, user_id: str) -> bytes:
    """The two bytes that stand for a user of a realm."""
    return hashlib.sha256(f"{realm}\0{user_id}".encode(errors="surrogatepass")).digest()[:2]


def tag_in(sid: bytes) -> bytes:
    """The two bytes in a sid; another user's, or nobody's, in sessions that release 0.1 began."""
    return sid[_TAG]


def make_sid(milliseconds: int, realm: str, user_id: str, random: bytes) -> bytes:
    """The id of a session that begins at this Unix millisecond, of 8 random bytes."""
    return milliseconds.to_bytes(6, "big") + tag_of(realm, user_id) + random


def first_sid(at: int) -> bytes:
    """The least sid that a session may have that began at Unix second `at`."""
    return (max(at, 0) * 1000).to_bytes(6, "big")
