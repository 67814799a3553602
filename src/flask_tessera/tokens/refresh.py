"""The text form of a refresh token: a session and its generation under a MAC, nothing else."""

from __future__ import annotations

import struct
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from ..errors import TokenInvalidError
from .encoding import checksum, decode, encode, plain

if TYPE_CHECKING:
    from .keys import Key, KeyRing

PREFIX: Final = "tsr_"
SID_BYTES: Final = 16
_VERSION: Final = 1
# 24 bytes of MAC make 45 in all: 60 characters without an unused bit.
_MAC_BYTES: Final = 24
_HEAD: Final = struct.Struct(">B16sI")
_BODY_CHARACTERS: Final = 60
_LENGTH: Final = len(PREFIX) + _BODY_CHARACTERS + 6


def render(sid: bytes, gen: int, key: Key) -> str:
    """Write the refresh token of generation `gen` of session `sid` (16 bytes): always the same text.

    Raises:
        ValueError: `sid` has another size or `gen` does not fit four bytes.
    """
    if len(sid) != SID_BYTES or not 0 <= gen < 2**32:
        raise ValueError("sid must have 16 bytes and gen must be between 0 and 2**32 - 1")
    head = _HEAD.pack(_VERSION, sid, gen)
    body = encode(head + key.mac(head)[:_MAC_BYTES])
    return PREFIX + (body + checksum(body)).decode()


def parse(text: str, ring: KeyRing) -> tuple[bytes, int]:
    """Session id (16 bytes) and generation of a refresh token of ours, of whatever age.

    The checksum lets secret scanners and this function drop garbage cheaply; the MAC decides.

    Raises:
        TokenInvalidError: any other text, or no text at all.
    """
    text = plain(text)
    if len(text) != _LENGTH or not text.startswith(PREFIX) or not text.isascii():
        raise TokenInvalidError
    raw = text[len(PREFIX) :].encode()
    body = raw[:_BODY_CHARACTERS]
    if checksum(body) != raw[_BODY_CHARACTERS:]:
        raise TokenInvalidError
    data = decode(body)
    version, sid, gen = _HEAD.unpack_from(data)
    head, mac = data[: _HEAD.size], data[_HEAD.size :]
    genuine = [compare_digest(key.mac(head)[:_MAC_BYTES], mac) for key in ring.keys]
    if version != _VERSION or not any(genuine):
        raise TokenInvalidError
    return sid, gen
