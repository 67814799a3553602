"""Every kind of credential, carried by every transport to every endpoint: what is accepted where.

`accepted()` sends all of them to an application and tells what was let in; the table in docs/carriers.md is made of it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import time
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from flask import Flask
from itsdangerous import Signer
from itsdangerous.encoding import base64_encode

from flask_tessera import Tessera
from flask_tessera.accounts.recipients import parse_recipient
from flask_tessera.services.keys import sid_text
from tests.services.factors import code_at

from .people import People, Person

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOST = "https://shop.example"
SECRET = "hQ5vT2rB8nX0kW7yL3cM9dF6gJ1pZ4sA"
OLD_SECRET = "an older application's secret, 40 bytes!"
NOW = int(time.time())
"""The clock stands, so that a code is of the same time step when it is shown; near the system's, for old tokens."""
REFUSED = (400, 401, 403, 404)

CREDENTIALS = ("access token", "refresh token", "ticket", "API key", "old token")
TRANSPORTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "`Authorization`": lambda text: {"headers": {"Authorization": f"Bearer {text}"}},
    "`z-token`": lambda text: {"headers": {"z-token": text}},
    "cookie": lambda text: {"headers": {"Cookie": f"__Host-tessera={text}"}},
    "refresh cookie": lambda text: {"headers": {"Cookie": f"__Secure-tessera-refresh={text}"}},
    "`?ticket=`": lambda text: {"query_string": {"ticket": text}},
    "`?token=`": lambda text: {"query_string": {"token": text, "access_token": text}},
    "body": lambda text: {"json": {"refresh_token": text, "access_token": text, "token": text, "ticket": text}},
}
ROUTES: dict[str, tuple[str, str, Any]] = {
    "guarded view, GET": ("GET", "/view", None),
    "guarded view, POST": ("POST", "/view", {}),
    'view with `ticket="download"`, GET': ("GET", "/download", None),
    'view with `ticket="download"`, POST': ("POST", "/download", {}),
    'view with `transports="header"`': ("GET", "/header-only", None),
    "`GET /auth/me`": ("GET", "/auth/me", None),
    "`PATCH /auth/me`": ("PATCH", "/auth/me", {}),
    "`GET /auth/verify`": ("GET", "/auth/verify", None),
    "`GET /auth/csrf`": ("GET", "/auth/csrf", None),
    "`GET /auth/sessions`": ("GET", "/auth/sessions", None),
    "`DELETE /auth/sessions/<sid>`": ("DELETE", "/auth/sessions/{sid}", None),
    "`GET /auth/history`": ("GET", "/auth/history", None),
    "`POST /auth/tickets`": ("POST", "/auth/tickets", {"purpose": "download"}),
    "`GET /auth/api-keys`": ("GET", "/auth/api-keys", None),
    "`POST /auth/api-keys`": ("POST", "/auth/api-keys", {"name": "cron"}),
    "`GET /auth/passkeys`": ("GET", "/auth/passkeys", None),
    "`POST /auth/passkeys/options`": ("POST", "/auth/passkeys/options", {}),
    "`POST /auth/totp`": ("POST", "/auth/totp", None),
    "`POST /auth/totp/confirm`": ("POST", "/auth/totp/confirm", {"code": "{pending_code}"}),
    "`DELETE /auth/totp`": ("DELETE", "/auth/totp", None),
    "`POST /auth/recovery-codes`": ("POST", "/auth/recovery-codes", None),
    "`GET /auth/trusted-devices`": ("GET", "/auth/trusted-devices", None),
    "`DELETE /auth/trusted-devices/<id>`": ("DELETE", "/auth/trusted-devices/{device}", None),
    "`POST /auth/password`": ("POST", "/auth/password", {"new": "nine purple herons"}),
    "`POST /auth/bind`": ("POST", "/auth/bind", {"recipient": "{recipient}", "code": "{bind_code}"}),
    "`POST /auth/step-up`": ("POST", "/auth/step-up", {"totp": "{code}"}),
    "`POST /auth/refresh`": ("POST", "/auth/refresh", {}),
    "`POST /auth/logout`": ("POST", "/auth/logout", {}),
    "`POST /auth/logout` of all": ("POST", "/auth/logout", {"which": "all"}),
    "`POST /auth/exchange`": ("POST", "/auth/exchange", {}),
}


