"""The forms of /security for second factors: the generator of codes, recovery codes, passkeys."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from ..errors import CodeWrongError, InputError, TesseraError
from ..web.endpoints import passkeys, totp
from ..web.endpoints.body import read_form
from ..web.freshness import refuse_older_login
from ..web.http_errors import TesseraHTTPError
from ..web.requirements import FRESH_SECONDS
from .forms import credential_of, refused
from .rendering import word
from .security import back, page
from .signed_in import render_signed_in

if TYPE_CHECKING:
    from flask import Response

    from ..web.request_auth import RequestAuth
    from .console import Console

_SECRET: Final = re.compile(r"[A-Z2-7]{32}")
_NAMELESS: Final = "passkey"
_TO_MAKE_ONE: Final = 60
"""Seconds that a person has to make a passkey."""


def begin_totp(console: Console) -> Any:
    """A new secret, as a QR code and as text, and the form for its first code."""
    auth = console.look()
    try:
        return _totp_page(console, auth, totp.begin(console.tessera))
    except TesseraError as error:
        return refused(error, partial(page, console, at="totp"))


def confirm_totp(console: Console) -> Any:
    """Put the secret to use, and show the recovery codes, this once."""
    auth, form = console.look(), read_form()
    user_id, secret = str(auth.identity.user_id), form.get("secret", "")
    if not _SECRET.fullmatch(secret):
        raise InputError("the form has no secret", member="secret")
    try:
        confirmed = totp.confirm(console.tessera, totp.TotpConfirmation("".join(form.get("code", "").split())))
    except TesseraError as error:
        core = error.cause if isinstance(error, TesseraHTTPError) else error
        if isinstance(core, CodeWrongError) and not auth.runtime.accounts.totp.waits(user_id, secret):
            return page(console, at="totp", error=word("totp_over"), status=core.row.status)
        # The page has shown this secret to whoever sends it back: it may show it again.
        told = totp.shown(console.tessera, user_id, secret)
        return refused(error, partial(_totp_page, console, auth, told))
    return _codes_page(console, auth, confirmed.recovery_codes)


def remove_totp(console: Console) -> Any:
    """Forget the generator."""
    console.look()
    totp.remove(console.tessera)
    return back("totp_removed")


def renew_codes(console: Console) -> Any:
    """New recovery codes in place of those from before, shown this once."""
    auth = console.look()
    try:
        renewed = totp.renew_recovery_codes(console.tessera)
    except TesseraError as error:
        return refused(error, partial(page, console, at="codes"))
    return _codes_page(console, auth, renewed.recovery_codes)


def new_passkey(console: Console) -> Any:
    """The page whose script makes a passkey."""
    auth = console.look()
    # The login must be fresh still once the device has made one: nobody could take it away again.
    refuse_older_login(auth.runtime, auth.identity.authenticated_at, FRESH_SECONDS - _TO_MAKE_ONE)
    try:
        return _passkey_page(console, auth, "")
    except TesseraError as error:
        return refused(error, partial(page, console, at="passkeys"))


def add_passkey(console: Console) -> Any:
    """Keep the passkey that the script has put into the form."""
    auth, form = console.look(), read_form()
    name = form.get("name", "").strip()
    try:
        credential = credential_of(form.get("passkey", ""))
        passkeys.register(console.tessera, passkeys.NewPasskeyRequest(name or _NAMELESS, credential))
    except TesseraError as error:
        return refused(error, partial(_passkey_page, console, auth, name))
    return back("passkey_added")


def remove_passkey(console: Console, passkey_id: str) -> Any:
    """Remove one of one's own."""
    console.look()
    passkeys.remove(console.tessera, passkey_id)
    return back("passkey_removed")


def _totp_page(
    console: Console, auth: RequestAuth, told: totp.TotpResponse, *, error: str = "", status: int = 200
) -> Response:
    return render_signed_in(
        console,
        auth,
        "totp.html",
        status=status,
        error=error,
        secret=told.secret,
        # As an image it runs nothing and styles nothing.
        qr_url=f"data:image/svg+xml,{quote(told.qr)}",
        uri=told.uri,
    )


def _codes_page(console: Console, auth: RequestAuth, codes: tuple[str, ...]) -> Response:
    return render_signed_in(console, auth, "recovery_codes.html", codes=codes)


def _passkey_page(console: Console, auth: RequestAuth, name: str, *, error: str = "", status: int = 200) -> Response:
    return render_signed_in(
        console,
        auth,
        "passkey.html",
        status=status,
        error=error,
        name=name,
        passkey_options=passkeys.options(console.tessera, passkeys.NoBody()),
        script_url=console.script_url,
    )
