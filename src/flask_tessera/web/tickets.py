"""Tickets as an application issues and redeems them: what may be asked for, and what comes of one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from ..config import whole_seconds
from ..errors import TokenInvalidError
from ..services.tickets import Ticket, checked_purpose
from ..tokens.claims import is_safe_text
from .user_loading import load_user

if TYPE_CHECKING:
    import datetime as dt

    from .app_state import Runtime
    from .identity import Identity

User = TypeVar("User")
LONGEST_LIFE: Final = 3600
"""Seconds."""
_MOST_USES: Final = 1000
_LONGEST_AUDIENCE: Final = 2048


@dataclass(frozen=True, slots=True)
class RedeemedTicket(Generic[User]):
    """What a ticket was good for.

    `user_id` and `user` are None for a ticket of nobody; `session_id` is empty where it was bound to no session,
    `audience` where it was good everywhere. `data` is what it was issued with.
    """

    purpose: str
    audience: str
    user_id: Any
    session_id: str
    data: Any = field(repr=False)
    user: User | None = field(repr=False)


def wanted_ticket(purpose: Any, *, data: Any, audience: Any, uses: Any) -> Ticket:
    """A ticket of nobody yet, as an application may want it.

    Raises:
        ValueError: one of these is out of range.
    """
    if audience is not None and not (isinstance(audience, str) and 0 < len(audience) <= _LONGEST_AUDIENCE):
        raise ValueError(f"audience must be a path or a host of at most {_LONGEST_AUDIENCE} characters")
    if audience is not None and "/" in audience and not audience.startswith("/"):
        raise ValueError(f"audience must be a path that begins with a slash, or a host, not {audience!r}")
    if audience is not None and not is_safe_text(audience):
        raise ValueError(f"audience must not hold control characters, as {audience!r} does")
    if type(uses) is not int or not 1 <= uses <= _MOST_USES:
        raise ValueError(f"uses must be 1 to {_MOST_USES}, not {uses!r}")
    return Ticket(checked_purpose(purpose), audience or "", data=data, uses=uses)


def life_of(expires_in: int | dt.timedelta) -> int:
    """Seconds that a ticket lives.

    Raises:
        ValueError: they are out of range.
    """
    seconds = whole_seconds(expires_in)
    if seconds is None or not 1 <= seconds <= LONGEST_LIFE:
        raise ValueError(f"expires_in must be 1 to {LONGEST_LIFE} whole seconds, not {expires_in!r}")
    return seconds


def as_issued_to(identity: Identity[Any] | None) -> dict[str, Any]:
    """What a ticket takes over from the identity that it is issued to; nothing from nobody.

    Raises:
        TokenInvalidError: an API key or a ticket has let it in. What comes of it would outlive it, and not be bound to
            its addresses or uses.
    """
    if identity is None:
        return {}
    if identity.credential in ("api_key", "ticket"):
        raise TokenInvalidError("neither an API key nor a ticket makes tickets: name the user of one by user=")
    return {
        "user_id": str(identity.user_id),
        "session_id": identity.session_id,
        "scope": " ".join(sorted(identity.scopes)),
        "amr": identity.amr,
        "auth_time": identity.authenticated_at,
        "user_stamp": identity.user_stamp,
    }


def redeemed(runtime: Runtime, ticket: Ticket) -> RedeemedTicket[Any]:
    """What a ticket was good for, its user loaded.

    Raises:
        UserGoneError: the loader knows no such user, or another one of this id.
    """
    user_id = runtime.hooks.user_id_of(ticket.user_id) if ticket.user_id else None
    user = load_user(runtime.hooks, user_id, ticket.user_stamp) if ticket.user_id else None
    return RedeemedTicket(ticket.purpose, ticket.audience, user_id, ticket.session_id, ticket.data, user)
