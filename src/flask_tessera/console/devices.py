"""GET /devices, and the forms on it: one's own sessions, to see and to end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flask import redirect, url_for

from ..services.keys import sid_text
from ..services.user_agents import guess
from ..web.app_state import states_of
from ..web.current import current_app_object, current_request_object
from ..web.endpoints.sessions import end_session
from ..web.freshness import is_recent_login, refuse_stale_login
from .failures import prove_again_url
from .own_paths import with_query
from .signed_in import render_signed_in, utc
from .words import method_label

if TYPE_CHECKING:
    import datetime as dt

    from flask import Response

    from ..sessions.model import Session
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
    return render_signed_in(
        console,
        auth,
        "devices.html",
        devices=shown,
        has_others=any(not each.is_current for each in shown),
        with_address=with_address,
        has_ended="ended" in current_request_object().args,
        bound=runtime.bound,
        again_url=prove_again_url(console, url_for(".devices")),
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
        methods=tuple(filter(None, (method_label(each, language) for each in session.amr.split()))),
        begun=utc(session.created_at),
        last_seen=utc(session.last_seen_shown),
    )


def _back() -> Any:
    return redirect(with_query(url_for(".devices"), ended="1"), code=303)
