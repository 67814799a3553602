"""The text forms of stored password hashes, with the work that each asks for."""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from ..errors import missing_extra
from . import django_hashes
from .bcrypt_hashes import Bcrypt, decode, is_installed

try:
    from argon2.exceptions import HashingError as HashingError  # noqa: PLC0414 (that exports it)
    from argon2.low_level import Type, hash_secret_raw
except ModuleNotFoundError as error:
    raise missing_extra("passwords need the module argon2", "accounts") from error

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST_MEMORY: Final = 128 * 2**20
"""Bytes that a stored hash may ask for; a row that asks for more is not believed."""
LARGEST_WORK: Final = 8 * LARGEST_MEMORY
"""Bytes that argon2 or scrypt may fill in all passes together: about a second."""
MOST_ITERATIONS: Final = 10_000_000
"""Of PBKDF2; Werkzeug 3.1 asks for a tenth of it."""
MOST_LANES: Final = 16
"""Of argon2, which starts a thread for each."""

# Every part is bounded, so a row of any length is read at once. Werkzeug uses salts as text.
_SALT = r"\$([!-#%-~]{1,64})\$"
_PBKDF2 = re.compile(r"pbkdf2:(sha1|sha224|sha256|sha384|sha512):([1-9][0-9]{0,8})" + _SALT + "([0-9a-f]{40,128})")
_SCRYPT = re.compile(r"scrypt:([1-9][0-9]{0,8}):([1-9][0-9]{0,3}):([1-9][0-9]{0,3})" + _SALT + "([0-9a-f]{128})")
_ARGON2 = re.compile(
    r"\$argon2(id|i|d)\$v=(16|19)\$m=([1-9][0-9]{0,8}),t=([1-9][0-9]{0,8}),p=([1-9][0-9]{0,3})"
    r"\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})"
)
_BCRYPT = re.compile(r"(bcrypt_sha256\$)?\$2[aby]\$([0-3][0-9])\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})")
_TYPES = {"d": Type.D, "i": Type.I, "id": Type.ID}
_NAMES = {kind: name for name, kind in _TYPES.items()}


class Profile(Protocol):
    """A way of hashing with all its parameters: two hashes of one profile cost the same."""

    @property
    def family(self) -> str:
        """Which work it is; within a family the cost grows with `units` alone."""

    @property
    def units(self) -> int:
        """How much of that work.

        Iterations of PBKDF2, rounds of bcrypt, blocks of 128 bytes of scrypt, KiB of argon2 in all passes.
        """

    def of_units(self, units: int) -> Iterator[Profile]:
        """Profiles of this family that cost `units` together, to be worked after one another."""

    @property
    def is_affordable(self) -> bool:
        """Whether the parameters are possible, and cheap enough for a row that may be hostile."""

    def derive(self, password: bytes, salt: bytes) -> bytes:
        """Do the work."""


@dataclass(frozen=True, slots=True)
class StoredHash:
    """One row's hash, taken apart."""

    profile: Profile
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    is_translated: bool = field(default=False, repr=False)
    """Whether the row's text is Django's, which is not how we write it."""


@dataclass(frozen=True, slots=True)
class Argon2:
    """Argon2 (RFC 9106): `memory` in KiB, `passes` over it, `lanes` in parallel, `length` of the digest in bytes."""

    memory: int
    passes: int
    lanes: int
    length: int = 32
    kind: Type = Type.ID
    version: int = 19

    @property
    def family(self) -> str:
        """One for all of argon2: its kinds fill memory alike."""
        return "argon2"

    @property
    def units(self) -> int:
        """KiB filled in all passes."""
        return self.memory * self.passes

    def of_units(self, units: int) -> Iterator[Argon2]:
        """With the memory of this one as far as that goes, the rest in one pass."""
        passes, rest = divmod(units, self.memory)
        if passes:
            yield replace(self, passes=passes)
        if rest >= 8 * self.lanes:
            yield replace(self, memory=rest, passes=1)

    @property
    def is_affordable(self) -> bool:
        """Lanes RFC 9106 §3.1 allows, within the memory and work that are bearable."""
        size = self.memory * 1024
        return self.lanes <= MOST_LANES and 8 * self.lanes <= self.memory and _is_bearable(size, size * self.passes)

    def is_at_least(self, other: Argon2) -> bool:
        """Whether nothing is gained by hashing anew with `other`."""
        is_same_kind = (self.kind, self.version) == (other.kind, other.version)
        strength = (self.memory, self.passes, self.length)
        return is_same_kind and all(map(int.__ge__, strength, (other.memory, other.passes, other.length)))

    def derive(self, password: bytes, salt: bytes) -> bytes:
        """The raw digest: `length` bytes."""
        return hash_secret_raw(
            password, salt, self.passes, self.memory, self.lanes, self.length, self.kind, self.version
        )

    def render(self, salt: bytes, digest: bytes) -> str:
        """The text to be stored: the PHC string format that argon2's own tools write."""
        head = f"$argon2{_NAMES[self.kind]}$v={self.version}$m={self.memory},t={self.passes},p={self.lanes}"
        return f"{head}${_base64(salt)}${_base64(digest)}"


