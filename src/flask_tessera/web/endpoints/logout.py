"""POST /logout: this session, the others, or all; by either token, also an expired one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from ...errors import NotFoundError, TokenMissingError
from ...services.keys import parse_sid, sid_text
from ..cookie_session import cookie_session, forget_cookies
from ..credential_reading import find_credential, identify_request
from ..current import current_request_object
from ..freshness import refuse_stale_login
from ..request_auth import refuse_another_user
from ..requirements import SESSION_TRANSPORTS
from .row import Endpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...sessions.model import Session
    from ..app_state import Runtime
    from ..extension import Tessera

Which = Literal["this", "others", "all"]


class LogoutRequest(msgspec.Struct, frozen=True):
    """Body of the request; an empty body is one too."""

    which: Which = "this"
    refresh_token: str = ""


class RevokedResponse(msgspec.Struct, frozen=True):
    """What ended, and the Unix second by which every worker refuses it."""

    ended: list[str]
    effective_by: int


def logout(tessera: Tessera[Any], wanted: LogoutRequest) -> RevokedResponse:
    """Log out: end this session, the others, or all."""
    runtime = tessera.runtime
    ended, sid = _end_this(tessera, wanted) if wanted.which == "this" else (_end_more(tessera, wanted), b"")
    forget_cookies(runtime, {sid, *(each.sid for each in ended)})
    return RevokedResponse([sid_text(each.sid) for each in ended], runtime.effective_by(ended))


def _end_this(tessera: Tessera[Any], wanted: LogoutRequest) -> tuple[Sequence[Session], bytes]:
    """What was ended, and the sid of the session that is over now; empty for a token of the old application."""
    runtime, caller = tessera.runtime, tessera.client_info()
    if wanted.refresh_token:
        sid = runtime.sessions.owner_of(wanted.refresh_token, caller, current=False).sid
    else:
        text, transport = _presented(runtime)
        if transport == "cookie" and runtime.cookies is not None:
            sid = cookie_session(runtime, runtime.cookies)
            runtime.cookies.refuse_forged(sid)
        elif runtime.legacy is not None and not runtime.access_reader.recognises(text):
            runtime.legacy.end(text, caller)
            return (), b""
        else:
            sid = runtime.access_reader.session_of(text, at=runtime.clock())
    try:
        return [runtime.sessions.end(sid, "logout", caller)], sid
    except NotFoundError:
        # Forgotten is as good as ended: a logout that is sent twice must not fail.
        return (), sid


def _presented(runtime: Runtime) -> tuple[str, str]:
    """The credential of the request and its transport: a browser may have the refresh token only."""
    try:
        return find_credential(runtime, current_request_object())
    except TokenMissingError:
        sent = runtime.cookies.refresh_token() if runtime.cookies is not None else None
        if sent is None:
            raise
        return sent[0], "cookie"


def _end_more(tessera: Tessera[Any], wanted: LogoutRequest) -> Sequence[Session]:
    """Others, or all: by a live access token, or the newest refresh token of a live session, of a recent login."""
    runtime, caller = tessera.runtime, tessera.client_info()
    if wanted.refresh_token:
        session = runtime.sessions.owner_of(wanted.refresh_token, caller, current=True)
        runtime.sessions.refuse_ended(session)
        user_id, sid, logged_in_at = session.user_id, session.sid, session.auth_at
        refuse_another_user(runtime, runtime.hooks.user_id_of(user_id), session.user_stamp)
    else:
        identity = identify_request(runtime, current_request_object(), transports=SESSION_TRANSPORTS)
        user_id, sid = str(identity.user_id), parse_sid(identity.session_id)
        logged_in_at = identity.authenticated_at
        refuse_another_user(runtime, identity.user_id, identity.user_stamp)
    refuse_stale_login(runtime, logged_in_at)
    return runtime.sessions.end_user(user_id, "logout", caller, except_sid=sid if wanted.which == "others" else b"")


ROWS: Final = (
    Endpoint(
        "logout",
        "POST",
        "/logout",
        logout,
        request=LogoutRequest,
        response=RevokedResponse,
        errors=(
            "token_missing",
            "token_ambiguous",
            "token_invalid",
            "token_expired",
            "step_up_required",
            "csrf_failed",
        ),
        may_be_empty=True,
    ),
)
