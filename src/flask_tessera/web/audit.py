"""The audit trail: every authentication event goes to a signal, to the log and, where asked for, to the storage."""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypedDict

from flask import has_request_context

from .. import signals
from ..accounts.recipients import parse_recipient
from ..accounts.shown_account import shown_account
from ..errors import ConfigError, StorageUnavailableError, TesseraError, TicketInvalidError
from ..services.audit import AuditWriter
from ..services.audit_data import EVENTS, AuditEvent
from ..services.keys import sid_text
from ..services.ports import UNKNOWN_CLIENT
from ..sessions.model import UNKNOWN_DEVICE, Device
from .client import clean, client_info
from .current import current_request_object
from .signal_sending import send, send_event
from .user_ids import id_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

    from ..services.api_key_data import ApiKey
    from ..services.audit_data import Result
    from ..services.ports import ClientInfo, Clock, Event
    from ..storage.key_value import KeyValue
    from .hooks import Hooks
    from .runtime import Runtime

LOGGER: Final = "flask_tessera.audit"
_LONGEST_REQUEST_ID: Final = 64
_LONGEST_SUBJECT: Final = 128
_NOBODYS: Final = "whose account a login was refused for could not be told: it is missing in the history"
_events = logging.getLogger(LOGGER)
_log = logging.getLogger("flask_tessera")


class Details(TypedDict, total=False):
    """What may be told of an event; see `AuditEvent`."""

    user_id: str
    account: object
    session_id: str
    reason: str
    subject: str
    device: Device
    caller: ClientInfo | None


class Audit:
    """Records the events of one application.

    Args:
        app: the sender of the signal.
        values: where events are kept.
        clock: gives now in Unix seconds.
        trusted_proxies: how many proxies are believed.
    """

    def __init__(self, app: Flask, values: KeyValue, clock: Clock, *, trusted_proxies: int) -> None:
        self._app = app
        self._clock = clock
        self._trusted_proxies = trusted_proxies
        self._kept: dict[str, Hooks] = {}
        self.writer = AuditWriter(values, clock, self._owner_of, at_once=app.testing)
        """Writes them to the storage."""

    def keep(self, realm: str, hooks: Hooks) -> None:
        """Have the events of a realm kept in the storage."""
        self._kept[realm] = hooks

    def report(self, event: Event) -> None:
        """Send the signal of a session's event, and record it."""
        send_event(self._app, event)
        session = event.session
        self._record(
            event.name,
            session.realm,
            event.last_at if event.name == "session_refreshed" else None,
            {
                "user_id": session.user_id,
                "session_id": sid_text(session.sid),
                "reason": event.reason,
                "subject": event.amr,
                "device": session.device,
                "caller": event.caller,
            },
        )

    def report_key(self, realm: str, event: str, key: ApiKey) -> None:
        """Record what was done with an API key."""
        self.record(event, realm=realm, user_id=key.user_id, subject=sid_text(key.key_id))

    def record(
        self,
        event: str,
        *,
        realm: str,
        user_id: str = "",
        account: object = "",
        session_id: str = "",
        reason: str = "",
        subject: str = "",
        device: Device = UNKNOWN_DEVICE,
        caller: ClientInfo | None = None,
    ) -> None:
        """Record an authentication event. It never fails; no secret may be in it.

        Args:
            event: its name, a row of `EVENTS`.
            realm: the population of users.
            user_id: whose it is, in its text form; empty where nobody is known.
            account: as it was typed: kept only if it is a phone number or an e-mail address.
            session_id: of which session, as text.
            reason: an end reason, or the slug of an error.
            subject: what else it is about: the id of an API key, the purpose of a code, how somebody has logged in.
            device: of the session.
            caller: who has brought it about; by default the client of the present request.
        """
        details: Details = {
            "user_id": user_id,
            "account": account,
            "session_id": session_id,
            "reason": reason,
            "subject": subject,
            "device": device,
            "caller": caller,
        }
        self._record(event, realm, None, details)

    def _record(self, name: str, realm: str, last_at: int | None, details: Details) -> None:
        # A row that is missing is found by a test, and by no user.
        result: Result = EVENTS[name].result if name in EVENTS else "success"
        is_logged, is_heard = _events.isEnabledFor(logging.INFO), signals.audit_recorded.has_receivers_for(self._app)
        if not (is_logged or is_heard or realm in self._kept):
            return
        event = self._event_of(name, result, realm, details)
        if is_logged:
            _events.info("%s", event.to_line())
        if realm in self._kept:
            self.writer.record(event, last_at=last_at)
        if is_heard:
            send(self._app, signals.audit_recorded, event=event)

    def _event_of(self, name: str, result: Result, realm: str, details: Details) -> AuditEvent:
        caller = details.pop("caller", None)
        if caller is None or caller == UNKNOWN_CLIENT:
            caller = client_info(self._trusted_proxies)
        account = shown_account(details.pop("account", ""))
        device = details.pop("device", UNKNOWN_DEVICE)
        details["subject"] = clean(details.get("subject", ""), _LONGEST_SUBJECT)
        known: Any = details
        return AuditEvent(
            event=name,
            at=self._clock(),
            result=result,
            realm=realm,
            account=account,
            device=None if device == UNKNOWN_DEVICE else device,
            ip=caller.ip,
            user_agent=caller.user_agent,
            request_id=_request_id(),
            **known,
        )

    def _owner_of(self, event: AuditEvent) -> str:
        """The user id of the account that an event names; empty for nobody's, and where that cannot be told."""
        hooks = self._kept[event.realm]
        if hooks.users is None or not event.account:
            return ""
        try:
            with self._app.app_context():
                user = hooks.users.by_recipient(parse_recipient(event.account))
                return "" if user is None else id_of(user, hooks.user_id_type)
        except StorageUnavailableError as error:
            _log.warning("%s: %s", _NOBODYS, error)
        except Exception:  # noqa: BLE001 - of the host, in a log with its traceback
            _log.exception(_NOBODYS)
        return ""


def record_refused_refresh(runtime: Runtime, text: str, error: TesseraError) -> None:
    """Record that a refresh token was refused, with the session that it is of if it is genuine."""
    if isinstance(error, ConfigError):
        return
    details: Details = {"reason": error.row.slug}
    with suppress(TesseraError):
        sid = runtime.sessions.sid_of(text)
        details["session_id"] = sid_text(sid)
        found = None if isinstance(error, StorageUnavailableError) else runtime.storage.sessions.find(sid)
        if found is not None and found.session.realm == runtime.realm:
            details["user_id"], details["device"] = found.session.user_id, found.session.device
    runtime.record("refresh_failed", **details)


@contextmanager
def recording_refused_ticket(runtime: Runtime, subject: str, user_id: str = "") -> Iterator[None]:
    """Record that a ticket was refused, if it is in here; arguments as of `Audit.record`."""
    try:
        yield
    except TicketInvalidError as error:
        runtime.record("ticket_failed", reason=error.row.slug, subject=subject, user_id=user_id)
        raise


def _request_id() -> str:
    if not has_request_context():
        return ""
    return clean(current_request_object().headers.get("X-Request-Id", ""), _LONGEST_REQUEST_ID)
