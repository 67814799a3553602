"""GET and POST /sign-in: an account and its password to a session in cookies."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from flask import redirect, url_for

from ..errors import REGISTRY, ConfigError, InputError, TesseraError
from ..web.app_state import states_of
from ..web.current import current_app_object, current_request_object
from ..web.endpoints.body import read_form
from ..web.endpoints.login import log_in
from .entering import BROWSER, enter, render_entry
from .failures import reason_of
from .own_paths import next_of
from .words import account_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Response

    from ..web.cookies import Delivery
    from .console import Console

_REASONS: Final = re.compile(r"session_\w+|user_gone|token_expired|step_up_required")
"""Slugs of errors that may lead here; nothing else of the query is shown."""


def show(console: Console) -> Any:
    """The form; whoever is signed in already goes on, unless there is a reason to sign in again."""
    arguments = current_request_object().args
    next_, reason = next_of(arguments), arguments.get("reason", "")
    if not reason:
        found = _refused(console)
        if found is None:
            return redirect(next_ or url_for(".devices"))
        reason = reason_of(found)
    fields = {"next": next_, "remember": "1"}
    return show_form(console, fields, reason=reason if _REASONS.fullmatch(reason) else "")


def sign_in(console: Console) -> Any:
    """Begin a session; the one that the browser had before ends."""
    form = read_form()

    def begin(how: Delivery) -> None:
        account, password = form.get("account", ""), form.get("password", "")
        if not account.strip() or not password:
            raise InputError("account or password is missing", slug="credentials_missing")
        credentials = {_member_of(console, account): account, "password": password}
        log_in(console.tessera, credentials, BROWSER).deliver(how)

    return enter(console, form, begin, partial(show_form, console, form))


def show_form(
    console: Console, filled: Mapping[str, str], *, reason: str = "", error: str = "", status: int = 200
) -> Response:
    """The page; `filled` holds what was typed, of which the password is not shown again."""
    language = states_of(current_app_object()).responses.language()
    row, members = REGISTRY.get(reason), console.members
    return render_entry(
        console,
        "sign_in.html",
        filled,
        error=error,
        status=status,
        reason=getattr(row, language) if row else "",
        account=filled.get("account", ""),
        account_label=account_label(members, language),
        account_kind=members[0] if len(members) == 1 else "",
        script_url=console.script_url,
    )


def _member_of(console: Console, account: str) -> str:
    """Which member of the credentials it is: one field serves where several may name the account."""
    if "@" in account and "email" in console.members:
        return "email"
    return next((member for member in console.members if member != "email"), console.members[0])


def _refused(console: Console) -> TesseraError | None:
    """Why nobody is signed in; None where somebody is."""
    try:
        console.look()
    except ConfigError:
        raise
    except TesseraError as error:
        return error
    return None
