"""GET /sessions and DELETE /sessions/<sid>: the current user's devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...services.keys import parse_sid, sid_text
from ...sessions.model import Device
from ..cookie_session import forget_cookies
from ..freshness import is_recent_login, refuse_stale_login
from ..request_auth import auth_of, refuse_another_user
from .logout import RevokedResponse
from .row import Endpoint

if TYPE_CHECKING:
    from ...sessions.model import Session
    from ..extension import Tessera


class SessionResponse(msgspec.Struct, frozen=True):
    """What an owner sees of a session: nothing that tells when or how often it was refreshed. Times: Unix seconds.

    `ip` is empty where the login is older than `DEVICES_FRESH`.
    """

    session_id: str
    current: bool
    created_at: int
    last_seen_at: int
    expires_at: int
    device: Device
    ip: str
    user_agent: str


def list_sessions(tessera: Tessera[Any]) -> list[SessionResponse]:
    """The current user's live sessions, oldest first."""
    runtime, identity = tessera.runtime, auth_of(tessera.realm).identity
    refuse_another_user(runtime, identity.user_id, identity.user_stamp)
    with_address = is_recent_login(runtime, identity.authenticated_at)
    live = runtime.sessions.list(str(identity.user_id))
    return [_shown(each, identity.session_id, with_address=with_address) for each in live]


def end_session(tessera: Tessera[Any], sid: str) -> RevokedResponse:
    """End one of the current user's sessions.

    Ending another than the present one needs a recent login.
    """
    runtime, identity = tessera.runtime, auth_of(tessera.realm).identity
    refuse_another_user(runtime, identity.user_id, identity.user_stamp)
    if sid != identity.session_id:
        refuse_stale_login(runtime, identity.authenticated_at)
    owner = str(identity.user_id)
    ended = runtime.sessions.end(parse_sid(sid), "kick", tessera.client_info(), owner=owner)
    forget_cookies(runtime, {ended.sid})
    return RevokedResponse([sid_text(ended.sid)], runtime.effective_by([ended]))


def _shown(session: Session, current: str, *, with_address: bool) -> SessionResponse:
    name = sid_text(session.sid)
    return SessionResponse(
        session_id=name,
        current=name == current,
        created_at=session.created_at,
        last_seen_at=session.last_seen_shown,
        expires_at=session.until,
        device=session.device,
        ip=session.ip if with_address else "",
        user_agent=session.user_agent,
    )


ROWS: Final = (
    Endpoint("sessions", "GET", "/sessions", list_sessions, response=list[SessionResponse], is_guarded=True),
    Endpoint(
        "session",
        "DELETE",
        "/sessions/<sid>",
        end_session,
        response=RevokedResponse,
        errors=("not_found", "step_up_required"),
        is_guarded=True,
    ),
)
