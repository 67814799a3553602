"""POST /sign-out: ends the session that the cookies carry, also where its access token has expired."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flask import redirect

from ..errors import NotFoundError
from ..web.cookie_session import cookie_session
from ..web.endpoints.body import read_form
from .console import CSRF_FIELD

if TYPE_CHECKING:
    from .console import Console


def sign_out(console: Console) -> Any:
    """End it, clear the cookies, and show where one signs in."""
    runtime, cookies = console.tessera.runtime, console.cookies
    sid = cookie_session(runtime, cookies)
    cookies.refuse_forged(sid, in_form=read_form().get(CSRF_FIELD, ""))
    # Forgotten is as good as ended.
    with suppress(NotFoundError):
        runtime.sessions.end(sid, "logout", console.tessera.client_info())
    cookies.clear()
    return redirect(console.sign_in_url(reason="session_logout"), code=303)
