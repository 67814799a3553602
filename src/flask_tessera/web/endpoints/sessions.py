"""GET /sessions and DELETE /sessions/<sid>: the current user's devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...services.keys import parse_sid, sid_text
from ..http_errors import answering

if TYPE_CHECKING:
    from flask import Blueprint

    from ...sessions.record import Session
    from ..extension import Tessera


def add(blueprint: Blueprint, tessera: Tessera[Any]) -> None:
    """Add both routes; nobody sees or ends another user's session."""

    @blueprint.get("/sessions", endpoint="sessions")
    @tessera.login_required
    def sessions() -> Any:
        runtime, identity = tessera.runtime, tessera.current_identity
        with answering(runtime.answers):
            live = runtime.sessions.list(str(identity.user_id))
            return runtime.answers.success([_shown(each, identity.session_id) for each in live])

    @blueprint.delete("/sessions/<sid>", endpoint="session")
    @tessera.login_required
    def session(sid: str) -> Any:
        runtime, identity = tessera.runtime, tessera.current_identity
        with answering(runtime.answers):
            ended = runtime.sessions.end(parse_sid(sid), "kick", tessera.present_caller(), owner=str(identity.user_id))
            data = {"ended": [sid_text(ended.sid)], "effective_by": runtime.effective_by([ended])}
            return runtime.answers.success(data)


def _shown(session: Session, current: str) -> dict[str, Any]:
    """What an owner sees of a session: nothing that tells when or how often it was refreshed."""
    name = sid_text(session.sid)
    return {
        "session_id": name,
        "current": name == current,
        "created_at": session.created_at,
        "last_seen_at": session.last_seen_shown,
        "expires_at": session.until,
        "device": {"type": session.device_type, "id": session.device_id, "name": session.device_name},
        "ip": session.ip,
        "user_agent": session.user_agent,
    }
