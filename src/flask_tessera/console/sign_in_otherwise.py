"""/sign-in/code, /sign-in/link and /sign-in/passkey: a session without a password."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import NotFoundError, TesseraError
from ..web.current import current_app_object, current_request_object
from ..web.endpoints import links
from ..web.endpoints.body import read_form
from ..web.endpoints.login import log_in
from .code_steps import is_asking, send_code_for
from .entering import BROWSER, enter, render_entry
from .forms import credential_of, refused
from .sign_in import show_form
from .ways import ways_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Response

    from ..web.cookies import Delivery
    from .console import Console


def show_code(console: Console) -> Any:
    """The page that asks where a code is to go."""
    _refuse_unless(ways_of(console).code)
    return _code_form(console, {**current_request_object().args, "remember": "1"})


def by_code(console: Console) -> Any:
    """Send a code, or begin a session by one."""
    _refuse_unless(ways_of(console).code)
    form = read_form()
    show = partial(_code_form, console, form)
    if is_asking(form):
        return send_code_for(console, form, "login", show)

    def begin(how: Delivery) -> None:
        credentials = {"recipient": form.get("recipient", ""), "code": form.get("code", "").strip()}
        log_in(console.tessera, credentials, BROWSER).deliver(how)

    return enter(console, form, begin, partial(show, is_sent=True))


def show_link(console: Console) -> Any:
    """The page that asks where a link is to go."""
    _refuse_unless(ways_of(console).link)
    return _link_form(console, current_request_object().args)


def by_link(console: Console) -> Any:
    """Send a link; nobody is told whether there is such an account."""
    _refuse_unless(ways_of(console).link)
    form = read_form()
    show = partial(_link_form, console, form)
    try:
        console.cookies.refuse_foreign_origin()
        links.send(console.tessera, links.LinkRequest(form.get("recipient", ""), "login"))
    except TesseraError as error:
        return refused(error, show)
    return show(is_sent=True)


def passkey_options(console: Console) -> Any:
    """What the page's script asks for a passkey with; nothing is kept of it."""
    _refuse_unless(ways_of(console).passkey)
    options = console.tessera.runtime.accounts.passkeys.login_options()
    return current_app_object().json.response(options)


def by_passkey(console: Console) -> Any:
    """Begin a session by the answer of a passkey, which a script has put into the form."""
    _refuse_unless(ways_of(console).passkey)
    form = read_form()

    def begin(how: Delivery) -> None:
        credentials = {"passkey": credential_of(form.get("passkey", ""))}
        log_in(console.tessera, credentials, BROWSER).deliver(how)

    return enter(console, form, begin, partial(show_form, console, form))


def _code_form(console: Console, filled: Mapping[str, str], *, is_sent: bool = False, **values: Any) -> Response:
    recipient = filled.get("recipient", "")
    return render_entry(console, "sign_in_code.html", filled, is_sent=is_sent, recipient=recipient, **values)


def _link_form(console: Console, filled: Mapping[str, str], *, is_sent: bool = False, **values: Any) -> Response:
    recipient = filled.get("recipient", "")
    return render_entry(console, "sign_in_link.html", filled, is_sent=is_sent, recipient=recipient, **values)


def _refuse_unless(has_way: bool) -> None:
    if not has_way:
        raise NotFoundError("the application has no such way to sign in")
