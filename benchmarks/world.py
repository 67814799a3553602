"""Applications with logged-in users, whose tokens the benchmarks present."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Flask

from flask_tessera import Tessera
from flask_tessera.tokens.keys import KeyRing

if TYPE_CHECKING:
    from flask_tessera.web.runtime import Runtime

SECRET = bytes(range(7, 71)).hex()
ISSUER = "login.example"
AUDIENCE = "orders.example"
SCOPE = "orders:read orders:write"
USERS = 200
ENDED = 200
"""Users whose sessions were ended: the worker's view of the revocation log is not empty."""
AGE = 60
"""Seconds for which the world has been there: tokens as old as the revocation log would be looked up in the storage."""


@dataclass(frozen=True, slots=True)
class World:
    """An application, and one access token for each of its users."""

    app: Flask
    tessera: Tessera[Any]
    tokens: list[str]

    @property
    def runtime(self) -> Runtime:
        with self.app.app_context():
            return self.tessera.runtime

    def ring(self, purpose: str = "access") -> KeyRing:
        """The keys its tokens are under."""
        return KeyRing.from_secret(SECRET, purpose=purpose)


class _Clock:
    """The system's clock, at first some seconds behind."""

    behind = AGE

    def __call__(self) -> int:
        return int(time.time()) - self.behind


def open_world(storage: str = "memory:", **settings: Any) -> World:
    """Make one, its revocation log begun a minute ago.

    Args:
        storage: a URL.
        **settings: `TESSERA_` settings, without that prefix.
    """
    app = Flask("bench")
    app.config.update(SECRET_KEY=SECRET, **{f"TESSERA_{name}": value for name, value in settings.items()})
    clock = _Clock()
    tessera: Tessera[Any] = Tessera(app, storage=storage, clock=clock)
    with app.app_context():
        _populate(tessera)
        clock.behind = 0
        tokens = [_log_in(tessera, f"user-{number}") for number in range(USERS)]
    return World(app, tessera, tokens)


def _populate(tessera: Tessera[Any]) -> None:
    runtime = tessera.runtime
    runtime.identify(_log_in(tessera, "first"))
    for number in range(ENDED):
        _log_in(tessera, f"ended-{number}")
        tessera.kick_user(f"ended-{number}")


def _log_in(tessera: Tessera[Any], user_id: str) -> str:
    return tessera.login(user_id, scope=SCOPE).access_token
