"""Who logged in, who was refused, what ended: one line of JSON for each, on the logger `flask_tessera.audit`."""

from __future__ import annotations

import datetime as dt
import json
import logging
from typing import TYPE_CHECKING, Any, Final

import msgspec
from flask import has_request_context, request
from flask.logging import wsgi_errors_stream

from .. import signals
from ..accounts.phone import normalise
from ..errors import InputError
from ..services.keys import sid_text
from ..services.ports import EVENTS
from ..web.endpoints.body import read_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask, Response

    from ..services.ports import ClientInfo, Clock, Event

_LONGEST_REQUEST_ID: Final = 64
_ENTRANCES: Final = {
    "tutorial.login": "login_failed",
    "tessera.login": "login_failed",
    "tessera.refresh": "refresh_failed",
    "tessera.exchange": "exchange_failed",
}
_FAILURES: Final = (*_ENTRANCES.values(), "token_reused")
_NO_ATTEMPT: Final = ("body_missing", "body_too_large", "credentials_missing", "input_malformed", "phone_malformed")
"""Slugs of requests that named nobody."""
_log = logging.getLogger("flask_tessera.audit")


class _Claimed(msgspec.Struct, frozen=True):
    """Who a request says it speaks for."""

    phone: str = ""


def connect(app: Flask, clock: Clock, client_info: Callable[[], ClientInfo]) -> None:
    """Log every authentication event of `app`; to standard error where no logging is configured.

    No line holds a token, password or key.

    Args:
        app: the sender of the signals.
        clock: gives now in Unix seconds.
        client_info: gives who sent the present request.
    """

    def on_event(_app: Flask, event: Event, **_rest: Any) -> None:
        session = event.session
        who = {"realm": session.realm, "user_id": session.user_id, "session_id": sid_text(session.sid)}
        write(event.name, clock(), **who, reason=event.reason, **_where(event.caller))

    def on_answer(response: Response) -> Response:
        slug = _refusal_in(response) if request.endpoint in _ENTRANCES else ""
        if slug and slug not in _NO_ATTEMPT:
            event = _ENTRANCES[str(request.endpoint)]
            write(event, clock(), account=_claimed_account(), reason=slug, **_where(client_info()))
        return response

    for name in EVENTS:
        # Not weak: nothing else holds it. It goes with `app`.
        getattr(signals, name).connect(on_event, sender=app, weak=False)
    app.after_request(on_answer)
    _make_visible()


def _refusal_in(response: Response) -> str:
    """The slug of the error that an answer tells; an empty text for a success."""
    told = response.get_json(silent=True)
    return str(told.get("error", "")) if isinstance(told, dict) else ""


def _claimed_account() -> str:
    """The phone number in the present request; nothing else that stood in its place, which may be a password."""
    try:
        return normalise(msgspec.json.decode(read_bytes(), type=_Claimed).phone)
    except (InputError, msgspec.MsgspecError, UnicodeError, RecursionError):
        return ""


def write(event: str, at: int, **details: str) -> None:
    """Log one event.

    Args:
        event: what happened.
        at: when, Unix seconds.
        **details: who, where and why; empty ones are left out.
    """
    when = dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    result = "failure" if event in _FAILURES else "success"
    known = {name: value for name, value in (*details.items(), ("request_id", _request_id())) if value}
    _log.info("%s", _one_line({"at": when, "event": event, "result": result, **known}))


def _one_line(entry: dict[str, str]) -> str:
    """JSON in printable ASCII: no control character or change of direction forges a line (OWASP ASVS 16.4.1)."""
    return json.dumps(entry).replace("\x7f", "\\u007f")


def _where(caller: ClientInfo) -> dict[str, str]:
    return {"ip": caller.ip, "user_agent": caller.user_agent}


def _request_id() -> str:
    return request.headers.get("X-Request-Id", "")[:_LONGEST_REQUEST_ID] if has_request_context() else ""


def _make_visible() -> None:
    # As Flask does with its own logger: whoever configures logging has the last word.
    if _log.level == logging.NOTSET:
        _log.setLevel(logging.INFO)
    if not _log.hasHandlers():
        stream: Any = wsgi_errors_stream
        _log.addHandler(logging.StreamHandler(stream))
