"""Looks over CBOR before a library decodes it: what authenticators write is plain (CTAP 2.1 §8).

A general decoder also follows tags, among them references to values that were decoded before. Two hundred bytes of
those stand for a tree that no machine writes out again, and the library tries to before it has checked a signature.
"""

from __future__ import annotations

from typing import Final

DEEPEST: Final = 4
"""Maps and arrays within each other (CTAP 2.1 §8: "limited to at most four levels")."""
_SIZES: Final = {24: 1, 25: 2, 26: 4, 27: 8}
"""Bytes of the number that follows, by the low bits of the first byte (RFC 8949 §3)."""
_LONGEST_HEAD: Final = 27
_STRINGS: Final = (2, 3)
_ARRAY, _MAP, _TAG = 4, 5, 6


def end_of_item(data: bytes, start: int = 0, levels: int = DEEPEST) -> int:
    """Where the item ends that begins at `start`.

    Args:
        data: CBOR, perhaps.
        start: offset of its first byte.
        levels: of maps and arrays that it may hold.

    Raises:
        ValueError: it is cut off, too deep, of indefinite length, or holds a tag.
    """
    head = data[start] if start < len(data) else 0xFF
    kind, low = head >> 5, head & 0x1F
    if kind == _TAG or low > _LONGEST_HEAD:
        raise ValueError("CBOR that is cut off, or holds a tag or something of indefinite length")
    position = start + 1 + _SIZES.get(low, 0)
    number = int.from_bytes(data[start + 1 : position], "big") if low in _SIZES else low
    if kind in _STRINGS:
        position += number
    elif kind in (_ARRAY, _MAP):
        if not levels or number > len(data):
            raise ValueError("CBOR that is too deep, or cut off")
        for _ in range(number * (1 + (kind == _MAP))):
            position = end_of_item(data, position, levels - 1)
    if position > len(data):
        raise ValueError("CBOR that is cut off")
    return position


def refuse_odd_item(data: bytes) -> None:
    """Go on only if `data` is one plain item.

    Raises:
        ValueError: it is not.
    """
    if end_of_item(data) != len(data):
        raise ValueError("bytes follow the CBOR")


def refuse_odd_authenticator_data(data: bytes) -> None:
    """Go on only if what an authenticator says of itself ends where it should, and its CBOR is plain.

    Its layout is that of WebAuthn §6.1: 37 bytes, of which the flags are the 33rd; with flag 6 (AT) 18 bytes of which
    the last two are the length of a credential id, that id, and a key; with flag 7 (ED) the extensions.

    Raises:
        ValueError: it does not.
    """
    position = 37
    flags = data[32] if len(data) >= position else 0
    if flags & 0x40:
        position += 18 + int.from_bytes(data[53:55], "big")
        position = end_of_item(data, position)
    if flags & 0x80:
        position = end_of_item(data, position)
    if position != len(data):
        raise ValueError("authenticator data of another length")
