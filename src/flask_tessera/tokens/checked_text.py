"""The text form of short tokens: a prefix that tells the kind, base64url, and a CRC-32; for some a MAC within.

The checksum lets secret scanners and these functions drop garbage cheaply; the MAC decides.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from ..errors import TokenInvalidError
from .encoding import checksum, decode, encode, plain

if TYPE_CHECKING:
    from .keys import Key, KeyRing

_CHECKSUM_CHARACTERS: Final = 6


def write(prefix: str, data: bytes) -> str:
    """The one text of `data`, whose length is a multiple of three: then no bit of it is unused."""
    body = encode(data)
    return prefix + (body + checksum(body)).decode()


def read(text: str, prefix: str, length: int) -> bytes:
    """The bytes, `length` of them, that `write` made a text of.

    Raises:
        TokenInvalidError: any other text, or no text at all.
    """
    text = plain(text)
    characters = length // 3 * 4
    is_long_enough = len(text) == len(prefix) + characters + _CHECKSUM_CHARACTERS
    if not is_long_enough or not text.startswith(prefix) or not text.isascii():
        raise TokenInvalidError
    raw = text[len(prefix) :].encode()
    body = raw[:characters]
    if checksum(body) != raw[characters:]:
        raise TokenInvalidError
    return decode(body)


def write_under(key: Key, prefix: str, data: bytes, mac_length: int) -> str:
    """The one text of `data` and so many bytes of its MAC."""
    return write(prefix, data + key.mac(data)[:mac_length])


def read_under(ring: KeyRing, text: str, prefix: str, length: int, mac_length: int) -> bytes:
    """The bytes, `length` of them, that `write_under` made a text of under a key of this ring.

    Raises:
        TokenInvalidError: any other text, or no text at all.
    """
    whole = read(text, prefix, length + mac_length)
    data, mac = whole[:length], whole[length:]
    genuine = [compare_digest(key.mac(data)[:mac_length], mac) for key in ring.keys]
    if not any(genuine):
        raise TokenInvalidError
    return data
