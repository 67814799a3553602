"""Who a ticket speaks for where one is presented: in the query of a GET, or to be redeemed by name."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from flask import has_request_context

from ..errors import TicketInvalidError, TokenAmbiguousError
from .audit import recording_refused_ticket
from .current import current_request_object
from .identity import Identity

if TYPE_CHECKING:
    from flask import Request

    from ..services.tickets import Ticket
    from .app_state import Runtime

    _Redeemed = tuple[Ticket, Identity[Any]]

_PARAMETER: Final = "ticket"
_REDEEMED: Final = "_tessera_redeemed"
"""Kept on a request: its tickets and the identities that they gave, by realm and purpose."""


def identify_by_ticket(runtime: Runtime, request: Request, purpose: str) -> Identity[Any] | None:
    """Who the ticket in the query of a GET speaks for; None where the request carries none.

    Raises:
        TokenAmbiguousError: a header carries a token, too (RFC 6750 §2).
        TicketInvalidError: it is not good here, or not any more, or there are two.
        StorageUnavailableError: that cannot be told.
    """
    query = request.environ.get("QUERY_STRING")
    if not query or request.method != "GET":
        return None
    texts = [value for name, value in parse_qsl(query, keep_blank_values=True) if name == _PARAMETER]
    if not texts:
        return None
    # A cookie is sent by itself, whatever the user has followed; a header means that the client has decided otherwise.
    if any(each.name == "header" and each.find(request.environ) is not None for each in runtime.transports):
        raise TokenAmbiguousError("the request carries a token beside its ticket")
    if len(texts) > 1:
        raise TicketInvalidError("the request carries more than one ticket")
    return take_ticket(runtime, request, texts[0], purpose)


def take_ticket(runtime: Runtime, request: Request, text: str, purpose: str) -> Identity[Any]:
    """Who a ticket speaks for; once a request: a view may have more guards, who would find it used.

    Raises:
        TicketInvalidError: it is not good here, or not any more, or nobody's.
        StorageUnavailableError: that cannot be told.
    """
    found: dict[tuple[str, str], _Redeemed] = request.__dict__.setdefault(_REDEEMED, {})
    name = (runtime.realm, purpose)
    if name not in found:
        ticket = redeem(runtime, text, purpose)
        found[name] = ticket, _identity_of(runtime, ticket)
    return found[name][1]


def redeemed_on(request: Request, identity: Identity[Any]) -> Ticket:
    """The ticket of a request that gave this identity."""
    found: dict[tuple[str, str], _Redeemed] = request.__dict__[_REDEEMED]
    return next(ticket for ticket, given in found.values() if given is identity)


def redeem(runtime: Runtime, text: str, purpose: str, audience: str | None = None) -> Ticket:
    """Use a ticket once.

    Args:
        runtime: of the realm.
        text: the ticket.
        purpose: what it must be good for.
        audience: the one that it must have; by default that of the present request, or none.

    Raises:
        TicketInvalidError: it is not good for that, or not any more.
        StorageUnavailableError: that cannot be told.
    """
    with recording_refused_ticket(runtime, purpose):
        return runtime.tickets.redeem(text, purpose, partial(_is_meant, audience))


def _identity_of(runtime: Runtime, ticket: Ticket) -> Identity[Any]:
    if not ticket.user_id:
        raise TicketInvalidError("a ticket of nobody lets nobody in")
    return Identity(
        runtime.hooks.user_id_of(ticket.user_id),
        ticket.session_id,
        runtime.realm,
        frozenset(ticket.scope.split()),
        ticket.amr,
        ticket.auth_time,
        ticket.issued_at,
        ticket.expires_at,
        MappingProxyType({}),
        ticket.user_stamp,
        "ticket",
        ticket.data,
    )


def _is_meant(named: str | None, audience: str) -> bool:
    """Whether a ticket of this audience is presented where it is good: at the one that is named, or right here."""
    if named is not None or not audience:
        return audience == (named or "")
    if not has_request_context():
        return False
    request = current_request_object()
    if audience.startswith("/"):
        return audience == request.script_root + request.path
    return audience.lower() == request.host.lower()
