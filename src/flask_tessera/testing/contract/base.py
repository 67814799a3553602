"""What the cases of the contract share."""

from __future__ import annotations

import itertools
import secrets
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ...sessions.ids import make_sid
from ...sessions.limits import Limits
from ...sessions.model import Session
from ..clock import YEAR_2096

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...sessions.transitions import Rotation
    from ...storage.engine import Storage

T0: Final = YEAR_2096
"""When the sessions of the cases begin, Unix seconds."""
LEEWAY: Final = 15
IDLE: Final = 30 * 86_400
LIFETIME: Final = 90 * 86_400
ACCESS: Final = 900
NO_LIMITS: Final = Limits(0, 0, "evict")
_numbers = itertools.count()
Wanted = TypeVar("Wanted", bound=Exception)


def new_session(user_id: str = "7", realm: str = "", *, at: int = T0, **fields: Any) -> Session:
    """A session that begins at Unix second `at`; a later call gives a greater sid."""
    # The number stands in for the milliseconds, so that none is alike.
    sid = make_sid(T0 * 1000 + next(_numbers), realm, user_id, secrets.token_bytes(8))
    values: dict[str, Any] = {
        "sid": sid,
        "realm": realm,
        "user_id": user_id,
        "created_at": at,
        "auth_at": at,
        "rotated_at": at,
        "last_seen_at": at,
        "idle_until": at + IDLE,
        "until": at + LIFETIME,
        "access_lifetime": ACCESS,
    }
    return Session(**(values | fields))


def begin(storage: Storage, user_id: str = "7", realm: str = "", *, at: int = T0, **fields: Any) -> Session:
    """A session that was written at Unix second `at`, without any limit."""
    session = new_session(user_id, realm, at=at, **fields)
    return storage.sessions.add(session, limits=NO_LIMITS, at=at).session


def stored(storage: Storage, session: Session) -> Session:
    """The session as it is kept now."""
    found = storage.sessions.find(session.sid)
    assert found is not None
    return found.session


def rotate(storage: Storage, session: Session, presented: int, at: int) -> Rotation:
    """A refresh of a session that is known, at Unix second `at`."""
    rotation = storage.sessions.rotate(session.sid, presented, at=at, leeway=LEEWAY, idle=IDLE)
    assert rotation is not None
    return rotation


def authenticate_again(
    storage: Storage, session: Session, used: int, at: int, *, amr: tuple[str, ...] = ("otp",)
) -> Rotation:
    """A proof, at Unix second `at`, of who the user of a known session is."""
    rotation = storage.sessions.authenticate_again(session.sid, used, amr, at=at, leeway=LEEWAY, idle=IDLE)
    assert rotation is not None
    return rotation


def error_of(kind: type[Wanted], function: Callable[..., object], *arguments: Any, **options: Any) -> Wanted:
    """The error of this kind that a call must raise.

    Raises:
        AssertionError: it did not.
    """
    try:
        function(*arguments, **options)
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


class Cases:
    """Gives every case a second handle on the same records."""

    def reopen(self, storage: Storage) -> Storage:
        """Another handle on the records of `storage`, as another process would have; here the same one."""
        return storage
