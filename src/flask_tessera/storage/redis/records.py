"""The names of keys, and sessions and principals as bytes; `scripts/read.lua` knows their beginning too."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from msgspec.structs import astuple, fields

from ...errors import StorageUnavailableError
from ...sessions.ids import SID_LENGTH, tag_in, tag_of
from ...sessions.model import Principal, Session
from ..key_value import owner_key

if TYPE_CHECKING:
    from collections.abc import Iterable

_VERSION_LENGTH: Final = 8
HEAD_LENGTH: Final = 13
"""A session begins with its version, of eight bytes, and `idle_until`, of five."""
_USER_BEGINS: Final = 17


class UserKeys(NamedTuple):
    """The principal, and the indexes of sessions: those that live by when they began, ended ones by when they did."""

    principal: bytes
    live: bytes
    ended: bytes


class Key(NamedTuple):
    """A key under a tag: of a session (s), a principal (p), a value (k), and so on."""

    key: bytes
    tag: bytes
    kind: bytes
    name: bytes


class Keys:
    """Names of keys. What lies together in a cluster has the same tag, in braces.

    Args:
        prefix: begins them all.
        is_cluster: whether what has another tag lies apart: it is not written in one step.
    """

    def __init__(self, prefix: str, *, is_cluster: bool = False) -> None:
        self.prefix = prefix.encode()
        self.is_cluster = is_cluster
        self.log = self.prefix + b":{log}:"
        """Begins the keys of the revocation log."""

    def base(self, tag: bytes) -> bytes:
        """Begins the keys of all users of this tag of two bytes."""
        return b"%b:{%b}:" % (self.prefix, tag.hex().encode())

    def session(self, sid: bytes) -> bytes:
        """Of a session."""
        return b"%bs:%b" % (self.base(tag_in(sid)), sid)

    def user(self, realm: str, user_id: str) -> UserKeys:
        """Of a user."""
        base, user = self.base(tag_of(realm, user_id)), owner_key(realm, user_id)
        return UserKeys(b"%bp:%b" % (base, user), b"%bl:%b" % (base, user), b"%be:%b" % (base, user))

    def log_keys(self, *names: bytes) -> list[bytes]:
        """Of the log and its neighbours."""
        return [self.log + name for name in names]

    def pattern(self, kinds: bytes) -> bytes:
        """What all keys of these kinds look like, given as letters."""
        return b"%b:{????}:[%b]:*" % (self.prefix, kinds)

    def split(self, keys: Iterable[bytes]) -> list[Key]:
        """Keys such as "prefix:{ab12}:s:name", but for those of kind s that are no session's."""
        rests = ((each, each[len(self.prefix) + 2 :]) for each in keys)
        split = (Key(each, bytes.fromhex(rest[:4].decode()), rest[6:7], rest[8:]) for each, rest in rests)
        return [each for each in split if each.kind != b"s" or len(each.name) == SID_LENGTH]


_BODY: Final = (
    *("created_at", "auth_at", "until", "access_lifetime", "gen", "predecessor", "rotated_at", "confirmed", "epoch"),
    *("last_seen_at", "ended_at", "end_reason", "device_type", "device_id", "device_name", "ip", "user_agent"),
    *("scope", "amr", "user_stamp", "issued_for", "claims"),
)
"""The fields of a session as they follow those before the body. A new one is added at the end, with a default."""
_RELATIVE: Final = ("auth_at", "rotated_at", "last_seen_at")
"""These are kept as seconds after `created_at`: a byte instead of five, often."""
_types: Final = {field.name: field.type for field in fields(Session)}
_Body: Final = msgspec.defstruct("_Body", [(name, _types[name]) for name in _BODY], array_like=True, gc=False)
_decode_body: Final = msgspec.msgpack.Decoder(_Body).decode
_decode_principal: Final = msgspec.msgpack.Decoder(tuple[int, int]).decode
_encode: Final = msgspec.msgpack.Encoder().encode


def pack_session(session: Session) -> bytes:
    """A version, `idle_until`, the user with his tag, and the rest; the version is a new one."""
    user, tag = owner_key(session.realm, session.user_id), tag_of(session.realm, session.user_id)
    body = {name: getattr(session, name) for name in _BODY}
    for name in _RELATIVE:
        body[name] -= session.created_at
    head = _version() + session.idle_until.to_bytes(5, "big") + tag + len(user).to_bytes(2, "big")
    return head + user + _encode(list(body.values()))


def unpack_session(sid: bytes, raw: bytes) -> Session:
    """The session of this sid; StorageUnavailableError if it cannot be read."""
    try:
        end = _USER_BEGINS + int.from_bytes(raw[15:_USER_BEGINS], "big")
        realm, user_id = unpack_user(raw[_USER_BEGINS:end])
        body = dict(zip(_BODY, astuple(_decode_body(raw[end:])), strict=True))
    except (msgspec.DecodeError, ValueError) as error:
        raise StorageUnavailableError("a stored session cannot be read") from error
    for name in _RELATIVE:
        body[name] += body["created_at"]
    return Session(sid=sid, realm=realm, user_id=user_id, idle_until=_idle_until(raw), **body)


def is_over(head: object, at: int) -> bool:
    """Whether a reply is the first `HEAD_LENGTH` bytes of a session that is over at a Unix second."""
    return type(head) is bytes and len(head) == HEAD_LENGTH and not is_old(head) and _idle_until(head) <= at


def is_old(raw: bytes) -> bool:
    """Whether a record is one of release 0.1: an array of msgpack, as no version begins."""
    return raw[:1] >= b"\x80"


def _idle_until(raw: bytes) -> int:
    return int.from_bytes(raw[_VERSION_LENGTH:HEAD_LENGTH], "big")


def unpack_user(user: bytes) -> tuple[str, str]:
    """Realm and user id, as `owner_key` has written them; ValueError if it has not."""
    length, _, rest = user.partition(b":")
    return rest[: int(length)].decode(), rest[int(length) :].decode()


def pack_principal(principal: Principal) -> bytes:
    """A new version, epoch and end of suspension."""
    return _version() + _encode((principal.epoch, principal.suspended_until))


def unpack_principal(realm: str, user_id: str, raw: bytes | None) -> Principal:
    """The principal, a new one where nothing is kept; StorageUnavailableError if it cannot be read."""
    if not raw:
        return Principal(realm, user_id)
    try:
        return Principal(realm, user_id, *_decode_principal(raw[_VERSION_LENGTH:]))
    except msgspec.DecodeError as error:
        raise StorageUnavailableError("a stored principal cannot be read") from error


def version_of(raw: bytes | None) -> bytes:
    """The version of a record; empty where there is none."""
    return (raw or b"")[:_VERSION_LENGTH]


def _version() -> bytes:
    return secrets.randbits(8 * _VERSION_LENGTH - 1).to_bytes(_VERSION_LENGTH, "big")
