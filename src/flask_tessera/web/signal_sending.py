"""Tells the receivers of a signal, none of whom can make a request fail that has done its work."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from flask import has_app_context

from .. import signals
from .current import call_host

if TYPE_CHECKING:
    from blinker import NamedSignal
    from flask import Flask

    from ..services.ports import Event

_log = logging.getLogger("flask_tessera")


def send_event(app: Flask, event: Event) -> None:
    """Send the signal of an event."""
    send(app, signals.BY_EVENT[event.name], event=event)


def send(app: Flask, signal: NamedSignal, **data: Any) -> None:
    """Call every receiver, plain or `async`; an error in one is logged, and the others are told all the same."""
    if not signal.receivers or signal.is_muted:
        return
    with nullcontext() if has_app_context() else app.app_context():
        for receiver in signal.receivers_for(app):
            try:
                call_host(receiver, app, **data)
            except Exception:  # noqa: BLE001 - of the host, in a log with its traceback
                _log.exception("a receiver of the signal %s failed", signal.name)
