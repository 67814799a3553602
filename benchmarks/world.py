"""Applications with logged-in users, whose tokens the benchmarks present."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Flask
from msgspec.structs import replace

from flask_tessera import Tessera
from flask_tessera.tokens import access, sealed
from flask_tessera.tokens.keys import KeyRing
from flask_tessera.web.credential_reading import verify_credential

if TYPE_CHECKING:
    from flask_tessera.web.app_state import Runtime

SECRET = bytes(range(7, 71)).hex()
ISSUER = "login.example"
AUDIENCE = "orders.example"
SCOPE = "orders:read orders:write"
USERS = 200
TOKENS = 10_000
"""In rotation: more than any worker remembers (a few thousand), so that each is verified in full every time."""
ENDED = 200
"""Users whose sessions were ended: the worker's view of the revocation log is not empty."""
AGE = 60
"""Seconds for which the world has been there: tokens as old as the revocation log would be looked up in the storage."""


@dataclass(frozen=True, slots=True)
class World:
    """An application, and access tokens for its users' sessions, in the end all of them different."""

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
        return World(app, tessera, _varied(tessera, tokens))


def _varied(tessera: Tessera[Any], tokens: list[str]) -> list[str]:
    """The tokens of these sessions that expire now, a second earlier, two seconds earlier and so on."""
    is_sealed = tessera.runtime.settings.TOKEN_FORMAT == "sealed"
    settings, ring = tessera.runtime.settings, KeyRing.from_secret(SECRET, purpose="sealed" if is_sealed else "access")
    key, verify = ring.active, sealed.verify if is_sealed else access.verify
    now = int(time.time())
    claims = [verify(token, ring, at=now, issuer=settings.ISSUER, audience=settings.AUDIENCE) for token in tokens]
    varied = (replace(each, exp=each.exp - earlier) for earlier in range(TOKENS // USERS) for each in claims)
    if is_sealed:
        return [sealed.mint(each, key, nonce=secrets.token_bytes(sealed.NONCE_BYTES)) for each in varied]
    return [access.mint(each, key) for each in varied]


def _populate(tessera: Tessera[Any]) -> None:
    runtime = tessera.runtime
    verify_credential(runtime, _log_in(tessera, "first"))
    for number in range(ENDED):
        _log_in(tessera, f"ended-{number}")
        tessera.revoke_user(f"ended-{number}")


def _log_in(tessera: Tessera[Any], user_id: str) -> str:
    return tessera.login(user_id, scope=SCOPE).access_token
