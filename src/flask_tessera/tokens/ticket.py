"""The text form of a ticket: random bytes under a MAC; what it is good for is kept under a hash of them.

For secret scanners: every ticket, and hardly anything else, matches `tst_[A-Za-z0-9_-]{58}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import TokenInvalidError
from .checked_text import read_under, write_under

if TYPE_CHECKING:
    from .keys import Key, KeyRing

PREFIX: Final = "tst_"
TAG_BYTES: Final = 2
RANDOM_BYTES: Final = 16
_VERSION: Final = 1
_DATA_BYTES: Final = 1 + TAG_BYTES + RANDOM_BYTES
# 20 bytes of MAC make 39 in all: 52 characters without an unused bit.
_MAC_BYTES: Final = 20


def render(tag: bytes, random: bytes, key: Key) -> str:
    """Write the ticket of these random bytes (16) that belongs where `tag` says (2 bytes: of its owner).

    Raises:
        ValueError: one of them has another size.
    """
    if len(tag) != TAG_BYTES or len(random) != RANDOM_BYTES:
        raise ValueError(f"a ticket has a tag of {TAG_BYTES} bytes and {RANDOM_BYTES} random bytes")
    return write_under(key, PREFIX, bytes([_VERSION]) + tag + random, _MAC_BYTES)


def parse(text: str, ring: KeyRing) -> tuple[bytes, bytes]:
    """Tag (2 bytes) and random bytes (16) of a ticket of ours, of whatever age; nothing says that it is still good.

    Raises:
        TokenInvalidError: any other text, or no text at all.
    """
    data = read_under(ring, text, PREFIX, _DATA_BYTES, _MAC_BYTES)
    if data[0] != _VERSION:
        raise TokenInvalidError
    return data[1 : 1 + TAG_BYTES], data[1 + TAG_BYTES :]
