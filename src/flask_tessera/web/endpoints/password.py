"""POST /password and /password/reset: another password, which ends the sessions that were begun under the old one."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...accounts.address import network_of
from ...accounts.hash_slots import claiming, network_claim
from ...accounts.recipients import parse_recipient
from ...errors import CodeWrongError, ConfigError, InputError, OldPasswordError, ThrottledError
from ..links import RESET, look_at_link, recipient_of, redeem_link
from ..logins import passwords_of, users_of
from ..password_policy import password_policy
from ..request_auth import auth_of
from ..session_owner import fresh_owner_of_request
from .row import Endpoint

if TYPE_CHECKING:
    from ..extension import Tessera


class PasswordRequest(msgspec.Struct, frozen=True):
    """Body of a change; `old` is left out where there is none yet, and the login is fresh."""

    new: str
    old: str | None = None


class ResetRequest(msgspec.Struct, frozen=True):
    """Body of a reset: a recipient and its code, or the ticket of a link; and the new password."""

    password: str
    recipient: str | None = None
    code: str | None = None
    ticket: str | None = None


class EffectiveResponse(msgspec.Struct, frozen=True):
    """The Unix second by which every worker refuses the tokens of the sessions that this has ended."""

    effective_by: int


def change_password(tessera: Tessera[Any], body: PasswordRequest) -> EffectiveResponse:
    """Change one's password; all other sessions, the API keys and the tickets of the user end.

    Raises:
        OldPasswordError: the old one is wrong.
        StepUpRequiredError: there is none yet, and the login is not fresh.
    """
    runtime, auth = tessera.runtime, auth_of(tessera.realm)
    passwords, user, identity = passwords_of(runtime.accounts), auth.load_user(), auth.identity
    old = body.old
    if not passwords.has_password(user):
        old = None
        fresh_owner_of_request(tessera)
    elif old is None:
        raise InputError("the old password is missing", member="old")
    password_policy(runtime).check(body.new, passwords.words_of(user))
    user_id = str(identity.user_id)
    try:
        with runtime.accounts.factor_limit.attempt(user_id, address=tessera.client_info().ip):
            passwords.change(user, body.new, old=old)
    except (OldPasswordError, ThrottledError) as error:
        runtime.record("password_change_failed", user_id=user_id, session_id=identity.session_id, reason=error.row.slug)
        raise
    _drop_codes(tessera, user)
    try:
        return EffectiveResponse(tessera.revoke_others("password_change").effective_by)
    finally:
        # Afterwards: a ticket that is issued for this event would end with the sessions.
        runtime.record("password_changed", user_id=user_id, session_id=identity.session_id)


def reset_password(tessera: Tessera[Any], body: ResetRequest) -> EffectiveResponse:
    """Set a password anew; all sessions, API keys and tickets of the user end. A second factor stays as it is.

    Raises:
        CodeWrongError: the code is wrong, used or expired.
        TicketInvalidError: the link is.
    """
    by_code = body.ticket is None and body.recipient is not None and body.code is not None
    by_link = body.ticket is not None and body.recipient is None and body.code is None
    if not by_code and not by_link:
        raise InputError("a reset needs recipient and code, or a ticket", member="ticket" if body.ticket else "code")
    return _reset_by_code(tessera, body) if by_code else _reset_by_link(tessera, body)


def _reset_by_code(tessera: Tessera[Any], body: ResetRequest) -> EffectiveResponse:
    services, recipient = tessera.runtime.accounts, parse_recipient(body.recipient)
    password_policy(tessera.runtime).check(body.password, (recipient.local,))
    counted = tessera.login_attempt(recipient.address).without_account_limit()
    with counted.record_as("password_reset_failed"):
        services.codes.use("reset", recipient, body.code)
        user = users_of(services).by_recipient(recipient)
        if user is None or users_of(services).is_disabled(user):
            raise CodeWrongError("the code is right, and the user gone, or disabled")
        try:
            hashed = passwords_of(services).hash(body.password)
        except ThrottledError:
            # The code is good still: whoever is told to try again shall not need another one.
            services.codes.keep("reset", recipient, str(body.code))
            raise
        return _set(tessera, user, hashed)


def _reset_by_link(tessera: Tessera[Any], body: ResetRequest) -> EffectiveResponse:
    text = str(body.ticket)
    recipient = recipient_of(look_at_link(tessera, text, RESET))
    password_policy(tessera.runtime).check(body.password, (recipient.local,))
    # First, for the same reason: a ticket that was used is not good again. Many at once have the share of one.
    with claiming(network_claim(network_of(tessera.client_info().ip)), f"link {recipient.address}"):
        hashed = passwords_of(tessera.runtime.accounts).hash(body.password)
    return _set(tessera, redeem_link(tessera, text, RESET), hashed)


def _set(tessera: Tessera[Any], user: Any, hashed: str) -> EffectiveResponse:
    passwords_of(tessera.runtime.accounts).reset(user, hashed)
    _drop_codes(tessera, user)
    tessera.runtime.record("password_changed", user_id=tessera.id_of(user), subject="reset")
    return EffectiveResponse(tessera.revoke_user(user, "password_change").effective_by)


def _drop_codes(tessera: Tessera[Any], user: Any) -> None:
    """Codes that were sent to reset the password of before are good for nothing (requirement L15)."""
    services = tessera.runtime.accounts
    # What the application tells in another form is no reason to let the old sessions live on.
    with suppress(ConfigError):
        for recipient in users_of(services).recipients(user):
            services.codes.drop("reset", recipient)


_WEAK: Final = ("password_too_short", "password_common", "password_breached")
ROWS: Final = (
    Endpoint(
        "password",
        "POST",
        "/password",
        change_password,
        request=PasswordRequest,
        response=EffectiveResponse,
        errors=(*_WEAK, "old_password_wrong", "step_up_required", "too_many_requests"),
        is_guarded=True,
        needs="set_password_hash",
    ),
    Endpoint(
        "reset_password",
        "POST",
        "/password/reset",
        reset_password,
        request=ResetRequest,
        response=EffectiveResponse,
        errors=(
            *(*_WEAK, "phone_malformed", "email_malformed", "code_wrong", "ticket_invalid", "user_gone"),
            *("old_password_wrong", "too_many_requests"),
        ),
        needs="set_password_hash",
    ),
)
