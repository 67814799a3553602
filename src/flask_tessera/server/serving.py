"""Runs the service with waitress."""

from __future__ import annotations

import secrets
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

from waitress import create_server

from ..errors import NotFoundError
from . import administration

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from .app import Service

_DEMO_PHONE: Final = "13800138000"
_THREADS: Final = 16
"""More than the hash slots and their queue take, so that logins never hold up everybody else."""


def run(app: Flask, host: str, port: int, *, demo: bool, say: Callable[[str], Any]) -> None:
    """Listen until the process is told to stop.

    Raises:
        OSError: the address is taken or not ours.
    """
    server = create_server(app, host=host, port=port, threads=_THREADS, ident=None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    shown = f"[{host}]" if ":" in host else host
    base = f"http://{shown}:{port}"
    say(f"Flask-Tessera serves {base} (data in {app.extensions['tessera_service'].data}); stop with Ctrl+C")
    if demo:
        with app.app_context():
            password = _demo_password(app.extensions["tessera_service"])
        say(_HINTS.format(base=base, phone=_DEMO_PHONE, password=password))
    server.run()


def _demo_password(service: Service) -> str:
    """A new random password for the demo user, who is added at the first start."""
    password = secrets.token_urlsafe(9)
    try:
        administration.set_password(service, _DEMO_PHONE, password)
    except NotFoundError:
        administration.add(service, _DEMO_PHONE, password, name="Demo", level=1)
    return password


_HINTS: Final = """
The demo user is {phone}, the password is {password} (shown once; a new one at each start).
In another terminal:

  TOKEN=$(curl -s {base}/login -H 'Content-Type: application/json' \\
    -d '{{"phone":"{phone}","password":"{password}"}}' | python3 -c 'import json,sys; print(json.load(sys.stdin)["data"])')
  curl -s {base}/user/detail -H "z-token: $TOKEN"
"""
