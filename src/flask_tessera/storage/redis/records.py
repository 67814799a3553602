"""The names of keys, and sessions and principals as bytes; `scripts/read.lua` knows their beginning too."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from ...errors import StorageUnavailableError
from ...sessions.ids import tag_in, tag_of
from ...sessions.model import Principal, Session
from ..key_value import owner_key

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION_LENGTH: Final = 8
HEAD_LENGTH: Final = 13
"""A session begins with its version, of eight bytes, and `idle_until`, of five."""
_USER_BEGINS: Final = 17
_LARGEST_FIRST_BYTE: Final = 0x7F
"""What release 0.1 has written begins with a greater one (an array of msgpack)."""


class UserKeys(NamedTuple):
    """The principal, and the indexes of sessions: those that live by when they began, ended ones by when they did."""

    principal: bytes
    live: bytes
    ended: bytes


class Keys:
    """Names of keys. What lies together in a cluster has the same tag, in braces.

    Args:
        prefix: begins them all.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix.encode()
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


class _Body(msgspec.Struct, array_like=True, gc=False):
    """The fields of a session but for those before it. New ones are added at the end, with a default.

    `auth_at`, `rotated_at` and `last_seen_at` are kept as seconds after `created_at`: a byte instead of five, often.
    """

    created_at: int
    auth_at: int
    until: int
    access_lifetime: int
    gen: int
    predecessor: int
    rotated_at: int
    confirmed: bool
    epoch: int
    last_seen_at: int
    ended_at: int
    end_reason: str
    device_type: str
    device_id: str
    device_name: str
    ip: str
    user_agent: str
    scope: str
    amr: str
    user_stamp: str
    issued_for: str
    claims: str


_decode_body: Final = msgspec.msgpack.Decoder(_Body).decode
_decode_principal: Final = msgspec.msgpack.Decoder(tuple[int, int]).decode
_encode: Final = msgspec.msgpack.Encoder().encode
_BODY: Final = _Body.__struct_fields__
_RELATIVE: Final = ("auth_at", "rotated_at", "last_seen_at")


def pack_session(session: Session) -> bytes:
    """A version, `idle_until`, the user with his tag, and the rest; the version is a new one."""
    user = owner_key(session.realm, session.user_id)
    body = _Body(*[getattr(session, name) for name in _BODY])
    for name in _RELATIVE:
        setattr(body, name, getattr(body, name) - body.created_at)
    tag = tag_of(session.realm, session.user_id)
    return b"".join(
        (_version(), session.idle_until.to_bytes(5, "big"), tag, len(user).to_bytes(2, "big"), user, _encode(body))
    )


def unpack_session(sid: bytes, raw: bytes) -> Session:
    """The session of this sid.

    Raises:
        StorageUnavailableError: this is no session.
    """
    try:
        end = _USER_BEGINS + int.from_bytes(raw[15:_USER_BEGINS], "big")
        realm, user_id = unpack_user(raw[_USER_BEGINS:end])
        body = _decode_body(raw[end:])
    except (msgspec.DecodeError, ValueError) as error:
        raise StorageUnavailableError("a stored session cannot be read") from error
    for name in _RELATIVE:
        setattr(body, name, getattr(body, name) + body.created_at)
    fields = msgspec.structs.asdict(body)
    return Session(sid=sid, realm=realm, user_id=user_id, idle_until=idle_until(raw), **fields)


def is_session(head: object) -> bool:
    """Whether a reply is the beginning of a session as this release writes it."""
    return type(head) is bytes and len(head) == HEAD_LENGTH and head[0] <= _LARGEST_FIRST_BYTE


def idle_until(head: bytes) -> int:
    """What the first `HEAD_LENGTH` bytes of a session say about when it is over."""
    return int.from_bytes(head[VERSION_LENGTH:HEAD_LENGTH], "big")


def unpack_user(user: bytes) -> tuple[str, str]:
    """Realm and user id, as `owner_key` has written them.

    Raises:
        ValueError: it has not.
    """
    length, _, rest = user.partition(b":")
    return rest[: int(length)].decode(), rest[int(length) :].decode()


def pack_principal(principal: Principal) -> bytes:
    """A new version, epoch and end of suspension."""
    return _version() + _encode((principal.epoch, principal.suspended_until))


def unpack_principal(realm: str, user_id: str, raw: bytes) -> Principal:
    """The principal, a new one where nothing is kept.

    Raises:
        StorageUnavailableError: this is no principal.
    """
    if not raw:
        return Principal(realm, user_id)
    try:
        return Principal(realm, user_id, *_decode_principal(raw[VERSION_LENGTH:]))
    except msgspec.DecodeError as error:
        raise StorageUnavailableError("a stored principal cannot be read") from error


def version_of(raw: bytes) -> bytes:
    """The version of a record; empty where there is none."""
    return raw[:VERSION_LENGTH]


def pairs_of(reply: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """What stands in turn, in pairs."""
    return list(zip(reply[::2], reply[1::2], strict=True))


def _version() -> bytes:
    first, *rest = os.urandom(VERSION_LENGTH)
    return bytes((first & _LARGEST_FIRST_BYTE, *rest))
