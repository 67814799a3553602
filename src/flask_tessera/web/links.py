"""Links that are sent by mail: each carries a ticket, shows a page, and does nothing until a button is pressed.

Scanners of mail fetch links, and so do chat programs that show a preview: `GET` uses nothing up (SECURITY requirement
Q04). The host of a link is the setting `PUBLIC_URL`, whatever a request says of its own (CVE GHSA-3529-5m8x-rpv3).
"""

from __future__ import annotations

from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any, Final, Literal

from ..accounts.recipients import Recipient, parse_recipient
from ..errors import ConfigError, SendingError, TicketInvalidError, UserGoneError
from ..services.keys import parse_sid
from ..services.messages import NO_ACCOUNT, Facts
from ..services.tickets import Ticket
from .audit import recording_refused_ticket
from .endpoint_places import prefixes_of
from .logins import owns, users_of
from .outgoing import counting_message
from .request_auth import auth_of
from .user_loading import load_user

if TYPE_CHECKING:
    from ..sessions.model import Session
    from .extension import Tessera

LOGIN, RESET, CONFIRM, END_SESSION = "login", "reset", "confirm", "end-session"
LinkPurpose = Literal["login", "reset", "confirm"]
LIFETIMES: Final[dict[str, int]] = {LOGIN: 600, RESET: 1800, CONFIRM: 86_400, END_SESSION: 7 * 86_400}
"""Seconds for which a link is good."""
_PURPOSE: Final = "tessera:link-"


