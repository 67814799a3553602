"""/links: a link to log in, set a password anew, confirm an address, end a session; first a page, then the deed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from flask import Response

from ...accounts.recipients import parse_recipient
from ...errors import InputError, SecondFactorRequiredError, TesseraError, TokenMissingError
from ...services.keys import sid_text
from ...services.sending_limits import RESEND_AFTER
from ...sessions.model import UNKNOWN_DEVICE, Device
from .. import links
from ..app_state import states_of
from ..binding import bind_recipient
from ..challenge import ask_challenge
from ..cookie_session import forget_cookies
from ..cookies import Delivery, checked
from ..credential_reading import identify_request
from ..current import current_app_object, current_request_object
from ..http_errors import TesseraHTTPError
from ..logins import AMR_OF_CODE, Proof, Way, log_in, owns, users_of
from ..request_auth import auth_of
from ..requirements import SESSION_TRANSPORTS
from ..session_owner import fresh_owner_of_request
from ..templating import environment_of
from ..token_pair import PairResponse
from .body import read_form
from .codes import REFUSALS, CodeResponse
from .password import ResetRequest, reset_password
from .row import Endpoint

if TYPE_CHECKING:
    from ..audit import Details
    from ..extension import Tessera

_HTML: Final = "text/html"
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none';"
        " base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # The address of the page is the ticket. With "no-referrer", Chromium sends `Origin: null` with the page's own form.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class LinkRequest(msgspec.Struct, frozen=True):
    """Body of the request: a phone number or an e-mail address, and what the link is to be good for.

    A device from which the recipient has logged in before gets links whatever strangers have asked for.
    """

    recipient: str
    purpose: links.LinkPurpose
    device: Device = UNKNOWN_DEVICE


class RedeemRequest(Delivery, frozen=True, kw_only=True):
    """Body of a redemption: the ticket at the end of the link."""

    ticket: str
    device: Device = UNKNOWN_DEVICE


class RedeemedResponse(msgspec.Struct, frozen=True):
    """The recipient that was confirmed; where the link was one to log in, a pair instead."""

    confirmed: str


class EndedByLinkResponse(msgspec.Struct, frozen=True):
    """The session that has ended, and the Unix second by which every worker refuses its tokens."""

    revoked: str
    effective_by: int


def send(tessera: Tessera[Any], wanted: LinkRequest) -> CodeResponse:
    """Send a link, alike for known and unknown recipients.

    One that confirms an address makes it that of the caller, if somebody is logged in, which needs a fresh login; else
    it confirms what is known.
    """
    recipient, user = parse_recipient(wanted.recipient), None
    about: Details = {"account": recipient.address, "subject": wanted.purpose}
    if wanted.purpose == links.CONFIRM:
        user = _caller(tessera)
    if user is not None:
        identity = auth_of(tessera.realm).identity
        about |= {"user_id": str(identity.user_id), "session_id": identity.session_id}
    try:
        ask_challenge(tessera, "link")
        links.send_link(tessera, wanted.purpose, recipient, user=user, device_id=wanted.device.id)
    except REFUSALS as error:
        about["reason"] = error.row.slug
        tessera.runtime.record("link_refused", **about)
        raise
    tessera.runtime.record("link_sent", **about)
    return CodeResponse(links.LIFETIMES[wanted.purpose], RESEND_AFTER)


def show(tessera: Tessera[Any], ticket: str) -> Response:
    """The page of a link: it says what the link is for, and uses nothing up, however often it is fetched."""
    try:
        return _page(tessera, links.purpose_of(links.look_at_link(tessera, ticket)))
    except TesseraError as error:
        return _page(tessera, error=error)


def submit(tessera: Tessera[Any], ticket: str) -> Response:
    """What the button of the page does, in a browser: a session in cookies, a new password, or a confirmed address."""
    purpose = ""
    try:
        purpose = links.purpose_of(links.look_at_link(tessera, ticket))
        if purpose == links.RESET:
            reset_password(tessera, ResetRequest(read_form().get("password", ""), ticket=ticket))
        else:
            redeem(tessera, RedeemRequest(ticket=ticket, transport="cookie" if purpose == links.LOGIN else "header"))
    except TesseraError as error:
        return _second_step(tessera, error) or _page(tessera, purpose, error=error)
    return _page(tessera, purpose, is_done=True)


def _second_step(tessera: Tessera[Any], error: TesseraError) -> Response | None:
    """The page of the second step, if that is what is wrong, and the application has the pages."""
    core = error.cause if isinstance(error, TesseraHTTPError) else error
    ask = states_of(current_app_object()).second_step_pages.get(tessera.realm)
    if ask is None or not isinstance(core, SecondFactorRequiredError):
        return None
    return ask(core.next_step or {})


def _page(
    tessera: Tessera[Any], purpose: str = "", *, error: TesseraError | None = None, is_done: bool = False
) -> Response:
    runtime = tessera.runtime
    language = runtime.responses.language()
    row = error.row if error else None
    site = states_of(current_app_object()).sites.get(tessera.realm)
    values = {
        "purpose": "" if row and row.slug == "ticket_invalid" else purpose,
        "language": language,
        "error": getattr(row, language) if row else "",
        "is_done": is_done,
        "shortest": runtime.settings.PASSWORD_MIN_LENGTH,
        "can_log_in": runtime.cookies is not None,
        **(site() if site else {}),
    }
    page = environment_of(current_app_object()).get_template("tessera/link.html").render(values)
    status = row.status if row else 200
    return Response(page, status, content_type=f"{_HTML}; charset=utf-8", headers=_HEADERS)


def redeem(tessera: Tessera[Any], body: RedeemRequest) -> Any:
    """Log in by a link, confirm an address, or end the session that a notice told of.

    A link for a new password is used at `/password/reset`.
    """
    delivery = checked(tessera.runtime.cookies, body)
    ticket = links.look_at_link(tessera, body.ticket)
    purpose = links.purpose_of(ticket)
    if purpose == links.RESET:
        raise InputError("a link for a new password is used at /password/reset", member="ticket")
    if purpose == links.END_SESSION:
        ended = links.end_linked_session(tessera, body.ticket)
        forget_cookies(tessera.runtime, {ended.sid})
        return EndedByLinkResponse(sid_text(ended.sid), tessera.runtime.effective_by([ended]))
    recipient = links.recipient_of(ticket)
    if purpose == links.CONFIRM:
        user = links.redeem_link(tessera, body.ticket, purpose)
        if not owns(tessera, user, recipient):
            bind_recipient(tessera, user, recipient)
        return RedeemedResponse(recipient.address)

    def prove() -> Proof:
        return Proof(links.redeem_link(tessera, body.ticket, purpose), (AMR_OF_CODE[recipient.kind],))

    way = Way((recipient.address,), prove, is_guessed=False)
    return log_in(tessera, way, device=body.device).deliver(delivery)


def _caller(tessera: Tessera[Any]) -> Any:
    """The user who is logged in, if the request carries anything that says so; errors as of `identify_request`.

    None too where the application lets nobody have another recipient.

    Raises:
        StepUpRequiredError: the login is not fresh: whoever confirms the address gets a way to log in.
    """
    if not users_of(tessera.runtime.accounts).has("bind"):
        return None
    try:
        identify_request(tessera.runtime, current_request_object(), transports=SESSION_TRANSPORTS)
    except TokenMissingError:
        return None
    fresh_owner_of_request(tessera)
    return auth_of(tessera.realm).load_user()


ROWS: Final = (
    Endpoint(
        "links",
        "POST",
        "/links",
        send,
        request=LinkRequest,
        response=CodeResponse,
        errors=(
            *("phone_malformed", "email_malformed", "challenge_failed", "too_many_requests", "sending_failed"),
            *("token_invalid", "token_expired", "token_ambiguous", "csrf_failed", "user_gone", "step_up_required"),
        ),
        transports=SESSION_TRANSPORTS,
        needs="by_recipient",
    ),
    Endpoint(
        "link",
        "GET",
        "/links/<ticket>",
        show,
        media=(_HTML,),
        errors=("ticket_invalid",),
        is_page=True,
        needs="by_recipient",
    ),
    Endpoint(
        "submit_link",
        "POST",
        "/links/<ticket>",
        submit,
        media=(_HTML,),
        errors=(
            *("ticket_invalid", "password_too_short", "password_common", "password_breached", "already_exists"),
            *("login_refused", "second_factor_required", "too_many_requests", "csrf_failed", "body_too_large"),
            "session_limit_reached",
        ),
        is_page=True,
        needs="by_recipient",
    ),
    Endpoint(
        "redeem_link",
        "POST",
        "/links/redeem",
        redeem,
        request=RedeemRequest,
        response=(PairResponse, RedeemedResponse, EndedByLinkResponse),
        errors=(
            *("ticket_invalid", "login_refused", "second_factor_required", "already_exists", "session_limit_reached"),
            *("too_many_requests", "csrf_failed"),
        ),
        needs="by_recipient",
    ),
)