@dataclass
class Shop:
    """An application with every endpoint, in which everything is switched on."""

    app: Flask = field(default_factory=lambda: Flask("shop"))
    users: Iterator[int] = field(default_factory=lambda: count(1))
    people: People = field(default_factory=People)

    def __post_init__(self) -> None:
        self.tessera: Tessera[Any] = Tessera(
            user_id_type=int, ticket_purposes=("download",), audit=True, clock=lambda: NOW, users=self.people
        )
        self.app.config.update(
            SECRET_KEY=SECRET,
            TESSERA_STORE_URL="memory:",
            TESSERA_COOKIES=True,
            TESSERA_PUBLIC_URL=HOST,
            TESSERA_MAX_SESSIONS=0,
            TESSERA_LEGACY={"secret": OLD_SECRET, "until": NOW + 86_400},
        )
        self.tessera.user_view(lambda user: {"id": user.id})
        self.tessera.init_app(self.app)
        guard = self.tessera.login_required
        both = ["GET", "POST"]
        self.app.add_url_rule("/view", "view", guard(lambda: "in"), methods=both)
        self.app.add_url_rule("/download", "download", guard(ticket="download")(lambda: "in"), methods=both)
        self.app.add_url_rule("/header-only", "header-only", guard(transports="header")(lambda: "in"))
        endpoints = (
            *("me", "verify", "csrf", "sessions", "tickets", "api-keys", "passkeys", "totp", "trusted-devices"),
            *("step-up", "second-factor", "refresh", "logout", "exchange", "history", "password", "bind"),
        )
        self.app.register_blueprint(self.tessera.blueprint(*endpoints))

    def make(self, credential: str) -> tuple[str, dict[str, str], str]:
        """A fresh one: its text, the names of what its owner has, and the CSRF token of its session."""
        with self.app.app_context():
            user = next(self.users)
            self.people.rows[user] = Person(user)
            pair = self.tessera.login(user)
            cookies = self.tessera.runtime.cookies
            assert cookies is not None
            csrf = cookies.csrf_token_of(pair.issued.session.sid)
            match credential:
                case "access token":
                    text = pair.access_token
                case "refresh token":
                    text = pair.refresh_token
                case "ticket":
                    text = self.tessera.issue_ticket("download", user=user)
                case "API key":
                    text = self.tessera.api_keys.create(user, name="cron").key
                case _:
                    text = old_token(user)
            names = {"sid": pair.session_id, **self.factors_of(str(user)), **self.code_for(f"{user}@shop.example")}
            return text, names, csrf

    def code_for(self, address: str) -> dict[str, str]:
        """A new recipient, and the code that was sent there."""
        codes = self.tessera.runtime.accounts.codes
        codes.keep("bind", parse_recipient(address), "271828")
        return {"recipient": address, "bind_code": "271828"}

    def factors_of(self, user_id: str) -> dict[str, str]:
        """Second factors of a user: a code of his generator, one of a generator that waits, and a trusted device."""
        services = self.tessera.runtime.accounts
        secret, _ = services.totp.begin(user_id, "", "")
        services.totp.confirm(user_id, code_at(secret, NOW - 30))
        pending, _ = services.totp.begin(user_id, "", "")
        services.trusted_devices.trust(user_id)
        (device,) = services.trusted_devices.list(user_id)
        codes = {"code": code_at(secret, NOW), "pending_code": code_at(pending, NOW)}
        return {**codes, "device": sid_text(device.device_id)}

    def lets_in(self, credential: str, transport: str, route: str) -> bool:
        """Whether a request is let in, with all that a page of this site sends beside its credential."""
        text, names, csrf = self.make(credential)
        method, path, body = request_of(route, names)
        sent = TRANSPORTS[transport](text)
        headers = {"X-CSRF-Token": csrf, "Origin": HOST, **sent.pop("headers", {})}
        body = {**(body or {}), **sent.pop("json", {})} if body is not None or "json" in sent else None
        client = self.app.test_client(use_cookies=False)
        answer = client.open(path, method=method, base_url=HOST, headers=headers, json=body, **sent)
        if answer.status_code >= 500:
            raise AssertionError((credential, transport, route, answer.status))
        # Each of these users has a second factor: whoever is asked for it was let in that far.
        is_asked_for_more = answer.is_json and answer.get_json().get("error") == "second_factor_required"
        return answer.status_code not in REFUSED or is_asked_for_more


def request_of(route: str, names: dict[str, str]) -> tuple[str, str, Any]:
    """Method, path and body of a route, about what these are the names of."""
    method, path, body = ROUTES[route]
    named = body and {name: value.format(**names) for name, value in body.items()}
    return method, path.format(**names), named


def old_token(user: int) -> str:
    """As itsdangerous 2.0 wrote it."""
    parts = ({"alg": "HS512", "iat": NOW, "exp": NOW + 3600}, {"id": user})
    text = b".".join(base64_encode(json.dumps(part, separators=(",", ":"))) for part in parts)
    return Signer(OLD_SECRET, sep=".", key_derivation="none", digest_method=hashlib.sha512).sign(text).decode()


@functools.cache
def accepted() -> dict[tuple[str, str], list[str]]:
    """By credential and transport, the routes that let a request in."""
    shop = Shop()
    return {
        (credential, transport): [route for route in ROUTES if shop.lets_in(credential, transport, route)]
        for credential in CREDENTIALS
        for transport in TRANSPORTS
    }
