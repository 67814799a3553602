"""What the pages of who is signed in have in common."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..services.keys import parse_sid
from ..web.current import call_host, current_request_object
from .rendering import render

if TYPE_CHECKING:
    from flask import Response

    from ..web.request_auth import RequestAuth
    from .console import Console


def render_signed_in(
    console: Console, auth: RequestAuth, template: str, *, status: int = 200, **values: Any
) -> Response:
    """A page with the bar on top, and the CSRF token for its forms."""
    return render(
        template,
        status=status,
        user_name=name_of(auth),
        csrf_token=console.cookies.csrf_token_of(parse_sid(auth.identity.session_id)),
        csrf_cookie=console.cookies.csrf,
        keeps_history=auth.runtime.hooks.keeps_history,
        is_undone="undone" in current_request_object().args,
        **values,
    )


def name_of(auth: RequestAuth) -> str:
    """What the user view calls the user: its `name`, else how he logs in; empty where it says neither."""
    view = auth.runtime.hooks.user_view
    seen = call_host(view, auth.user) if view is not None else None
    if not isinstance(seen, Mapping):
        return ""
    return next((str(seen[key]) for key in ("name", "username", "phone", "email") if seen.get(key)), "")


def utc(seconds: int) -> dt.datetime:
    """A Unix second, as templates show it."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
