"""bcrypt as a way of hashing: verified only, never made."""

from __future__ import annotations

import functools
import hashlib
import logging
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_SECRET: Final = 72
"""Bytes that bcrypt reads; what comes after them was never part of a hash."""
LEAST_COST: Final = 4
MOST_COST: Final = 15
"""Of a stored hash that is believed: eight times the work of the usual 12."""

_STANDARD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BCRYPT = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_TO_BCRYPT = bytes.maketrans(_STANDARD, _BCRYPT)
_FROM_BCRYPT = bytes.maketrans(_BCRYPT, _STANDARD)
_DIGEST_LETTERS = 31

_log = logging.getLogger("flask_tessera")


@dataclass(frozen=True, slots=True)
class Bcrypt:
    """bcrypt (Provos and Mazières 1999) of `2 ** cost` rounds; of the password, or of its SHA-256 in hex as Django has.

    Libraries before bcrypt 5.0 (PHP's and OpenBSD's until today) hash the first 72 bytes of a longer password and say
    nothing. A hash of theirs can be verified only in the same way, so it is; the hash that takes its place has all of
    the password in it.
    """

    cost: int
    is_of_sha256: bool = False

    @property
    def family(self) -> str:
        """One for all of bcrypt."""
        return "bcrypt"

    @property
    def units(self) -> int:
        """The rounds."""
        return 1 << self.cost

    def of_units(self, units: int) -> Iterator[Bcrypt]:
        """The powers of two that make up as many rounds, but for those below the least cost."""
        for cost in range(LEAST_COST, units.bit_length()):
            if units >> cost & 1:
                yield Bcrypt(cost)

    @property
    def is_affordable(self) -> bool:
        """Within `LEAST_COST` and `MOST_COST`."""
        return LEAST_COST <= self.cost <= MOST_COST

    def derive(self, password: bytes, salt: bytes) -> bytes:
        """23 bytes; the salt has 16."""
        from bcrypt import hashpw

        secret = hashlib.sha256(password).hexdigest().encode() if self.is_of_sha256 else password[:LONGEST_SECRET]
        encoded = b64encode(salt).rstrip(b"=").translate(_TO_BCRYPT)
        # The letter of the version changes nothing: 2a, 2b and 2y differ by errors that no library has any more.
        return decode(hashpw(secret, b"$2b$%02d$%s" % (self.cost, encoded))[-_DIGEST_LETTERS:])


def decode(text: bytes) -> bytes:
    """The bytes behind bcrypt's own base64, which has no padding."""
    return b64decode(text.translate(_FROM_BCRYPT) + b"=" * (-len(text) % 4))


@functools.cache
def is_installed() -> bool:
    """Whether hashes of bcrypt can be verified; logged once where they cannot."""
    try:
        import bcrypt  # noqa: F401 (asked for in derive)
    except ImportError as error:
        _log.error(
            "passwords: a stored hash is of bcrypt, and that module cannot be imported (%s): whoever has such a hash"
            " cannot log in by password. Add the extra [accounts] to the line by which you installed this package",
            error,
        )
        return False
    return True
