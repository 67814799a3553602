"""POST /codes: a code to a phone or an e-mail address, alike for those that are known and those that are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from ...accounts.recipients import parse_recipient
from ...errors import ChallengeError, SendingError, ThrottledError
from ...services.codes import LIFETIME
from ...services.messages import NO_ACCOUNT, Facts
from ...services.sending_limits import RESEND_AFTER
from ...sessions.model import UNKNOWN_DEVICE, Device
from ..challenge import ask_challenge
from ..credential_reading import identify_request
from ..current import current_request_object
from ..logins import users_of
from ..outgoing import send_message
from ..requirements import SESSION_TRANSPORTS
from .row import Endpoint

if TYPE_CHECKING:
    from ...accounts.recipients import Recipient
    from ..audit import Details
    from ..extension import Tessera

REFUSALS: Final = (ThrottledError, ChallengeError, SendingError)
"""Why a message was not sent that was asked for well."""
_FOR_OWNERS: Final = ("login", "reset")
"""Purposes for which there must be an account already."""


class CodeRequest(msgspec.Struct, frozen=True):
    """Body of the request: a phone number or an e-mail address, and what the code is to be good for.

    A device from which the recipient has logged in before gets codes whatever strangers have asked for.
    """

    recipient: str
    purpose: Literal["login", "register", "reset", "bind"]
    device: Device = UNKNOWN_DEVICE


class CodeResponse(msgspec.Struct, frozen=True):
    """For how many seconds the code is good, and after how many another one can be asked for."""

    expires_in: int
    resend_in: int


def send_code(tessera: Tessera[Any], wanted: CodeRequest) -> CodeResponse:
    """Send a code.

    To a recipient without an account a code to log in would be of no use: the message says so instead. The client is
    answered alike.
    """
    runtime, recipient = tessera.runtime, parse_recipient(wanted.recipient)
    about: Details = {"account": recipient.address, "subject": wanted.purpose}
    if wanted.purpose == "bind":
        identity = identify_request(runtime, current_request_object(), transports=SESSION_TRANSPORTS)
        about |= {"user_id": str(identity.user_id), "session_id": identity.session_id}
    try:
        _send(tessera, wanted, recipient)
    except REFUSALS as error:
        about["reason"] = error.row.slug
        runtime.record("code_refused", **about)
        raise
    runtime.record("code_sent", **about)
    return CodeResponse(LIFETIME, RESEND_AFTER)


def _send(tessera: Tessera[Any], wanted: CodeRequest, recipient: Recipient) -> None:
    services = tessera.runtime.accounts
    users = users_of(services)
    ask_challenge(tessera, "code")
    is_told = wanted.purpose not in _FOR_OWNERS or users.by_recipient(recipient) is not None
    code = services.codes.make()
    purpose, facts = (wanted.purpose, Facts(code=code, minutes=LIFETIME // 60)) if is_told else (NO_ACCOUNT, Facts())
    send_message(tessera, purpose, recipient, facts, asked_for=wanted.purpose, device_id=wanted.device.id)
    # Once it was sent: one that was not sent takes no other's place.
    services.codes.keep(wanted.purpose, recipient, code)


ROWS: Final = (
    Endpoint(
        "codes",
        "POST",
        "/codes",
        send_code,
        request=CodeRequest,
        response=CodeResponse,
        errors=(
            *("phone_malformed", "email_malformed", "challenge_failed", "too_many_requests", "sending_failed"),
            *("token_missing", "token_invalid", "token_expired", "token_ambiguous", "csrf_failed"),
        ),
        transports=SESSION_TRANSPORTS,
        token_is_optional=True,
        needs="by_recipient",
    ),
)
