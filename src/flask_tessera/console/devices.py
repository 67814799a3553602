"""GET /devices, and the forms on it: one's own sessions, to see and to end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flask import redirect, url_for

from ..services.keys import parse_sid, sid_text
from ..services.user_agents import guess
from ..web.app_state import states_of
from ..web.current import call_host, current_app_object, current_request_object
from ..web.endpoints.sessions import end_session
from ..web.freshness import is_recent_login, refuse_stale_login
from .own_paths import with_query
from .rendering import render
from .words import method_label

if TYPE_CHECKING:
    from flask import Response

    from ..sessions.model import Session
    from ..web.request_auth import RequestAuth
    from .console import Console

_KINDS: Final = {
    **dict.fromkeys(("phone", "mobile", "ios", "android", "app"), "phone"),
    **dict.fromkeys(("tablet", "pad", "ipad"), "tablet"),
    **dict.fromkeys(("computer", "desktop", "pc", "laptop"), "computer"),
}
"""What clients call their type; any other word is shown as it is. "web" says nothing of the device."""


@dataclass(frozen=True, slots=True)
class ShownDevice:
    """A session as the page shows it; all texts but `kind` and `session_id` come from whoever logged in.

    `kind` is phone, tablet, computer or other; `about` is what its browser says beside the name. Times are in UTC.
    """

    session_id: str
    is_current: bool
    kind: str
    name: str
    about: str
    user_agent: str
    ip: str
    methods: tuple[str, ...]
    begun: dt.datetime
    last_seen: dt.datetime


def show(console: Console) -> Response:
    """The live sessions, this one first and then as they were used last."""
    auth = console.look()
    runtime, identity = auth.runtime, auth.identity
    language = states_of(current_app_object()).responses.language()
    with_address = is_recent_login(runtime, identity.authenticated_at)
    shown = [
        shown_device(each, identity.session_id, language=language, with_address=with_address)
        for each in runtime.sessions.list(str(identity.user_id))
    ]
    shown.sort(key=lambda each: (each.is_current, each.last_seen, each.begun), reverse=True)
    return render(
        "devices.html",
        devices=shown,
        has_others=any(not each.is_current for each in shown),
        with_address=with_address,
        has_ended="ended" in current_request_object().args,
        bound=runtime.bound,
        user_name=_name_of(auth),
        csrf_token=console.cookies.csrf_token_of(parse_sid(identity.session_id)),
        csrf_cookie=console.cookies.csrf,
        again_url=console.sign_in_url(reason="step_up_required", back_to=url_for(".devices")),
    )


def end(console: Console, sid: str) -> Any:
    """End one session of one's own."""
    console.look()
    end_session(console.tessera, sid)
    return _back()


def end_others(console: Console) -> Any:
    """End all sessions of one's own but this one."""
    auth = console.look()
    refuse_stale_login(auth.runtime, auth.identity.authenticated_at)
    console.tessera.revoke_others()
    return _back()


def shown_device(session: Session, current: str, *, language: str, with_address: bool) -> ShownDevice:
    """A session as the page shows it: what the client says of itself goes before what its browser says."""
    name = sid_text(session.sid)
    told = guess(session.user_agent)
    browser = " · ".join(filter(None, (told.program[language == "en"], told.system)))
    given = session.device_type.lower()
    kind = _KINDS.get(given, told.kind)
    return ShownDevice(
        session_id=name,
        is_current=name == current,
        kind=kind,
        name=session.device_name or browser,
        about=browser if session.device_name else "",
        user_agent=session.user_agent,
        ip=session.ip if with_address else "",
        methods=tuple(method_label(each, language) for each in session.amr.split()),
        begun=_utc(session.created_at),
        last_seen=_utc(session.last_seen_shown),
    )


def _name_of(auth: RequestAuth) -> str:
    """What the user view calls the user: its `name`, else how he logs in; empty where it says neither."""
    view = auth.runtime.hooks.user_view
    seen = call_host(view, auth.user) if view is not None else None
    if not isinstance(seen, Mapping):
        return ""
    return next((str(seen[key]) for key in ("name", "username", "phone", "email") if seen.get(key)), "")


def _back() -> Any:
    return redirect(with_query(url_for(".devices"), ended="1"), code=303)


def _utc(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
