"""Notices: what users are told after the fact, so that one who has not done it himself learns of it.

How it works. Notices listen to the audit trail: to logins, of which those on new devices are told, to reused refresh
tokens, changed passwords and second factors. A changed recipient is told by whoever has changed it. A notice goes to
the user's e-mail addresses, or where there are none to his phone. It is queued, and what fails on the way is logged:
no request fails for it, or waits for the sender. What an administrator does by the command line is not told.
"""

from __future__ import annotations

import itertools
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .. import signals
from ..errors import LoginRefusedError, SessionEndedError, ThrottledError
from ..services.known_devices import device_text
from ..services.messages import Facts
from ..services.ports import ClientInfo
from ..sessions.model import UNKNOWN_DEVICE, Device
from .app_state import states_of
from .links import link_that_ends
from .messages import write_message
from .outgoing import site_of
from .user_loading import load_user

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask import Flask

    from ..accounts.recipients import Recipient
    from ..services.audit_data import AuditEvent
    from .extension import Tessera

_BY_EVENT: Final = {
    "session_started": "new_device",
    "token_reused": "token_reuse",
    "password_changed": "password_changed",
    "factor_added": "factor_added",
    "factor_removed": "factor_removed",
    # They stand in for any other factor.
    "recovery_codes_renewed": "factor_added",
}
_FACTORS: Final = {
    "totp": ("动态验证码", "codes of an app"),
    "passkey": ("通行密钥", "passkey"),
    "recovery": ("新的恢复码", "new recovery codes"),
}
"""What second factors are called, in Chinese and English."""
_refused = itertools.count(1)
_log = logging.getLogger("flask_tessera")


class Happening(NamedTuple):
    """What a notice tells of: whose it is, by which client and device, in which session; empty where unknown."""

    notice: str
    user_id: str
    caller: ClientInfo
    device: Device = UNKNOWN_DEVICE
    session_id: str = ""
    factor: str = ""


class Notices:
    """Listens to what happens to the users of one realm.

    Args:
        tessera: of the realm.
    """

    def __init__(self, tessera: Tessera[Any]) -> None:
        self._tessera = tessera

    def connect(self, app: Flask) -> None:
        """Listen to an application, for as long as it lives."""
        # Signals hold their receivers weakly.
        states_of(app).notices[self._tessera.realm] = self
        signals.audit_recorded.connect(self._hear, sender=app)

    def _hear(self, _app: Flask, event: AuditEvent) -> None:
        notice = _BY_EVENT.get(event.event)
        # An address is missing where no client has brought it about.
        if notice is None or event.realm != self._tessera.realm or not event.ip or not _are_sent(self._tessera):
            return
        caller, device = ClientInfo(event.ip, event.user_agent), event.device or UNKNOWN_DEVICE
        known = self._tessera.runtime.accounts.known_devices
        if notice == "new_device" and not known.is_news(event.user_id, device, caller):
            return
        factor = event.subject.partition(" ")[0] if notice.startswith("factor") else ""
        happening = Happening(notice, event.user_id, caller, device, event.session_id, factor)
        _send(self._tessera, happening, _recipients_of(self._tessera, event.user_id))


def tell(tessera: Tessera[Any], happening: Happening, recipients: Sequence[Recipient]) -> None:
    """Tell these recipients of something; it never fails."""
    if not _are_sent(tessera):
        return
    try:
        _send(tessera, happening, recipients)
    except Exception:  # noqa: BLE001 - of the application's templates or the storage, in a log with its traceback
        _log.exception("a %s notice could not be sent", happening.notice)


def reached_at(recipients: Sequence[Recipient]) -> list[Recipient]:
    """Of a user's recipients those that notices go to."""
    mails = [each for each in recipients if each.kind == "email"]
    return mails or list(recipients)


def _are_sent(tessera: Tessera[Any]) -> bool:
    runtime = tessera.runtime
    return runtime.settings.NOTICES and runtime.accounts.sending is not None


def _recipients_of(tessera: Tessera[Any], user_id: str) -> list[Recipient]:
    """Where a user is reached; nowhere if the application does not tell."""
    hooks = tessera.runtime.hooks
    users: Any = hooks.users
    user = load_user(hooks, hooks.user_id_of(user_id))
    return reached_at(users.recipients(user))


def _send(tessera: Tessera[Any], happening: Happening, recipients: Sequence[Recipient]) -> None:
    allowed = [each for each in recipients if _is_allowed(tessera, happening.notice, each)]
    sending = tessera.runtime.accounts.sending
    if not allowed or sending is None:
        return
    language = tessera.runtime.responses.language()
    facts = _facts_of(tessera, happening, language)
    for each in allowed:
        sending.send_later(write_message(tessera.runtime.shared.app, happening.notice, each, language, facts))


def _is_allowed(tessera: Tessera[Any], notice: str, recipient: Recipient) -> bool:
    try:
        tessera.runtime.accounts.sending_limits.count_notice(notice, recipient.kind, recipient.address)
    except ThrottledError:
        refused = next(_refused)
        # The first, the tenth, the hundredth: whoever causes them does not fill the log.
        if str(refused).strip("0") == "1":
            _log.warning("%d notices were not sent since their recipients have had too many (%s)", refused, notice)
        return False
    return True


def _facts_of(tessera: Tessera[Any], happening: Happening, language: str) -> Facts:
    link, factor = "", ""
    # Of a session that is over, as that of a reused token, nothing is left to end.
    with suppress(SessionEndedError, LoginRefusedError):
        link = link_that_ends(tessera, happening.user_id, happening.session_id)
    if happening.factor in _FACTORS:
        factor = _FACTORS[happening.factor][language == "en"]
    return Facts(
        link=link,
        site=site_of(tessera),
        device=device_text(happening.device, happening.caller, language),
        ip=happening.caller.ip,
        factor=factor,
        at=tessera.runtime.clock(),
    )
