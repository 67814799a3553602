"""What is recorded of an authentication event, and which events there are."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from ..sessions.model import Device, EndReason

if TYPE_CHECKING:
    from typing import Any

Result = Literal["success", "failure"]


class EventKind(NamedTuple):
    """One row of the table of events: how it went, and what has happened, in words."""

    result: Result
    words: str


EVENTS: Final[dict[str, EventKind]] = {
    "session_started": EventKind("success", "logged in: a session began"),
    "session_refreshed": EventKind("success", "the session was renewed"),
    "session_stepped_up": EventKind("success", "the user proved again who he is"),
    "session_ended": EventKind("success", "logged out"),
    "token_reused": EventKind("failure", "a refresh token that was spent came back"),
    "store_behind": EventKind("success", "a token was newer than the storage, which has forgotten writes"),
    "login_failed": EventKind("failure", "login refused"),
    "trusted_device_used": EventKind("success", "a trusted device stood for the second factor"),
    "second_factor_required": EventKind("success", "the first factor was right, a second one was asked for"),
    "refresh_failed": EventKind("failure", "renewing the session was refused"),
    "exchange_failed": EventKind("failure", "the exchange of an old application's token was refused"),
    "ticket_failed": EventKind("failure", "a ticket was refused"),
    "api_key_created": EventKind("success", "an API key was made"),
    "api_key_renamed": EventKind("success", "an API key was renamed"),
    "api_key_rotated": EventKind("success", "an API key was given a new secret"),
    "api_key_revoked": EventKind("success", "an API key was revoked"),
    "user_suspended": EventKind("success", "the user was suspended"),
    "user_unsuspended": EventKind("success", "the suspension was lifted"),
    "user_added": EventKind("success", "the user was added"),
    "scope_changed": EventKind("success", "what the user's logins may do was changed"),
    "user_disabled": EventKind("success", "the user was disabled"),
    "user_enabled": EventKind("success", "the user was enabled again"),
    "user_deleted": EventKind("success", "the user was deleted"),
    "password_changed": EventKind("success", "the password was changed"),
    "password_change_failed": EventKind("failure", "changing the password was refused"),
    "password_reset_failed": EventKind("failure", "setting the password anew was refused"),
    "user_registered": EventKind("success", "an account was made"),
    "registration_failed": EventKind("failure", "making an account was refused"),
    "code_sent": EventKind("success", "a code was asked for"),
    "code_refused": EventKind("failure", "a code was asked for, and not sent"),
    "link_sent": EventKind("success", "a link was asked for"),
    "link_refused": EventKind("failure", "a link was asked for, and not sent"),
    "link_used": EventKind("success", "a link that was sent was used"),
    "second_factor_failed": EventKind("failure", "a second factor was refused"),
    "step_up_failed": EventKind("failure", "proving again who one is was refused"),
    "factor_added": EventKind("success", "a second factor was added"),
    "factor_removed": EventKind("success", "a second factor was removed"),
    "recipient_changed": EventKind("success", "the user has another phone number or e-mail address"),
    "recovery_codes_renewed": EventKind("success", "new recovery codes took the place of the old ones"),
    "factors_reset": EventKind("success", "an administrator took away all second factors"),
}
"""All events by name: whoever records another one adds a row."""

END_REASONS: Final[dict[EndReason, str]] = {
    "logout": "the user logged out",
    "kick": "it was ended from outside: from another device of the user, by an administrator or by the application",
    "replaced": "a login on a device of the same type took its place",
    "limit": "the user logged in on more devices than are allowed, and this session was the oldest",
    "expiry": "it was not renewed for too long, or its longest life was over",
    "reuse": "two clients held copies of its tokens, or they were stolen: a spent refresh token came back",
    "suspension": "the user was suspended",
    "password_change": "the password was changed",
    "user_gone": "the user was deleted, or is not known to the application any more",
}
"""Why a session is over, in words."""


class AuditEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One authentication event. Texts are empty where they do not apply or are not known.

    Attributes:
        event: its name, one of `EVENTS`.
        at: when, Unix second.
        result: how it went.
        reason: why: an end reason, or the slug of an error.
        realm: the population of users.
        user_id: who, in its text form.
        account: the phone number or e-mail address that was typed, where nobody is known yet.
        session_id: of which session, 22 characters.
        subject: what else it is about: the id of an API key, what was sent or changed, or how somebody has logged in
            (words of RFC 8176).
        device: the device of the session, as its client has described it; None if it has not.
        ip: from where.
        user_agent: by what.
        request_id: the header `X-Request-Id`, which a proxy sets.
        count: how often, where failures alike are kept as one.
        until: the Unix second of the last of them; 0 where there was one.
    """

    event: str
    at: int
    result: Result = "success"
    reason: str = ""
    realm: str = ""
    user_id: str = ""
    account: str = ""
    session_id: str = ""
    subject: str = ""
    device: Device | None = None
    ip: str = ""
    user_agent: str = ""
    request_id: str = ""
    count: int = 1
    until: int = 0

    def to_dict(self) -> dict[str, Any]:
        """What is known of it, the time as text in UTC (RFC 3339); names and order stay as they are."""
        found = msgspec.to_builtins(self)
        if self.device:
            found["device"] = {name: text for name, text in found["device"].items() if text}
        if self.until:
            found["until"] = time_text(self.until)
        first = {"at": time_text(self.at), "event": self.event, "result": self.result}
        return {**first, **found, **first}

    def to_line(self) -> str:
        """One line of JSON in printable ASCII: nothing that was sent can forge another one (OWASP ASVS 16.4.1)."""
        return json.dumps(self.to_dict()).replace("\x7f", "\\u007f")


def time_text(at: int) -> str:
    """A Unix second as text, in UTC (RFC 3339)."""
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
