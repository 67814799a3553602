"""Runs the service with waitress."""

from __future__ import annotations

import json
import logging
import os
import secrets
import select
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waitress import create_server

from ..accounts.hash_slots import WAITERS_PER_SLOT
from ..errors import ConfigError, NotFoundError, StorageUnavailableError
from ..services.sending import MOST_REQUESTS
from ..sessions.model import Device
from . import administration, maintenance
from .connections import FairAccept, connection_limit, share_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from ..web.app_state import Runtime
    from .app import Service

_DEMO_PHONE: Final = "13800138000"
_NEWCOMER: Final = "13700137000"
"""Who registers in the lines to paste."""
_DEMO_DEVICE: Final = Device(name="demo (curl)")
"""What the session of the printed token is called among the devices."""
_OTHER_THREADS: Final = 10
"""For requests that check no password, and wait for no message."""
_LARGEST_BODY: Final = 262_144
"""Bytes that are taken in at all; what a route accepts is less, and its answer then in our form."""
_STOPPING: Final = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGBREAK") if hasattr(signal, name)]
"""What tells it to stop; the last is Ctrl+Break, and the only one that one process of Windows can send another."""
_log = logging.getLogger("flask_tessera")


def run(app: Flask, host: str, port: int, *, demo: bool, say: Callable[[str], Any]) -> None:
    """Listen until the process is told to stop.

    Raises:
        ConfigError: the address is taken, not ours or no address.
        StorageUnavailableError: the demo user cannot be written.
    """
    service: Service = app.extensions["tessera_service"]
    with app.app_context():
        runtime = service.tessera.runtime
    bare = host.removeprefix("[").removesuffix("]")
    server = _listen(app, runtime, bare, port)
    for each in _STOPPING:
        signal.signal(each, _stop)
    base = f"http://[{bare}]:{port}" if ":" in bare else f"http://{bare}:{port}"
    say(f"Flask-Tessera serves {base} (data in {service.data}); stop with Ctrl+C")
    if demo:
        with app.app_context():
            password = _demo_password(service)
            user = service.users.get(_DEMO_PHONE)
            token = service.tessera.start_token(user, device=_DEMO_DEVICE)
        say(_hints(base, service, password, token))
        if runtime.settings.SENDER == "console:":
            say(_registering(base + runtime.settings.URL_PREFIX))
    maintenance.start(runtime)
    try:
        server.run()
    finally:
        server.close()
        _flush(runtime)


def _listen(app: Flask, runtime: Runtime, host: str, port: int) -> Any:
    settings = runtime.settings
    limit = connection_limit()
    try:
        server = create_server(
            app,
            host=host,
            port=port,
            # More than passwords can be checked or wait for it, and than requests can wait for their messages, so that
            # neither logins nor a gateway that hangs hold up everybody else.
            threads=(1 + WAITERS_PER_SLOT) * settings.HASH_SLOTS + MOST_REQUESTS + _OTHER_THREADS,
            ident=None,
            max_request_body_size=_LARGEST_BODY,
            connection_limit=limit,
            # Select takes no descriptor above 1023.
            asyncore_use_poll=hasattr(select, "poll"),
            # Where proxies are trusted, the extension reads what they wrote.
            clear_untrusted_proxy_headers=not settings.TRUSTED_PROXIES,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such address"
        raise ConfigError(f"cannot listen on {host}:{port}: {reason}; try another --host or --port") from error
    # Behind a proxy, one address is everybody.
    accept = FairAccept(0 if settings.TRUSTED_PROXIES else share_of(limit))
    # With several addresses of one host, there is a server for each of them among the sockets.
    for each in list(getattr(server, "map", {}).values()) or [server]:
        each.channel_class = accept
    return server


def _stop(*_: object) -> None:
    sys.exit(0)


def _flush(runtime: Runtime) -> None:
    """Write the marks of the last seconds: a used refresh token must be known as used after a restart too."""
    try:
        runtime.shared.activity.flush()
    except StorageUnavailableError as error:
        _log.warning("the marks of the last seconds were lost: %s", error)


def _demo_password(service: Service) -> str:
    """A new random password for the demo user, who is added at the first start."""
    password = secrets.token_urlsafe(9)
    try:
        administration.set_password(service, _DEMO_PHONE, password)
    except NotFoundError:
        administration.add(service, _DEMO_PHONE, password, name="Demo", level=1)
    return password


def _quoted(*words: str) -> str:
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _program() -> str:
    """How to call this program's commands from a shell: its path, or where there is none, its module."""
    found = shutil.which("flask-tessera", path=str(Path(sys.executable).parent))
    words = [found] if found else [sys.executable, "-m", "flask_tessera.cli"]
    return _quoted(*words)


def _hints(base: str, service: Service, password: str, token: str) -> str:
    # Escaped rather than in single quotes, which the shell of Windows does not know.
    body = json.dumps({"phone": _DEMO_PHONE, "password": password}).replace('"', '\\"')
    places = {"program": _program(), "data": _quoted(service.data)}
    return _HINTS.format(base=base, phone=_DEMO_PHONE, password=password, body=body, token=token, **places)


def _registering(base: str) -> str:
    asked = {"recipient": _NEWCOMER, "purpose": "register"}
    sent = {"recipient": _NEWCOMER, "code": "THE_CODE", "name": "Ada"}
    bodies = [json.dumps(each).replace('"', '\\"') for each in (asked, sent)]
    return _REGISTERING.format(base=base, asked=bodies[0], sent=bodies[1])


_REGISTERING: Final = """
To register, ask for a code, which is printed here, and put it in the place of THE_CODE:

curl -s {base}/codes -H "Content-Type: application/json" -d "{asked}"
curl -s {base}/register -H "Content-Type: application/json" -d "{sent}"
"""
_HINTS: Final = """
The demo user is {phone}, the password is {password} (shown once; a new one at each start).
Open {base}/ in a browser, or paste any of these lines into another terminal:

curl -s {base}/login -H "Content-Type: application/json" -d "{body}"
curl -s {base}/user/detail -H "z-token: {token}"
curl -s {base}/healthz
{program} --data {data} sessions list {phone}

The token of the second line is good for an hour. The commands for users and sessions lie in
{program}
"""