@dataclass(frozen=True, slots=True)
class Pbkdf2:
    """PBKDF2 (RFC 8018) as Werkzeug stores it: a hash function's name and its iterations."""

    function: str
    iterations: int

    @property
    def family(self) -> str:
        """One for each hash function."""
        return f"pbkdf2:{self.function}"

    @property
    def units(self) -> int:
        """The iterations."""
        return self.iterations

    def of_units(self, units: int) -> Iterator[Pbkdf2]:
        """As many iterations."""
        yield Pbkdf2(self.function, units)

    @property
    def is_affordable(self) -> bool:
        """Within `MOST_ITERATIONS`."""
        return self.iterations <= MOST_ITERATIONS

    def derive(self, password: bytes, salt: bytes) -> bytes:
        """As many bytes as the hash function gives."""
        return hashlib.pbkdf2_hmac(self.function, password, salt, self.iterations)


@dataclass(frozen=True, slots=True)
class Scrypt:
    """Scrypt (RFC 7914) as Werkzeug stores it: `cost` N, `block_size` r, `parallelism` p."""

    cost: int
    block_size: int
    parallelism: int

    @property
    def family(self) -> str:
        """One for all of scrypt."""
        return "scrypt"

    @property
    def units(self) -> int:
        """Blocks of 128 bytes that are mixed."""
        return self.cost * self.block_size * self.parallelism

    def of_units(self, units: int) -> Iterator[Scrypt]:
        """With the array of this one as often as it goes, then the powers of two that are left."""
        times, rest = divmod(units // self.block_size, self.cost)
        if times:
            yield replace(self, parallelism=times)
        for exponent in range(1, rest.bit_length()):
            if rest >> exponent & 1:
                yield Scrypt(2**exponent, self.block_size, 1)

    @property
    def is_affordable(self) -> bool:
        """Parameters that RFC 7914 §6 allows, within the memory and work that are bearable."""
        # N is a power of two above 1 and below 2 ** (128 r / 8).
        is_possible = 1 < self.cost < 2 ** (16 * self.block_size) and self.cost & (self.cost - 1) == 0
        size = 128 * self.block_size * self.cost
        return is_possible and _is_bearable(size, size * self.parallelism)

    def derive(self, password: bytes, salt: bytes) -> bytes:
        """64 bytes, which Werkzeug writes."""
        n, r, p = self.cost, self.block_size, self.parallelism
        # What OpenSSL counts: the large array, two blocks to mix in, and one for each of p.
        return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=128 * r * (n + 2 + p))


OWASP_MINIMUM: Final = Argon2(memory=19_456, passes=2, lanes=1)
"""Argon2id, 19 MiB, two passes, one lane: the minimum of OWASP's Password Storage Cheat Sheet."""


def derive(profile: Profile, password: bytes, salt: bytes) -> bytes:
    """Do the work of `profile`."""
    return profile.derive(password, salt)


def parse(stored: object) -> StoredHash | None:
    """Take a stored hash apart; None for what is no hash of a known form, or would cost too much.

    Known are argon2's own, Werkzeug's, bcrypt's and Django's; without the module bcrypt, none of bcrypt. Werkzeug has
    always written PBKDF2's iterations down, so a row without them is not guessed at.

    Args:
        stored: the row's text; any object is safe.
    """
    if not isinstance(stored, str):
        return None
    if (translated := django_hashes.translate(stored)) is not None:
        parsed = _parse(translated)
        return replace(parsed, is_translated=True) if parsed else None
    return _parse(stored)


def _parse(stored: str) -> StoredHash | None:
    for form, read in _READERS:
        if match := form.fullmatch(stored):
            return read(match)
    return None


def _read_argon2(match: re.Match[str]) -> StoredHash | None:
    kind, version, memory, passes, lanes, salt, digest = match.groups()
    try:
        raw_salt, raw_digest = (b64decode(text + "=" * (-len(text) % 4)) for text in (salt, digest))
    except ValueError:
        return None
    profile = Argon2(int(memory), int(passes), int(lanes), len(raw_digest), _TYPES[kind], int(version))
    return _believed(profile, raw_salt, raw_digest)


def _read_scrypt(match: re.Match[str]) -> StoredHash | None:
    cost, block_size, parallelism, salt, digest = match.groups()
    return _believed(Scrypt(int(cost), int(block_size), int(parallelism)), salt.encode(), bytes.fromhex(digest))


def _read_pbkdf2(match: re.Match[str]) -> StoredHash | None:
    function, iterations, salt, digest = match.groups()
    if len(digest) != 2 * hashlib.new(function, usedforsecurity=False).digest_size:
        return None
    return _believed(Pbkdf2(function, int(iterations)), salt.encode(), bytes.fromhex(digest))


def _read_bcrypt(match: re.Match[str]) -> StoredHash | None:
    prehash, cost, salt, digest = match.groups()
    stored = _believed(Bcrypt(int(cost), prehash is not None), decode(salt.encode()), decode(digest.encode()))
    return stored if stored and is_installed() else None


_READERS = ((_ARGON2, _read_argon2), (_SCRYPT, _read_scrypt), (_PBKDF2, _read_pbkdf2), (_BCRYPT, _read_bcrypt))


def _believed(profile: Profile, salt: bytes, digest: bytes) -> StoredHash | None:
    return StoredHash(profile, salt, digest) if profile.is_affordable else None


def _is_bearable(memory: int, work: int) -> bool:
    return memory <= LARGEST_MEMORY and work <= LARGEST_WORK


def _base64(data: bytes) -> str:
    return b64encode(data).decode().rstrip("=")
