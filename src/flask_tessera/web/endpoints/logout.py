"""POST /logout: this session, the others, or all; by either token, also an expired one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from flask import request

from ...errors import NotFoundError
from ...services.keys import parse_sid, sid_text
from ..http_errors import answering
from .body import read, read_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask import Blueprint

    from ...sessions.record import Session
    from ..extension import Tessera

Which = Literal["this", "others", "all"]


class LogoutRequest(msgspec.Struct, frozen=True):
    """Body of the request; an empty body is one too."""

    which: Which = "this"
    refresh_token: str = ""


_decoder: Final = msgspec.json.Decoder(LogoutRequest)


def add(blueprint: Blueprint, tessera: Tessera[Any]) -> None:
    """Add the route."""

    @blueprint.post("/logout", endpoint="logout")
    def logout() -> Any:
        runtime = tessera.runtime
        with answering(runtime.answers):
            wanted = read(_decoder) if read_bytes().strip() else LogoutRequest()
            user_id, sid = _owner(tessera, wanted)
            caller = tessera.present_caller()
            ended: Sequence[Session] = ()
            if wanted.which == "this" and not sid and runtime.legacy is not None:
                runtime.legacy.end(runtime.transport.find(request.environ), caller)
            elif wanted.which == "this":
                ended = _end_this(tessera, sid)
            else:
                keep = sid if wanted.which == "others" else b""
                ended = runtime.sessions.end_user(user_id, "logout", caller, except_sid=keep)
            data = {"ended": [sid_text(each.sid) for each in ended], "effective_by": runtime.effective_by(ended)}
            return runtime.answers.success(data)


def _owner(tessera: Tessera[Any], wanted: LogoutRequest) -> tuple[str, bytes]:
    """User id and session that the request speaks for: by its refresh token, or by its access token of any age."""
    runtime = tessera.runtime
    if wanted.refresh_token:
        session = runtime.sessions.owner_of(wanted.refresh_token)
        if wanted.which != "this":
            runtime.sessions.refuse_ended(session)
        return session.user_id, session.sid
    text = runtime.transport.find(request.environ)
    if wanted.which == "this" and not runtime.is_legacy(text):
        return "", runtime.owner_for_logout(text)
    identity = runtime.identify(text)
    return str(identity.user_id), parse_sid(identity.session_id)


def _end_this(tessera: Tessera[Any], sid: bytes) -> list[Session]:
    try:
        return [tessera.runtime.sessions.end(sid, "logout", tessera.present_caller())]
    except NotFoundError:
        # Forgotten is as good as ended: a logout that is sent twice must not fail.
        return []
