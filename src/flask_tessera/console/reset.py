"""/reset: a new password for who does not know the old one, by a code or by a link."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from flask import redirect

from ..errors import NotFoundError, TesseraError
from ..web.current import current_request_object
from ..web.endpoints import links
from ..web.endpoints.body import read_form
from ..web.endpoints.password import ResetRequest, reset_password
from .code_steps import is_asking, send_code_for
from .entering import render_entry
from .forms import refused
from .own_paths import next_of
from .ways import ways_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Response

    from .console import Console


def show(console: Console) -> Any:
    """The page that asks where the code or the link is to go."""
    _refuse_without_users(console)
    return _form(console, current_request_object().args)


def take(console: Console) -> Any:
    """Send a code or a link, or set the password; all sessions of the account end with that."""
    _refuse_without_users(console)
    form = read_form()
    show = partial(_form, console, form)
    if is_asking(form):
        return send_code_for(console, form, "reset", show)
    is_link = form.get("step") == "link"
    try:
        console.cookies.refuse_foreign_origin()
        if is_link:
            links.send(console.tessera, links.LinkRequest(form.get("recipient", ""), "reset"))
        else:
            recipient, code = form.get("recipient", ""), form.get("code", "").strip()
            reset_password(console.tessera, ResetRequest(form.get("password", ""), recipient, code))
    except TesseraError as error:
        return refused(error, partial(show, is_sent=not is_link))
    if is_link:
        return show(is_link_sent=True)
    return redirect(console.sign_in_url(reason="session_password_change", back_to=next_of(form)), code=303)


def _form(
    console: Console,
    filled: Mapping[str, str],
    *,
    is_sent: bool = False,
    is_link_sent: bool = False,
    **values: Any,
) -> Response:
    return render_entry(
        console,
        "reset.html",
        filled,
        recipient=filled.get("recipient", ""),
        is_sent=is_sent,
        is_link_sent=is_link_sent,
        **values,
    )


def _refuse_without_users(console: Console) -> None:
    if not ways_of(console).code:
        raise NotFoundError("passwords cannot be set anew here")