def send_link(
    tessera: Tessera[Any], purpose: LinkPurpose, recipient: Recipient, *, user: Any = None, device_id: str = ""
) -> None:
    """Send a link to a recipient, or to one without an account that there is none, after the same work.

    Args:
        tessera: of the realm.
        purpose: what it is for.
        recipient: to whom.
        user: whose it is; by default the one whose recipient this is.
        device_id: how the client's device calls itself; empty where it does not.

    Raises:
        SendingError: it could not be sent, or `PUBLIC_URL` is not set.
        ThrottledError: there were too many messages.
    """
    runtime = tessera.runtime
    if not runtime.settings.PUBLIC_URL:
        raise SendingError("links need TESSERA_PUBLIC_URL, such as https://app.example.com")
    owner = user if user is not None else users_of(runtime.accounts).by_recipient(recipient)
    data: dict[str, Any] = {"recipient": recipient.address}
    if user is not None:
        data["replaces"] = _addresses_of(tessera, user)
    with counting_message(tessera, purpose, recipient, device_id=device_id) as hand_over:
        text = _ticket_of(tessera, purpose, data, owner)
        sent, facts = NO_ACCOUNT, Facts()
        if text is not None:
            sent, facts = purpose, Facts(link=_link_of(tessera, text), minutes=LIFETIMES[purpose] // 60)
        hand_over(sent, facts)


def _ticket_of(tessera: Tessera[Any], purpose: LinkPurpose, data: dict[str, Any], owner: Any) -> str | None:
    """The text of a ticket; None for nobody and for who may not log in: who asked is not told so, nor sees it by time.

    One that makes an address its user's dies with the session that has asked for it.
    """
    identity = auth_of(tessera.realm).identity if "replaces" in data else None
    wanted = Ticket(
        _PURPOSE + purpose,
        user_id="" if owner is None else tessera.id_of(owner),
        session_id=identity.session_id if identity is not None else "",
        user_stamp="" if owner is None else tessera.stamp_of(owner),
        data=data,
    )
    return tessera.runtime.tickets.issue_alike(wanted, expires_in=LIFETIMES[purpose])


def link_that_ends(tessera: Tessera[Any], user_id: str, session_id: str) -> str:
    """A link for the notices of a session, by which whoever gets them ends it; empty where there can be none.

    Args:
        tessera: of the realm.
        user_id: whose session, in its text form.
        session_id: the session, with which the link dies too; empty for none.

    Raises:
        SessionEndedError: it is over.
        StorageUnavailableError: there is no link.
    """
    runtime = tessera.runtime
    if not session_id or not runtime.settings.PUBLIC_URL or not _prefixes_of(tessera):
        return ""
    wanted = Ticket(_PURPOSE + END_SESSION, user_id=user_id, session_id=session_id)
    return _link_of(tessera, runtime.tickets.issue(wanted, expires_in=LIFETIMES[END_SESSION]))


def end_linked_session(tessera: Tessera[Any], text: str) -> Session:
    """Use a link that ends a session; gives the session.

    Raises:
        TicketInvalidError: the link is over, or the session is.
    """
    runtime = tessera.runtime
    with recording_refused_ticket(runtime, "link end-session"):
        ticket = runtime.tickets.redeem(text, _PURPOSE + END_SESSION)
    return runtime.sessions.end(parse_sid(ticket.session_id), "kick", tessera.client_info(), owner=ticket.user_id)


def look_at_link(tessera: Tessera[Any], text: str, *purposes: str) -> Ticket:
    """The ticket of a link for one of these purposes, by default any; no use of it is taken.

    Raises:
        TicketInvalidError: it is over, or of no such link.
    """
    with recording_refused_ticket(tessera.runtime, " ".join(("link", *purposes))):
        ticket = tessera.runtime.tickets.look(text, *(_PURPOSE + purpose for purpose in purposes or LIFETIMES))
        _refuse_needless(tessera, ticket)
        return ticket


def purpose_of(ticket: Ticket) -> str:
    """What a link is for."""
    return ticket.purpose.removeprefix(_PURPOSE)


def recipient_of(ticket: Ticket) -> Recipient:
    """To whom a link was sent that is not one that ends a session."""
    return parse_recipient(ticket.data["recipient"])


def redeem_link(tessera: Tessera[Any], text: str, purpose: str) -> Any:
    """Use a link; gives its user.

    Raises:
        TicketInvalidError: it is over, or of another purpose, the user is gone, or has another recipient by now.
    """
    # What refuses one to log in is recorded as a login that was refused.
    with nullcontext() if purpose == LOGIN else recording_refused_ticket(tessera.runtime, f"link {purpose}"):
        user = _owner_of_link(tessera, text, purpose)
    tessera.runtime.record("link_used", user_id=tessera.id_of(user), subject=purpose)
    return user


def _owner_of_link(tessera: Tessera[Any], text: str, purpose: str) -> Any:
    runtime = tessera.runtime
    ticket = runtime.tickets.redeem(text, _PURPOSE + purpose)
    try:
        user = load_user(runtime.hooks, runtime.hooks.user_id_of(ticket.user_id), ticket.user_stamp)
    except UserGoneError as error:
        raise TicketInvalidError("its user is gone, or disabled") from error
    if not _is_meant_still(tessera, user, ticket):
        raise TicketInvalidError("its user has another recipient by now")
    _refuse_needless(tessera, ticket)
    return user


def _refuse_needless(tessera: Tessera[Any], ticket: Ticket) -> None:
    """Refuse a link for a new password to whose owner can log in, as a session of his tells (requirement L15).

    A mail that nobody needs any more is not to be found by somebody else. A session that is over by now tells nothing.

    Raises:
        TicketInvalidError: he has logged in, or proved again who he is, since the link was sent.
    """
    if purpose_of(ticket) == RESET:
        sessions = tessera.runtime.sessions.list(ticket.user_id)
        if any(session.auth_at > ticket.issued_at for session in sessions):
            raise TicketInvalidError("its user has logged in since")


def _is_meant_still(tessera: Tessera[Any], user: Any, ticket: Ticket) -> bool:
    """Whether the user has the recipient, or had none but those of now when he asked to have it."""
    if "replaces" in ticket.data:
        return bool(ticket.data["replaces"] == _addresses_of(tessera, user))
    return owns(tessera, user, recipient_of(ticket))


def _addresses_of(tessera: Tessera[Any], user: Any) -> list[str]:
    """The recipients of a user, for comparisons; none where the application does not tell, or in another form."""
    with suppress(ConfigError):
        return sorted(each.address for each in users_of(tessera.runtime.accounts).recipients(user))
    return []


def _link_of(tessera: Tessera[Any], ticket: str) -> str:
    settings = tessera.runtime.settings
    prefix = next(iter(_prefixes_of(tessera)), settings.URL_PREFIX)
    return f"{settings.PUBLIC_URL}{prefix}/links/{ticket}"


def _prefixes_of(tessera: Tessera[Any]) -> list[str]:
    return prefixes_of(tessera.runtime.shared.app, tessera.realm, "link")
