"""L05, L07, L13: whatever is asked about an account is answered alike, whether or not there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from flask_tessera.server import administration

if TYPE_CHECKING:
    from flask import Flask

PHONES = {
    "known": "13800138000",
    "disabled": "13900139000",
    "without a password": "13600136000",
    "unknown": "13700137000",
}
NEW = "nine purple herons"
ASKED = {
    "login": ("/auth/login", lambda phone: {"phone": phone, "password": "wrong password"}),
    "login by code": ("/auth/login", lambda phone: {"recipient": phone, "code": "000000"}),
    "code to log in": ("/auth/codes", lambda phone: {"recipient": phone, "purpose": "login"}),
    "code to register": ("/auth/codes", lambda phone: {"recipient": phone, "purpose": "register"}),
    "code for a reset": ("/auth/codes", lambda phone: {"recipient": phone, "purpose": "reset"}),
    "link to log in": ("/auth/links", lambda phone: {"recipient": phone, "purpose": "login"}),
    "link for a reset": ("/auth/links", lambda phone: {"recipient": phone, "purpose": "reset"}),
    "link to confirm": ("/auth/links", lambda phone: {"recipient": phone, "purpose": "confirm"}),
    "registration": ("/auth/register", lambda phone: {"recipient": phone, "code": "000000", "password": NEW}),
    "reset": ("/auth/password/reset", lambda phone: {"recipient": phone, "code": "000000", "password": NEW}),
}
TIMES = 12
"""Of which the last ones are beyond every limit of an account, a code or a recipient."""


@pytest.fixture(params=["envelope", "plain"])
def app(request, tmp_path, make_service, clock, password_hash):
    made = make_service(
        tmp_path,
        clock,
        TESSERA_SENDER=f"file:{tmp_path}/messages.jsonl",
        TESSERA_PUBLIC_URL="https://shop.example",
        TESSERA_RESPONSE_FORMAT=request.param,
    )
    service = made.extensions["tessera_service"]
    for kind in ("known", "disabled"):
        service.users.add(PHONES[kind], password_hash)
    service.users.add(PHONES["without a password"], "")
    with made.app_context():
        administration.disable(service, PHONES["disabled"])
    return made


def answers(app: Flask, path: str, body: dict[str, Any], address: str) -> list[Any]:
    """Status, body and all headers of so many requests."""
    found = []
    for _ in range(TIMES):
        reply = app.test_client().post(path, json=body, environ_base={"REMOTE_ADDR": address})
        found.append((reply.status_code, reply.data, sorted(reply.headers)))
    return found


@pytest.mark.repeats("app")
@pytest.mark.parametrize("asked", ASKED)
def test_L05_L07_L13_every_kind_of_account_is_answered_alike_up_to_the_limit_and_beyond(app, asked):
    path, body = ASKED[asked]
    told = {
        kind: answers(app, path, body(phone), f"198.18.0.{place}") for place, (kind, phone) in enumerate(PHONES.items())
    }
    assert told["unknown"][-1][0] == 429
    assert told["unknown"][0][0] in (200, 401)
    for kind, found in told.items():
        assert found == told["unknown"], kind
