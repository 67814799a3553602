"""Blinker signals for every session event; the sender is the Flask application.

Receivers may be `async`. What a receiver raises is logged and goes no further: the session is stored.
"""

from __future__ import annotations

from typing import Final

from blinker import Namespace

from .services.ports import EVENTS

_namespace: Final = Namespace()
session_started = _namespace.signal("session-started", "A session has begun. Sent with event=.")
session_refreshed = _namespace.signal("session-refreshed", "A pair was exchanged for the next. Sent with event=.")
session_stepped_up = _namespace.signal(
    "session-stepped-up", "A user has proved again who he is; the session goes on. Sent with event=."
)
session_ended = _namespace.signal("session-ended", "A session is over; event.reason tells why. Sent with event=.")
token_reused = _namespace.signal(
    "token-reused", "A spent refresh token came back. Sent with event=, before session-ended."
)
store_behind = _namespace.signal("store-behind", "A token is newer than the storage knows. Sent with event=.")
session_revoked_here = _namespace.signal(
    "session-revoked-here",
    "This worker has learned of a revocation, its own or another's, maybe not for the first time. Sent with"
    " revocation=, a RevocationNotice, in a thread of its own.",
)
audit_recorded = _namespace.signal(
    "audit-recorded", "An authentication event was recorded. Sent with event=, an AuditEvent, also without a request."
)
login_failed = _namespace.signal("login-failed", "Wrong credentials. Sent with account= and caller=.")

BY_EVENT: Final = {name: _namespace.signal(name.replace("_", "-")) for name in EVENTS}
"""The signal of each event that `services` reports."""
