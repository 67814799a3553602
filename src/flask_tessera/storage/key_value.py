"""Small values that expire, for everything that needs no table of its own.

Codes, tickets, API keys, counters, leases and workers are kinds of values. A new kind touches no storage: it needs a
name, a key and a lifetime. `KeyValue` checks what it is given, once for all storages, and chooses the versions by which
writers do not overwrite each other.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING, Final

from ..sessions.ids import tag_of
from .model import ANY_VERSION, Counter, Increment, Value

if TYPE_CHECKING:
    import builtins
    from collections.abc import Sequence

    from .contract import ValueStore
    from .model import Page

    Owner = tuple[str, str]

_KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_LONGEST_KEY: Final = 255
_LONGEST_VALUE: Final = 65_536
_VERSION_BITS: Final = 52
"""A version is exact in every storage, in the numbers of Lua as well."""


def owner_key(realm: str, user_id: str) -> bytes:
    """How the owner of a value is written: with the length of the realm, so that no two users read the same."""
    raw = realm.encode()
    return b"%d:%b%b" % (len(raw), raw, user_id.encode())


def tag_of_owner(owner: bytes) -> bytes:
    """The first two bytes of every key that belongs to an owner, as `owner_key` writes one."""
    length, _, rest = owner.partition(b":")
    realm = int(length)
    return tag_of(rest[:realm].decode(), rest[realm:].decode())


def owned_key(realm: str, user_id: str, name: bytes = b"") -> bytes:
    """The key of a value that belongs to a user; it begins with the user's tag, so that all of them lie together."""
    return tag_of(realm, user_id) + name


def hashed_key(*parts: str) -> bytes:
    """The key of a value that belongs to nobody: 16 bytes, whatever its name is made of."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode(errors="surrogatepass")
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.digest()[:16]


class KeyValue:
    """Values of a storage. Times are Unix seconds, given by the caller. Every method may raise StorageUnavailableError.

    Args:
        store: where they are kept.
    """

    def __init__(self, store: ValueStore) -> None:
        self._store = store

    def get(self, kind: str, key: bytes, *, at: int) -> Value | None:
        """The value; None if there is none at `at`."""
        return self._store.get([(kind, key)], at=at)[0]

    def get_many(self, names: Sequence[tuple[str, bytes]], *, at: int) -> list[Value | None]:
        """The values of several kinds and keys, in one go."""
        return self._store.get(names, at=at) if names else []

    def put(
        self,
        kind: str,
        key: bytes,
        value: bytes,
        *,
        expires_at: int,
        at: int,
        owner: Owner | None = None,
        expected_version: int = ANY_VERSION,
    ) -> int:
        """Write a value.

        Args:
            kind: up to 32 letters, digits and underscores.
            key: 2 to 255 bytes; of a value with an owner as `owned_key` makes it.
            value: up to 64 KiB.
            expires_at: first second in which it is gone.
            at: now.
            owner: realm and user id whose it is.
            expected_version: writes only over this version; 0 only where there is none. By default over any.

        Returns:
            The new version, random; 0 if nothing was written, since another version is there.

        Raises:
            ValueError: kind, key, value or owner are not as described.
        """
        written = new_value(kind, key, value, expires_at=expires_at, owner=owner)
        return written.version if self._store.put(written, expected=expected_version, at=at) else 0

    def put_many(self, values: Sequence[Value], *, at: int) -> None:
        """Write values that `new_value` has made, whatever is there, in one go; where it fails, some may be written."""
        if values:
            self._store.put_many(values, at=at)

    def take(self, kind: str, key: bytes, *, at: int) -> Value | None:
        """Get and delete a value: of many callers one gets it."""
        return self._store.take(kind, key, at=at)

    def increment(self, kind: str, key: bytes, amount: int = 1, *, window: int, at: int) -> Counter:
        """Count; a counter that is not there, or has expired, begins at 0 and ends `window` seconds from `at`."""
        return self.increment_many([Increment(kind, key, amount, at + window)], at=at)[0]

    def increment_many(self, steps: Sequence[Increment], *, at: int) -> list[Counter]:
        """Several steps of counters in one go, each atomic by itself."""
        for step in steps:
            _check(step.kind, step.key)
        return self._store.increment(steps, at=at) if steps else []

    def list(self, kind: str, owner: Owner, *, at: int) -> list[Value]:
        """The values of one kind that belong to a user, in the order of their keys."""
        return self._store.list(kind, owner_key(*owner), at=at)

    def newest(self, kind: str, owner: Owner, *, most: int, at: int, before: bytes = b"") -> builtins.list[Value]:
        """The last `most` values of one kind that belong to a user, in descending order of their keys.

        Only those with keys below `before`; by default all.
        """
        return self._store.newest(kind, owner_key(*owner), before=before, most=most, at=at)

    def trim(self, kind: str, owner: Owner, *, keep: int) -> None:
        """Remove a user's values of one kind but for the last `keep`, by the order of their keys."""
        while self._store.trim(kind, owner_key(*owner), keep=keep):
            pass

    def delete(self, kind: str, key: bytes) -> None:
        """Remove a value; one that is not there is gone already."""
        self._store.delete(kind, key)

    def delete_owner(self, owner: Owner) -> None:
        """Remove all values that belong to a user."""
        self._store.delete_owner(owner_key(*owner))

    def purge(self, *, at: int, most: int) -> int:
        """Remove at most `most` expired values; gives how many."""
        return self._store.purge(at=at, most=most)

    def read(self, cursor: str, *, most: int) -> Page:
        """About `most` values after `cursor`, from an empty text on; the cursor of the page is empty at the end."""
        return self._store.read(cursor, most=most)

    def restore(self, value: Value, *, at: int) -> None:
        """Put a value as it was in another storage, unless there is one."""
        self._store.put(value, expected=0, at=at)


def new_value(kind: str, key: bytes, value: bytes, *, expires_at: int, owner: Owner | None = None) -> Value:
    """A value of a new version; arguments and errors as of `KeyValue.put`."""
    _check(kind, key)
    if len(value) > _LONGEST_VALUE:
        raise ValueError(f"a value has at most {_LONGEST_VALUE} bytes")
    if owner is not None and key[:2] != tag_of(*owner):
        raise ValueError("the key of a value with an owner begins with the tag of that owner")
    version = secrets.randbits(_VERSION_BITS) + 1
    return Value(kind, key, value, version, expires_at, owner_key(*owner) if owner else b"")


def _check(kind: str, key: bytes) -> None:
    if not _KIND.fullmatch(kind):
        raise ValueError("a kind is up to 32 lower-case letters, digits and underscores")
    if not 2 <= len(key) <= _LONGEST_KEY:
        raise ValueError(f"a key has 2 to {_LONGEST_KEY} bytes")
