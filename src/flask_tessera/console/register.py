"""/register: a phone number or an e-mail address, its code, and maybe a password and a name, to a new account."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import NotFoundError
from ..web.current import current_request_object
from ..web.endpoints.body import read_form
from ..web.endpoints.register import RegisterRequest, register
from .code_steps import is_asking, send_code_for
from .entering import BROWSER, enter, render_entry
from .ways import ways_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Response

    from ..web.cookies import Delivery
    from .console import Console


def show(console: Console) -> Any:
    """The page that asks where the code is to go."""
    _refuse_without_users(console)
    return _form(console, {**current_request_object().args, "remember": "1"})


def take(console: Console) -> Any:
    """Send a code, or make the account and begin its first session."""
    _refuse_without_users(console)
    form = read_form()
    show = partial(_form, console, form)
    if is_asking(form):
        return send_code_for(console, form, "register", show)

    def begin(how: Delivery) -> None:
        wanted = RegisterRequest(
            recipient=form.get("recipient", ""),
            code=form.get("code", "").strip(),
            password=form.get("password") or None,
            name=form.get("name", ""),
            device=BROWSER,
            transport=how.transport,
            remember=how.remember,
        )
        register(console.tessera, wanted)

    return enter(console, form, begin, partial(show, is_sent=True))


def _form(console: Console, filled: Mapping[str, str], *, is_sent: bool = False, **values: Any) -> Response:
    recipient, name = filled.get("recipient", ""), filled.get("name", "")
    return render_entry(console, "register.html", filled, is_sent=is_sent, recipient=recipient, name=name, **values)


def _refuse_without_users(console: Console) -> None:
    if not ways_of(console).register:
        raise NotFoundError("nobody can register here")
