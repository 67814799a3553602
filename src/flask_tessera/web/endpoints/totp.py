"""/totp and /recovery-codes: the current user's generator of codes, and the codes that stand in for it."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

from ...accounts.totp import qr_of, uri_of
from ...errors import ConfigError, NotFoundError
from ...services.second_factors import RECOVERY, TOTP
from ..request_auth import auth_of
from ..second_step import tell_if_missing
from ..session_owner import fresh_owner_of_request, look_again, owner_of_request
from .row import Endpoint

if TYPE_CHECKING:
    from ..app_state import Runtime
    from ..extension import Tessera


class TotpResponse(msgspec.Struct, frozen=True):
    """A secret that waits for its first code: in base32, in an `otpauth:` address, and as a QR code (SVG) of that."""

    secret: str
    uri: str
    qr: str


class TotpConfirmation(msgspec.Struct, frozen=True):
    """Body of the request: a code of the secret that waits."""

    code: str


class RecoveryCodesResponse(msgspec.Struct, frozen=True):
    """Codes to be written down: each stands in for a second factor once. They are told only here."""

    recovery_codes: tuple[str, ...]


class NothingResponse(msgspec.Struct, frozen=True):
    """There is nothing to tell."""


def begin(tessera: Tessera[Any]) -> TotpResponse:
    """Make a secret, which counts once a code of it was shown; needs a fresh login."""
    runtime, identity = tessera.runtime, fresh_owner_of_request(tessera)
    tell_if_missing(tessera)
    user_id = str(identity.user_id)
    secret = runtime.accounts.totp.begin(user_id, _account_of(tessera, user_id), _issuer_of(runtime)).secret
    return shown(tessera, user_id, secret)


def shown(tessera: Tessera[Any], user_id: str, secret: str) -> TotpResponse:
    """A secret that waits, as its owner is shown it."""
    uri = uri_of(secret, account=_account_of(tessera, user_id), issuer=_issuer_of(tessera.runtime))
    return TotpResponse(secret, uri, qr_of(uri))


def confirm(tessera: Tessera[Any], sent: TotpConfirmation) -> RecoveryCodesResponse:
    """Put the secret to use, for a code of it."""
    identity = owner_of_request(tessera)
    user_id = str(identity.user_id)
    address = tessera.client_info().ip
    # Again once it is written: a password change meanwhile has ended this session.
    check = partial(look_again, tessera.runtime)
    codes = tessera.runtime.accounts.totp.confirm(user_id, sent.code, address=address, check=check)
    tessera.runtime.record("factor_added", user_id=user_id, session_id=identity.session_id, subject=TOTP)
    return RecoveryCodesResponse(codes)


def remove(tessera: Tessera[Any]) -> NothingResponse:
    """Forget the generator, and trust no device any longer; needs a fresh login."""
    identity, factors = fresh_owner_of_request(tessera), tessera.runtime.accounts.second_factors
    user_id = str(identity.user_id)
    was_there = TOTP in factors.names_of(user_id)
    factors.remove_totp(user_id, partial(look_again, tessera.runtime))
    if was_there:
        tessera.runtime.record("factor_removed", user_id=user_id, session_id=identity.session_id, subject=TOTP)
    return NothingResponse()


def renew_recovery_codes(tessera: Tessera[Any]) -> RecoveryCodesResponse:
    """Make new recovery codes in place of those from before; needs a fresh login.

    Raises:
        NotFoundError: the user has no second factor, for which they would stand in.
    """
    identity, services = fresh_owner_of_request(tessera), tessera.runtime.accounts
    user_id = str(identity.user_id)
    if not services.second_factors.names_of(user_id):
        raise NotFoundError("the user has no second factor")
    codes = services.recovery_codes.renew(user_id, partial(look_again, tessera.runtime))
    tessera.runtime.record("recovery_codes_renewed", user_id=user_id, session_id=identity.session_id, subject=RECOVERY)
    return RecoveryCodesResponse(codes)


def _account_of(tessera: Tessera[Any], user_id: str) -> str:
    """What the app shows beside the issuer: how the user is reached, or where that is not known, his id."""
    users = tessera.runtime.accounts.users
    if users is not None:
        # What the application tells in another form is not shown.
        with suppress(ConfigError):
            for recipient in users.recipients(auth_of(tessera.realm).load_user()):
                return str(recipient.address)
    return user_id


def _issuer_of(runtime: Runtime) -> str:
    """What the app shows as the name of the application."""
    return urlsplit(runtime.settings.PUBLIC_URL).hostname or runtime.shared.app.name


ROWS: Final = (
    Endpoint(
        "begin_totp",
        "POST",
        "/totp",
        begin,
        response=TotpResponse,
        errors=("step_up_required", "user_gone"),
        is_guarded=True,
    ),
    Endpoint(
        "confirm_totp",
        "POST",
        "/totp/confirm",
        confirm,
        request=TotpConfirmation,
        response=RecoveryCodesResponse,
        errors=("code_wrong", "too_many_requests"),
        is_guarded=True,
    ),
    Endpoint(
        "remove_totp",
        "DELETE",
        "/totp",
        remove,
        response=NothingResponse,
        errors=("step_up_required",),
        is_guarded=True,
    ),
    Endpoint(
        "recovery_codes",
        "POST",
        "/recovery-codes",
        renew_recovery_codes,
        response=RecoveryCodesResponse,
        errors=("step_up_required", "not_found"),
        is_guarded=True,
    ),
)
