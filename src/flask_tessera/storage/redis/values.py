"""`ValueStore` in Redis: a hash for each value, and a set of names for each owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...sessions.ids import tag_of
from ..model import ANY_VERSION, Counter, Page, Value
from .client import Call, scripted
from .records import unpack_user

if TYPE_CHECKING:
    import builtins
    from collections.abc import Sequence

    from ..model import Increment
    from .client import Client
    from .records import Keys

_FIELDS: Final = ("v", "n", "e", "o")
_FORGOTTEN_AT_ONCE: Final = 500
_ALWAYS: Final = 1 << 53
"""As the last second: never too late."""


class RedisValues:
    """Each method is one step. The first two bytes of a key are its tag; `scripts/value.lua` does what writes."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def get(self, names: Sequence[tuple[str, bytes]], *, at: int) -> list[Value | None]:
        keys = [self._key(kind, key) for kind, key in names]
        found = self._client.run(*(Call(key, ("HMGET", key, *_FIELDS)) for key in keys))
        return [_value(kind, key, said, at) for (kind, key), said in zip(names, found, strict=True)]

    def put(self, value: Value, *, expected: int, at: int) -> bool:
        return bool(self._client.run(self._put(value, expected, at))[0])

    def take(self, kind: str, key: bytes, *, at: int) -> Value | None:
        return _value(kind, key, self._client.run(self._call("take", kind, key, at))[0])

    def increment(self, steps: Sequence[Increment], *, at: int) -> list[Counter]:
        calls = [
            self._call("count", step.kind, step.key, at, step.amount, step.ends_at, int(step.only_running))
            for step in steps
        ]
        return [Counter(*counted) for counted in self._client.run(*calls)]

    def list(self, kind: str, owner: bytes, *, at: int) -> builtins.list[Value]:
        begin = len(kind) + 1
        # It writes nothing that could be too late.
        found = self._client.run(scripted("value", [self._owner_key(owner)], _ALWAYS, "list", at, kind))[0]
        values = [_value(kind, name[begin:], said, at) for name, said in found]
        return sorted((each for each in values if each), key=lambda each: each.key)

    def newest(self, kind: str, owner: bytes, *, before: bytes, most: int, at: int) -> builtins.list[Value]:
        found: builtins.list[Value] = []
        names = [name for name in self._names(kind, owner) if not before or name < before]
        # Some may have expired.
        while names and len(found) < most:
            asked, names = names[:most], names[most:]
            found += [each for each in self.get([(kind, name) for name in asked], at=at) if each]
        return found[:most]

    def put_many(self, values: Sequence[Value], *, at: int) -> None:
        self._client.run(*(self._put(value, ANY_VERSION, at) for value in values))

    def trim(self, kind: str, owner: bytes, *, keep: int) -> int:
        surplus = [b"%b:%b" % (kind.encode(), name) for name in self._names(kind, owner)[keep:][:_FORGOTTEN_AT_ONCE]]
        if surplus:
            self._client.run(scripted("value", [self._owner_key(owner)], "forget", 0, *surplus, writes=True))
        return len(surplus)

    def delete(self, kind: str, key: bytes) -> None:
        # At second 0 none has expired.
        self.take(kind, key, at=0)

    def delete_owner(self, owner: bytes) -> None:
        self._client.run(scripted("value", [self._owner_key(owner)], "delete_owner", 0, writes=True))

    def purge(self, *, at: int, most: int) -> int:  # noqa: ARG002 - as below
        # The server lets go of them by itself: there is nothing to do but to tell whether it is there.
        self._client.command(self._keys.log, "EXISTS", self._keys.log + b"meta")
        return 0

    def read(self, cursor: str, *, most: int) -> Page:
        names, following = self._client.scan(self._keys.pattern(b"k"), cursor, most)
        found = self._keys.split(names)
        said = self._client.run(*(Call(each.key, ("HMGET", each.key, *_FIELDS)) for each in found))
        parts = (each.name.partition(b":") for each in found)
        values = [_value(kind.decode(), key, fields) for (kind, _, key), fields in zip(parts, said, strict=True)]
        return Page(values=tuple(each for each in values if each), cursor=following)

    def _put(self, value: Value, expected: int, at: int) -> Call:
        said = (expected, value.value, value.version, value.expires_at, value.owner)
        return self._call("put", value.kind, value.key, at, *said)

    def _names(self, kind: str, owner: bytes) -> builtins.list[bytes]:
        """The keys of what belongs to somebody, in descending order; some of it may have expired."""
        # Sorted here: the server would sort by its locale.
        found = self._client.run(scripted("value", [self._owner_key(owner)], _ALWAYS, "names", 0, kind))[0]
        return sorted((name[len(kind) + 1 :] for name in found), reverse=True)

    def _key(self, kind: str, key: bytes) -> bytes:
        return b"%bk:%b:%b" % (self._keys.base(key[:2]), kind.encode(), key)

    def _call(self, action: str, kind: str, key: bytes, at: int, *arguments: bytes | int) -> Call:
        return scripted("value", [self._key(kind, key)], action, at, *arguments, writes=True)

    def _owner_key(self, owner: bytes) -> bytes:
        """The set of the names of what belongs to somebody."""
        return self._keys.base(tag_of(*unpack_user(owner))) + b"w:" + owner


def _value(kind: str, key: bytes, fields: Sequence[Any] | None, at: int = 0) -> Value | None:
    if fields is None or int(fields[2] or 0) <= at:
        return None
    value, version, expires_at, owner = fields
    return Value(kind, key, value, int(version), int(expires_at), owner)
