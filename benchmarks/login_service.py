"""The ready service with some users, and clients that log in through its own route."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
        # One address has a bounded share of the hash slots, so each user has one of their own (RFC 2544 §C.2.2).
        number = int(phone[3:])
        address = {"REMOTE_ADDR": f"198.18.{number // 256 % 256}.{number % 256}"}
        client = self.app.test_client(use_cookies=False)
        return client.post("/login", json={"phone": phone, "password": PASSWORD}, environ_base=address).status_code


def open_service(folder: Path, *, slots: int, users: int, password_hash: str = "") -> LoginService:
    """Start the service in a folder of its own.

    Args:
        folder: its data.
        slots: how many passwords it hashes at once.
        users: how many there are.
        password_hash: of `PASSWORD`, made here if empty.
    """
    _write_log_to_nowhere()
    environment = {"TESSERA_HASH_SLOTS": str(slots), "TESSERA_HTTP_STATUS": "semantic"}
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
