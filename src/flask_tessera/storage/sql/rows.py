"""Sessions, entries of the log and values as rows of their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...sessions.model import Principal, Session, SessionWithPrincipal
from ...sessions.revocations import Revocation
from ..model import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NAMES: Final = Session.__struct_fields__
COLUMNS: Final = ", ".join(NAMES)
CHANGING: Final = (
    *("idle_until", "gen", "predecessor", "rotated_at", "confirmed", "epoch", "last_seen_at", "ended_at", "end_reason"),
    *("auth_at", "amr"),
)
"""What of a session may change after it began."""
ENTRY_COLUMNS: Final = "forget_at, reason, sid, realm, user_id, epoch, except_sid"
VALUE_COLUMNS: Final = "kind, name, value, version, expires_at, owner"
_REALM, _USER_ID, _CONFIRMED = (NAMES.index(name) for name in ("realm", "user_id", "confirmed"))


def row_of(session: Session) -> tuple[Any, ...]:
    """The session's fields in the order of `COLUMNS`, as integers, texts and bytes."""
    values = msgspec.structs.astuple(session)
    return (*values[:_CONFIRMED], int(session.confirmed), *values[_CONFIRMED + 1 :])


def changes_of(session: Session) -> tuple[Any, ...]:
    """The fields in the order of `CHANGING`, then the sid."""
    return (
        *(int(getattr(session, name)) if name == "confirmed" else getattr(session, name) for name in CHANGING),
        session.sid,
    )


def session_of(row: Sequence[Any]) -> Session:
    """The session in a row of `COLUMNS`."""
    values = list(row)
    values[_REALM], values[_USER_ID] = text(values[_REALM]), text(values[_USER_ID])
    values[_CONFIRMED] = bool(values[_CONFIRMED])
    return Session(**dict(zip(NAMES, values, strict=True)))


def with_principal(row: Sequence[Any]) -> SessionWithPrincipal:
    """The session and its principal in a row of `COLUMNS`, epoch and suspension; these are None where none is kept."""
    session = session_of(row[:-2])
    return SessionWithPrincipal(session, Principal(session.realm, session.user_id, row[-2] or 0, row[-1] or 0))


def entry_of(row: Sequence[Any]) -> Revocation:
    """The entry in a row of `ENTRY_COLUMNS`."""
    forget_at, reason, sid, realm, user_id, epoch, except_sid = row
    return Revocation(forget_at, reason, sid, text(realm), text(user_id), epoch, except_sid)


def entry_row(entry: Revocation) -> tuple[Any, ...]:
    """The fields in the order of `ENTRY_COLUMNS`; no intent is logged where log and sessions share a transaction."""
    return msgspec.structs.astuple(entry)[:-1]


def value_row(value: Value) -> tuple[Any, ...]:
    """The fields in the order of `VALUE_COLUMNS`."""
    return value.kind, value.key, value.value, value.version, value.expires_at, value.owner


def value_of(row: Sequence[Any]) -> Value:
    """The value in a row of `VALUE_COLUMNS`."""
    kind, name, value, version, expires_at, owner = row
    return Value(text(kind), bytes(name), bytes(value), version, expires_at, bytes(owner))


def text(value: str | bytes) -> str:
    """MySQL keeps texts that must be compared byte by byte as bytes."""
    return value if isinstance(value, str) else value.decode()


def places(values: Iterable[object]) -> str:
    """As many placeholders as values."""
    return ", ".join("?" for _ in values)
