"""POST /tickets: a ticket for what the application lets clients get tickets for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...errors import InputError
from ..malformed import naming
from ..request_auth import auth_of
from ..tickets import life_of
from .row import Endpoint

if TYPE_CHECKING:
    from ..extension import Tessera


class TicketRequest(msgspec.Struct, frozen=True):
    """Body of the request; `audience` is a path or a host, `expires_in` seconds."""

    purpose: str
    audience: str | None = None
    expires_in: int = 60


class TicketResponse(msgspec.Struct, frozen=True):
    """A ticket of the present session; it lives for `expires_in` seconds."""

    ticket: str
    purpose: str
    expires_in: int


def issue_ticket(tessera: Tessera[Any], wanted: TicketRequest) -> TicketResponse:
    """A ticket of the present session, which is good once.

    Raises:
        InputError: not for this, not for so long, or for no such audience.
        ThrottledError: the user has asked for too many.
    """
    runtime = tessera.runtime
    if wanted.purpose not in runtime.hooks.ticket_purposes:
        raise InputError("Tessera(ticket_purposes=…) does not allow this purpose", member="purpose")
    with naming("expires_in"):
        life_of(wanted.expires_in)
    runtime.tickets.count_request(str(auth_of(tessera.realm).identity.user_id))
    with naming("audience"):
        text = tessera.issue_ticket(wanted.purpose, audience=wanted.audience, expires_in=wanted.expires_in)
    return TicketResponse(text, wanted.purpose, wanted.expires_in)


ROWS: Final = (
    Endpoint(
        "tickets",
        "POST",
        "/tickets",
        issue_ticket,
        request=TicketRequest,
        response=TicketResponse,
        errors=("too_many_requests",),
        is_guarded=True,
    ),
)
