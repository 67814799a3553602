"""Sessions as rows of `tessera_sessions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...sessions.record import Principal, Session, Standing

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES: Final = Session.__struct_fields__
COLUMNS: Final = ", ".join(NAMES)
_CONFIRMED: Final = NAMES.index("confirmed")


def row_of(session: Session) -> tuple[Any, ...]:
    """The session's fields in the order of `COLUMNS`, as integers, texts and bytes."""
    values = msgspec.structs.astuple(session)
    return (*values[:_CONFIRMED], int(session.confirmed), *values[_CONFIRMED + 1 :])


def session_of(row: Sequence[Any]) -> Session:
    """The session in a row of `COLUMNS`."""
    values = dict(zip(NAMES, row, strict=True))
    values["confirmed"] = bool(values["confirmed"])
    return Session(**values)


def standing_of(row: Sequence[Any]) -> Standing:
    """The session and its principal in a row of `COLUMNS`, epoch and suspension; these are None where none is kept."""
    session = session_of(row[:-2])
    return Standing(session, Principal(session.realm, session.user_id, row[-2] or 0, row[-1] or 0))
