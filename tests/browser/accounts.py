"""The ready service with people who register, and what they do on its pages."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import pyotp

from flask_tessera.server import create_app

from .sites import PHONE, SECRET, Clock, Service, listening

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


class AccountsService(Service):
    """The service, and the file that its messages go to."""

    file: Path

    def messages(self) -> list[dict[str, str]]:
        """Those that somebody has asked for: notices are sent besides, at any time."""
        found = [json.loads(line) for line in self.file.read_text("utf-8").splitlines()]
        return [each for each in found if each["purpose"] in ("login", "register", "reset")]

    def digits(self, secret: str) -> str:
        """A code of a generator; each is good once, so the clock goes on."""
        self.clock.now += 30
        return pyotp.TOTP(secret).at(self.clock.now)


@contextmanager
def accounts_service(folder: Path, password_hash: str) -> Iterator[AccountsService]:
    """A service with one user, which sends messages into a file; its pages are where its links lead."""
    clock, file = Clock(int(time.time())), folder / "messages.jsonl"
    with listening(Later()) as port:
        environment = {
            "SECRET_KEY": SECRET,
            "TESSERA_SENDER": f"file:{file}",
            "TESSERA_PUBLIC_URL": f"http://localhost:{port}",
        }
        app = create_app(environment=environment, data=str(folder), clock=clock)
        service = AccountsService(app, clock, port)
        service.file = file
        service.users.add(PHONE, password_hash, name="Ada", level=3)
        Later.services[port] = service
        yield service
    del Later.services[port]
    app.extensions["tessera_service"].tessera.close(app)


class Later:
    """Serves what is made once the port is known."""

    services: ClassVar[dict[int, Service]] = {}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        return self.services[int(environ["SERVER_PORT"])](environ, start_response)


def give_device(page: Any, **device: Any) -> Any:
    """A device for passkeys, which says yes."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": {**DEVICE, **device}})
    return devtools
