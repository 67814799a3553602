"""Flask-CORS: the browser's question before a request of another origin is answered without a token."""

from __future__ import annotations

import pytest
from flask_cors import CORS, cross_origin

from flask_tessera import login_required

from .refusals import make

ORIGIN = {"Origin": "https://a.example"}
ASK = {**ORIGIN, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization, z-token"}


def for_the_application(host):
    CORS(host.app)
    return login_required(lambda: "x")


def above_the_guard(host):
    return cross_origin()(login_required(lambda: "x"))


def below_the_guard(host):
    return login_required(cross_origin()(lambda: "x"))


def in_a_protected_application(host):
    host.tessera.protect(host.app)
    return cross_origin()(lambda: "x")


def for_a_protected_application(host):
    CORS(host.app)
    host.tessera.protect(host.app)
    return lambda: "x"


PLACES = (
    for_the_application,
    above_the_guard,
    below_the_guard,
    in_a_protected_application,
    for_a_protected_application,
)


@pytest.fixture(params=PLACES, ids=lambda place: place.__name__)
def host(request):
    host = make()
    host.app.add_url_rule("/x", "x", request.param(host))
    return host


def test_a_preflight_is_let_through(host):
    answer = host.app.test_client().options("/x", headers=ASK)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] in ("*", ORIGIN["Origin"])
    assert "z-token" in answer.headers["Access-Control-Allow-Headers"]


def test_who_is_logged_in_is_answered_across_origins(host):
    answer = host.get({**ORIGIN, **host.log_in()})
    assert (answer.status_code, answer.text) == (200, "x")
    assert "Access-Control-Allow-Origin" in answer.headers


@pytest.mark.parametrize("place", [for_the_application, for_a_protected_application], ids=lambda place: place.__name__)
def test_a_refusal_can_be_read_by_another_origin(place):
    host = make(TESSERA_HTTP_STATUS="semantic")
    host.app.add_url_rule("/x", "x", place(host))
    answer = host.get(ORIGIN)
    assert (answer.status_code, answer.json["error"]) == (401, "token_missing")
    assert "Access-Control-Allow-Origin" in answer.headers
