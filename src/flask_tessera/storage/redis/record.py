"""A session to the bytes that are stored, and back; `scripts/record.lua` knows their order too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...errors import StorageUnavailableError
from ...sessions.record import Principal, Session

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Record(msgspec.Struct, array_like=True, gc=False):
    """The fields of a session but for its sid, each where the release put it that brought it.

    Fields are added at the end only: a record of an older release ends early, and the servers of an older release keep
    what follows the fields that they know.
    """

    realm: str
    user_id: str
    created_at: int
    auth_at: int
    idle_until: int
    until: int
    access_lifetime: int
    gen: int
    predecessor: int
    rotated_at: int
    confirmed: int
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
    era: int
    untold: int = 0
    user_stamp: str = ""
    issued_for: str = ""
    claims: str = ""


_decode_session: Final = msgspec.msgpack.Decoder(_Record).decode
_decode_principal: Final = msgspec.msgpack.Decoder(tuple[int, int]).decode
_encode: Final = msgspec.msgpack.Encoder().encode


def pack(session: Session) -> bytes:
    """The session without its sid, told of to the log."""
    fields = msgspec.structs.asdict(session)
    del fields["sid"]
    fields["confirmed"] = int(session.confirmed)
    return _encode(_Record(**fields))


def unpack(sid: bytes, raw: bytes) -> Session:
    """The session of this sid.

    Raises:
        StorageUnavailableError: this is no session.
    """
    try:
        record = _decode_session(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StorageUnavailableError("a stored session cannot be read") from error
    fields = msgspec.structs.asdict(record)
    del fields["untold"]
    fields["confirmed"] = bool(record.confirmed)
    return Session(sid=sid, **fields)


def unpack_pairs(pairs: Sequence[Any]) -> list[Session]:
    """The sessions in a list of sids and records in turn; errors of `unpack`."""
    return [unpack(sid, raw) for sid, raw in zip(pairs[::2], pairs[1::2], strict=True)]


def unpack_principal(realm: str, user_id: str, raw: bytes | None) -> Principal:
    """The principal, a new one where nothing is kept.

    Raises:
        StorageUnavailableError: this is no principal.
    """
    if raw is None:
        return Principal(realm, user_id)
    try:
        return Principal(realm, user_id, *_decode_principal(raw))
    except msgspec.DecodeError as error:
        raise StorageUnavailableError("a stored principal cannot be read") from error
