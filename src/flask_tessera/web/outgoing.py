"""Messages to people: counted, written in the language of the request, and handed to the sender."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ..accounts.address import network_of
from ..errors import SendingError
from .messages import write_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask

    from ..accounts.recipients import Recipient
    from ..services.messages import Facts
    from .extension import Tessera

_NO_SENDER: Final = (
    "nothing delivers messages; set TESSERA_SENDER (smtp://…, webhook:…, or console: for a trial),"
    " or give Tessera(sender=…)"
)
_WARNED: Final = "tessera_sender_warned"
_log = logging.getLogger("flask_tessera")


def send_message(
    tessera: Tessera[Any],
    purpose: str,
    recipient: Recipient,
    facts: Facts,
    *,
    asked_for: str = "",
    device_id: str = "",
) -> None:
    """Send what the present request asks for, and wait until it is handed over.

    Args:
        tessera: of the realm.
        purpose: one of `services.messages.PURPOSES`.
        recipient: whom it is for.
        facts: what it tells, but for the site.
        asked_for: the purpose for which it counts, where that is another one.
        device_id: how the client's device calls itself; empty where it does not.

    Raises:
        ThrottledError: the recipient, the client's network or the country has had too many; nothing was sent.
        SendingError: it was not handed over, and does not count unless it may have arrived.
    """
    with counting_message(tessera, asked_for or purpose, recipient, device_id=device_id) as hand_over:
        hand_over(purpose, facts)


@contextmanager
def counting_message(
    tessera: Tessera[Any], asked_for: str, recipient: Recipient, *, device_id: str = ""
) -> Iterator[Callable[[str, Facts], None]]:
    """Count a message before anything is done for it; gives what hands it over, by its purpose and what it tells.

    Arguments and errors as of `send_message`.
    """
    runtime = tessera.runtime
    services = runtime.accounts
    sending = services.sending
    if sending is None:
        _warn_once(runtime.shared.app)
        raise SendingError(_NO_SENDER)

    def hand_over(purpose: str, facts: Facts) -> None:
        named = replace(facts, site=site_of(tessera))
        language = runtime.responses.language()
        sending.send(write_message(runtime.shared.app, purpose, recipient, language, named))

    address, attempts = tessera.client_info().ip, runtime.shared.attempts
    known_as = attempts.known_subject(tessera.realm, recipient.address, address, device_id) if attempts else ""
    with services.sending_limits.counted(*recipient, network_of(address), asked_for, known_as=known_as):
        yield hand_over


def _warn_once(app: Flask) -> None:
    if not app.extensions.get(_WARNED):
        app.extensions[_WARNED] = True
        _log.warning("a code or link was asked for and answered with sending_failed (502): %s", _NO_SENDER)


def site_of(tessera: Tessera[Any]) -> str:
    """What messages call the application: the host of its links, else its name."""
    return urlsplit(tessera.runtime.settings.PUBLIC_URL).hostname or tessera.runtime.shared.app.name
