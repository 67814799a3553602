"""The challenges of examples/challenges, in applications that ask for them before codes and logins."""

from __future__ import annotations

import importlib.util
import json
import socket
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from flask import request

from flask_tessera.testing import race
from tests.services.senders.receiver import receiver
from tests.web.people import PHONE, AccountsApp

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "challenges"
ASKED = {"recipient": PHONE, "purpose": "register"}


def load(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


work, turnstile = load("proof_of_work"), load("turnstile")


def error_of(answer):
    return answer.status_code, answer.json.get("error")


REFUSED = (403, "challenge_failed")


# -- proof of work -----------------------------------------------------------------------------------------------------


@pytest.fixture
def town(tmp_path):
    """An application that asks for work, with the route that gives challenges."""
    town = AccountsApp(tmp_path)
    proof = town.proof = work.ProofOfWork(town.tessera, b"a secret of the tests", bits=8)
    town.tessera.challenge(lambda action: proof.is_solved(action, request.headers.get(work.HEADER, "")))
    town.app.add_url_rule("/challenge/<action>", "challenge", proof.make)
    return town


def solved(town, action="code"):
    challenge = town.app.test_client().get(f"/challenge/{action}").json
    assert challenge["bits"] == 8
    return work.solve(**challenge)


def ask(town, text, **changes):
    return town.post("/codes", {**ASKED, **changes}, **({work.HEADER: text} if text else {}))


def test_work_that_was_done_opens_one_request(town):
    text = solved(town)
    assert ask(town, text).status_code == 200
    town.clock.advance(3600)
    assert error_of(ask(town, text)) == REFUSED
    assert len(town.messages()) == 1


def test_of_many_that_send_the_same_work_at_once_one_is_let_in(town):
    text = solved(town)
    answers = race(8, lambda number: ask(town, text, recipient=f"1380013800{number}"))
    assert sorted(each.status_code for each in answers) == [200, *[403] * 7]


def test_another_spelling_of_the_answer_is_the_same_challenge(town):
    challenge = town.proof.make("code")["challenge"]
    answers = [text for text in (f"{challenge}:{number}" for number in range(5000)) if work.zero_bits(text) >= 8]
    assert ask(town, answers[0]).status_code == 200
    assert error_of(ask(town, answers[1], recipient="13900139000")) == REFUSED


@pytest.mark.parametrize(
    "change",
    {
        "nothing": lambda text: "",
        "no answer": lambda text: text.partition(":")[0],
        "too little work": lambda text: f"{text.partition(':')[0]}:lazy",
        "another challenge": lambda text: text.replace(".", ".0", 1),
        "a later end": lambda text: f"9{text}",
        "nonsense": lambda text: "a.b.c.d:1",
        "one without dots": lambda text: ":",
        "other letters": lambda text: "\u00e9.b.c:1",
        "too long": lambda text: f"{text}{'0' * 200}",
    }.items(),
    ids=lambda pair: pair[0],
)
def test_what_is_no_work_is_refused(town, change):
    text = change[1](solved(town))
    while text.endswith(":lazy") and work.zero_bits(text) >= 8:
        text = change[1](solved(town))
    assert error_of(ask(town, text)) == REFUSED
    assert town.messages() == []


def test_work_for_one_thing_is_none_for_another(town):
    assert error_of(ask(town, solved(town, "login"))) == REFUSED


def test_work_that_came_too_late_is_none(town):
    late = work.ProofOfWork(town.tessera, b"a secret of the tests", bits=8, seconds=-1)
    assert error_of(ask(town, work.solve(**late.make("code")))) == REFUSED


def test_work_for_another_application_is_none(town):
    other = work.ProofOfWork(town.tessera, b"another secret", bits=8)
    assert error_of(ask(town, work.solve(**other.make("code")))) == REFUSED


# -- Turnstile ---------------------------------------------------------------------------------------------------------


class Cloudflare:
    """Answers as `siteverify` does: the documented members, and each token once."""

    def __init__(self, secret="the secret key"):
        self.secret, self.seen, self.action, self.status = secret, set(), "code", 200

    def __call__(self, asked):
        form = {name: texts[0] for name, texts in parse_qs(asked.body.decode()).items()}
        errors = []
        if form["secret"] != self.secret:
            errors = ["invalid-input-secret"]
        elif not form["response"].startswith("good"):
            errors = ["invalid-input-response"]
        elif form["response"] in self.seen:
            errors = ["timeout-or-duplicate"]
        self.seen.add(form["response"])
        self.form = form
        told = {"success": not errors, "error-codes": errors, "hostname": "shop.example", "action": self.action}
        return self.status, {"Content-Type": "application/json"}, json.dumps(told).encode()


@pytest.fixture
def cloudflare():
    with receiver() as server:
        server.answer = service = Cloudflare()
        service.server, service.url = server, f"http://127.0.0.1:{server.port}/turnstile/v0/siteverify"
        yield service


def guarded(tmp_path, url, secret="the secret key", **options):
    town = AccountsApp(tmp_path)
    check = turnstile.Turnstile(secret, url=url, **options)

    @town.tessera.challenge
    def challenge(action):
        return check.is_passed(action, request.headers.get(turnstile.HEADER, ""), town.tessera.client_info().ip)

    return town


def send(town, token, **changes):
    return town.post("/codes", {**ASKED, **changes}, **({turnstile.HEADER: token} if token else {}))


def test_a_good_token_opens_one_request(tmp_path, cloudflare):
    town = guarded(tmp_path, cloudflare.url, hostname="shop.example")
    assert send(town, "good 1").status_code == 200
    assert cloudflare.form == {"secret": "the secret key", "response": "good 1", "remoteip": "127.0.0.1"}
    assert error_of(send(town, "good 1", recipient="13900139000")) == REFUSED


@pytest.mark.parametrize("token", ["", "bad", "x" * 2049])
def test_a_bad_token_is_refused_and_none_is_not_asked_about(tmp_path, cloudflare, token):
    town = guarded(tmp_path, cloudflare.url)
    assert error_of(send(town, token)) == REFUSED
    assert bool(cloudflare.seen) == (token == "bad")
    assert town.messages() == []


@pytest.mark.parametrize("options", [{"secret": "wrong"}, {"hostname": "other.example"}])
def test_a_wrong_secret_or_another_site_lets_nobody_in(tmp_path, cloudflare, options):
    assert error_of(send(guarded(tmp_path, cloudflare.url, **options), "good 1")) == REFUSED


def test_a_token_of_another_widget_is_refused(tmp_path, cloudflare):
    cloudflare.action = "login"
    assert error_of(send(guarded(tmp_path, cloudflare.url), "good 1")) == REFUSED


def log_in(town):
    return town.post("/login", {"phone": PHONE, "password": "nonsense"}, **{turnstile.HEADER: "good 1"})


def nobody_listens():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{closed.getsockname()[1]}"


def test_where_cloudflare_is_away_logins_go_on_and_nothing_is_sent(tmp_path, caplog):
    town = guarded(tmp_path, nobody_listens())
    assert error_of(send(town, "good 1")) == REFUSED
    assert error_of(log_in(town)) == (401, "credentials_wrong")
    assert "the secret key" not in caplog.text
    assert "login let in" in caplog.text


def test_where_cloudflare_hangs_the_request_goes_on_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(turnstile, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        town = guarded(tmp_path, f"http://127.0.0.1:{hanging.getsockname()[1]}")
        assert error_of(log_in(town)) == (401, "credentials_wrong")


@pytest.mark.parametrize(("status", "answered"), [(500, (401, "credentials_wrong")), (400, REFUSED)])
def test_an_outage_opens_the_login_and_a_refusal_does_not(tmp_path, cloudflare, status, answered):
    cloudflare.status = status
    assert error_of(log_in(guarded(tmp_path, cloudflare.url))) == answered


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"1" * 70_000])
def test_an_answer_that_is_none_sends_nothing(tmp_path, cloudflare, body):
    cloudflare.server.answer = lambda _: (200, {}, body)
    assert error_of(send(guarded(tmp_path, cloudflare.url), "good 1")) == REFUSED
