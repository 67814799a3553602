"""Blinker signals for every session event; the sender is the Flask application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from blinker import Namespace

from ..services.ports import EVENTS

if TYPE_CHECKING:
    from flask import Flask

    from ..services.ports import Event

_namespace: Final = Namespace()
session_started = _namespace.signal("session-started", "A session has begun. Sent with event=.")
session_refreshed = _namespace.signal("session-refreshed", "A pair was exchanged for the next. Sent with event=.")
session_ended = _namespace.signal("session-ended", "A session is over; event.reason tells why. Sent with event=.")
token_reused = _namespace.signal(
    "token-reused", "A spent refresh token came back. Sent with event=, before session-ended."
)
store_behind = _namespace.signal("store-behind", "A token is newer than the storage knows. Sent with event=.")
login_failed = _namespace.signal("login-failed", "Wrong credentials. Sent with account= and caller=.")

_BY_NAME: Final = {name: _namespace.signal(name.replace("_", "-")) for name in EVENTS}


def send(app: Flask, event: Event) -> None:
    """Send the signal of an event."""
    _BY_NAME[event.name].send(app, event=event)
