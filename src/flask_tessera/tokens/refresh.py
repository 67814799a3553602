"""The text form of a refresh token: a session and its generation under a MAC, nothing else."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from ..errors import TokenInvalidError
from .checked_text import read_under, write_under

if TYPE_CHECKING:
    from .keys import Key, KeyRing

PREFIX: Final = "tsr_"
SID_BYTES: Final = 16
_VERSION: Final = 1
# 24 bytes of MAC make 45 in all: 60 characters without an unused bit.
_MAC_BYTES: Final = 24
_HEAD: Final = struct.Struct(">B16sI")


def render(sid: bytes, gen: int, key: Key) -> str:
    """Write the refresh token of generation `gen` of session `sid` (16 bytes): always the same text.

    Raises:
        ValueError: `sid` has another size or `gen` does not fit four bytes.
    """
    if len(sid) != SID_BYTES or not 0 <= gen < 2**32:
        raise ValueError("sid must have 16 bytes and gen must be between 0 and 2**32 - 1")
    return write_under(key, PREFIX, _HEAD.pack(_VERSION, sid, gen), _MAC_BYTES)


def parse(text: str, ring: KeyRing) -> tuple[bytes, int]:
    """Session id (16 bytes) and generation of a refresh token of ours, of whatever age.

    Raises:
        TokenInvalidError: any other text, or no text at all.
    """
    version, sid, gen = _HEAD.unpack(read_under(ring, text, PREFIX, _HEAD.size, _MAC_BYTES))
    if version != _VERSION:
        raise TokenInvalidError
    return sid, gen
