"""GET and POST /sign-in: an account and its password to a session in cookies."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from flask import redirect, url_for

from ..errors import (
    REGISTRY,
    ClaimsInvalidError,
    ConfigError,
    CsrfError,
    InputError,
    TesseraError,
)
from ..sessions.model import Device
from ..web.app_state import states_of
from ..web.cookie_session import cookie_session
from ..web.cookies import Delivery, checked, is_local
from ..web.current import current_app_object, current_request_object
from ..web.endpoints.body import read_form
from ..web.endpoints.login import log_in
from ..web.http_errors import TesseraHTTPError
from .failures import complete, reason_of, text_of
from .own_paths import own_path
from .rendering import render
from .words import account_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Response

    from .console import Console

_BROWSER: Final = Device(type="web")
_REASONS: Final = re.compile(r"session_\w+|user_gone|token_expired|step_up_required")
"""Slugs of errors that may lead here; nothing else of the query is shown."""
_INSECURE: Final = InputError("the browser would not keep the cookies of this sign-in")


def show(console: Console) -> Any:
    """The form; whoever is signed in already goes on, unless there is a reason to sign in again."""
    arguments = current_request_object().args
    next_, reason = own_path(arguments.get("next", ""), ""), arguments.get("reason", "")
    if not reason:
        refused = _refused(console)
        if refused is None:
            return redirect(next_ or url_for(".devices"))
        reason = reason_of(refused)
    fields = {"next": next_, "remember": "1"}
    return _form(console, fields, reason=reason if _REASONS.fullmatch(reason) else "")


def sign_in(console: Console) -> Any:
    """Begin a session; the one that the browser had before ends."""
    form = read_form()
    next_ = own_path(form.get("next", ""), "")
    account, password = form.get("account", ""), form.get("password", "")
    if _would_lose_cookies(console):
        return _form(console, form, status=_INSECURE.row.status)
    try:
        delivery = checked(console.cookies, Delivery("cookie", "remember" in form))
        if not account.strip() or not password:
            raise InputError("account or password is missing", slug="credentials_missing")
        credentials = {_member_of(console, account): account, "password": password}
        pair = log_in(console.tessera, credentials, _BROWSER)
        pair.deliver(delivery)
    except (ConfigError, ClaimsInvalidError, CsrfError):
        raise
    except TesseraError as error:
        return _refusal(console, form, error)
    _end_former(console)
    return redirect(next_ or url_for(".devices"), code=303)


def _refusal(console: Console, form: Mapping[str, str], error: TesseraError) -> Response:
    core = error.cause if isinstance(error, TesseraHTTPError) else error
    if isinstance(core, (ConfigError, ClaimsInvalidError)):
        raise core
    page = _form(console, form, error=text_of(core), status=core.row.status)
    return complete(page, core)


def _form(
    console: Console, filled: Mapping[str, str], *, reason: str = "", error: str = "", status: int = 200
) -> Response:
    """The page; `filled` holds what was typed, of which the password is not shown again."""
    language = states_of(current_app_object()).responses.language()
    row = REGISTRY.get(reason)
    return render(
        "sign_in.html",
        status=status,
        next=own_path(filled.get("next", ""), ""),
        reason=getattr(row, language) if row else "",
        error=error,
        account=filled.get("account", ""),
        remember="remember" in filled,
        account_label=account_label(console.account, language),
        account_kind=console.account[0] if len(console.account) == 1 else "",
        is_insecure=_would_lose_cookies(console),
    )


def _member_of(console: Console, account: str) -> str:
    """Which member of the credentials it is: one field serves where several may name the account."""
    if "@" in account and "email" in console.account:
        return "email"
    return next((member for member in console.account if member != "email"), console.account[0])


def _refused(console: Console) -> TesseraError | None:
    """Why nobody is signed in; None where somebody is."""
    try:
        console.look()
    except ConfigError:
        raise
    except TesseraError as error:
        return error
    return None


def _end_former(console: Console) -> None:
    """The session whose cookies have just been replaced: nobody could end it from this browser any more."""
    runtime = console.tessera.runtime
    # Whatever they carried, and whether it can be ended now: the new session has begun.
    with suppress(TesseraError):
        runtime.sessions.end(cookie_session(runtime, console.cookies), "logout", console.tessera.client_info())


def _would_lose_cookies(console: Console) -> bool:
    """Whether the browser speaks plain HTTP to another host than its own machine, and so keeps no Secure cookies.

    A proxy that ends TLS speaks plain HTTP to us as well; but browsers send `Sec-Fetch-Site` over HTTPS only (Fetch
    Metadata §3), and their `Origin` with the form tells.
    """
    request = current_request_object()
    if request.is_secure or is_local(request.host):
        return False
    if console.tessera.runtime.settings.COOKIE_SECURE:
        origin = request.environ.get("HTTP_ORIGIN", "")
        return origin.startswith("http:") or "HTTP_SEC_FETCH_SITE" not in request.environ
    app = current_app_object()
    return not (app.debug or app.testing)
