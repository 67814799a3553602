"""The ready service with some users, and clients that log in through its own route."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask_tessera.server.app import create_app

if TYPE_CHECKING:
    from pathlib import Path

    from flask import Flask

PASSWORD = "correct horse battery staple"


def cores() -> int:
    """How many cores this process may use: as many hash slots are right."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class LoginService:
    """A service whose users all have the same password."""

    app: Flask
    phones: list[str]

    def log_in(self, phone: str) -> int:
        """One login; the HTTP status."""
        return self.status("/login", {"phone": phone, "password": PASSWORD}, int(phone[3:]))

    def status(self, path: str, body: Any, number: int = 0) -> int:
        """The HTTP status for a body, sent from an address of this number."""
        # One address has a bounded share of the hash slots, so each user has one of their own (RFC 2544 §C.2.2).
        address = {"REMOTE_ADDR": f"198.18.{number // 256 % 256}.{number % 256}"}
        return self.app.test_client(use_cookies=False).post(path, json=body, environ_base=address).status_code

    def milliseconds(self, path: str, body: Any, number: int) -> float:
        """Of wall time, for a request as of `status`."""
        began = time.perf_counter()
        self.status(path, body, number)
        return 1000 * (time.perf_counter() - began)


def open_service(folder: Path, *, slots: int, users: int, password_hash: str = "", **settings: str) -> LoginService:
    """Start the service in a folder of its own.

    Args:
        folder: its data.
        slots: how many passwords it hashes at once.
        users: how many there are.
        password_hash: of `PASSWORD`, made here if empty.
        **settings: others, without their prefix.
    """
    _write_log_to_nowhere()
    environment = {"TESSERA_HASH_SLOTS": str(slots), "TESSERA_HTTP_STATUS": "semantic"}
    environment |= {f"TESSERA_{name}": value for name, value in settings.items()}
    app = create_app(environment=environment, data=str(folder))
    service = app.extensions["tessera_service"]
    stored = password_hash or service.passwords.hash(PASSWORD)
    phones = [f"138{number:08}" for number in range(users)]
    for phone in phones:
        service.users.add(phone, stored, name="", level=0, role="")
    return LoginService(app, phones)


def _write_log_to_nowhere() -> None:
    """Each login is still put into words, but the terminal is for the figures."""
    log = logging.getLogger("flask_tessera")
    if not log.handlers:
        log.addHandler(logging.FileHandler(os.devnull))
        log.setLevel(logging.INFO)
        log.propagate = False
