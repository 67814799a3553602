"""What the service writes down: one line of JSON for each event, and no secret."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from flask_tessera.server import administration
from flask_tessera.services.audit_data import AuditEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

PHONE = "13800138000"
PASSWORD = "correct horse battery"
GOOD = {"phone": PHONE, "password": PASSWORD}


@pytest.fixture
def written(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, str]]]:
    """Gives the events since the last call."""
    caplog.set_level(logging.INFO, "flask_tessera.audit")

    def read() -> list[dict[str, str]]:
        lines = [record.getMessage() for record in caplog.records if record.name == "flask_tessera.audit"]
        caplog.clear()
        assert all(line.isascii() and line.isprintable() for line in lines)
        return [json.loads(line) for line in lines]

    return read


def post(app: Flask, path: str, body: Any, **headers: str) -> Any:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return app.test_client().post(path, json=body, headers=sent).json


def test_G01_a_login_says_who_when_where_and_how_it_went(app, written):
    post(app, "/auth/login", GOOD, User_Agent="browser", X_Request_Id="r-1")
    (entry,) = written()
    session_id = entry.pop("session_id")
    assert len(session_id) == 22
    assert entry == {
        "at": "2096-10-02T07:06:40Z",
        "event": "session_started",
        "result": "success",
        "user_id": str(app.extensions["tessera_service"].users.get(GOOD["phone"]).id),
        "ip": "127.0.0.1",
        "user_agent": "browser",
        "request_id": "r-1",
        "subject": "pwd",
    }


@pytest.mark.repeats("settings")
@pytest.mark.parametrize("path", ["/login", "/auth/login"])
@pytest.mark.parametrize("settings", [{}, {"TESSERA_HTTP_STATUS": "semantic"}, {"TESSERA_RESPONSE_FORMAT": "plain"}])
def test_G01_every_refusal_at_login_is_written_with_its_reason(
    tmp_path, make_service, password_hash, written, path, settings
):
    app = make_service(tmp_path, **settings)
    service = app.extensions["tessera_service"]
    service.users.add(PHONE, password_hash)
    for _ in range(10):
        post(app, path, {**GOOD, "password": "wrong"})
    post(app, path, GOOD)
    assert [entry["reason"] for entry in written()] == ["credentials_wrong"] * 10 + ["too_many_requests"]
    service.users.add("13900139000", password_hash)
    service.users.change("13900139000", disabled=True)
    post(app, path, {**GOOD, "phone": "13900139000"})
    (entry,) = written()
    assert (entry["event"], entry["result"], entry["account"]) == ("login_failed", "failure", "13900139000")
    assert (entry["reason"], entry["ip"]) == ("login_refused", "127.0.0.1")


@pytest.mark.parametrize("body", [None, [], {}, {"phone": PASSWORD, "password": "x"}, {"phone": 1}])
def test_G02_what_names_nobody_is_not_written(app, written, body):
    post(app, "/login", body)
    post(app, "/auth/login", body)
    assert [entry for entry in written() if entry["event"] == "login_failed" and "account" in entry] == []


def test_G01_the_life_of_a_session_is_written(app, written, clock):
    first = post(app, "/auth/login", GOOD)["data"]["refresh_token"]
    second = post(app, "/auth/refresh", {"refresh_token": first})["data"]["refresh_token"]
    post(app, "/auth/refresh", {"refresh_token": second})
    clock.now += 60
    post(app, "/auth/refresh", {"refresh_token": first})
    post(app, "/auth/refresh", {"refresh_token": "garbage"})
    shown = [(entry["event"], entry["result"], entry.get("reason")) for entry in written()]
    assert shown == [
        ("session_started", "success", None),
        ("session_refreshed", "success", None),
        ("session_refreshed", "success", None),
        ("token_reused", "failure", "reuse"),
        ("session_ended", "success", "reuse"),
        ("refresh_failed", "failure", "session_reuse"),
        ("refresh_failed", "failure", "token_invalid"),
    ]


def test_G01_what_an_administrator_does_is_written(app, written):
    service = app.extensions["tessera_service"]
    with app.app_context():
        administration.add(service, "13900139000", PASSWORD)
        administration.set_password(service, "13900139000", "another password")
        administration.disable(service, "13900139000")
        administration.enable(service, "13900139000")
        administration.delete(service, "13900139000")
    assert [(entry["event"], entry["account"]) for entry in written()] == [
        ("user_added", "13900139000"),
        ("password_changed", "13900139000"),
        ("user_disabled", "13900139000"),
        ("user_enabled", "13900139000"),
        ("user_deleted", "13900139000"),
    ]


def test_G02_no_token_and_no_password_is_written(app, written, caplog):
    pair = post(app, "/auth/login", GOOD)["data"]
    pairs = [pair, post(app, "/auth/refresh", {"refresh_token": pair["refresh_token"]})["data"]]
    token = post(app, "/login", GOOD)["data"]
    post(app, "/login", {**GOOD, "password": "mistakenly typed"})
    app.test_client().post("/auth/logout", headers={"z-token": token})
    secrets = [token, PASSWORD, "mistakenly", app.config["SECRET_KEY"]]
    secrets += [each[name] for each in pairs for name in ("access_token", "refresh_token")]
    assert [secret for secret in secrets if secret in caplog.text] == []
    assert len(written()) == 5


@pytest.mark.parametrize("hostile", ["a\nb", "\x1b[2J", "\x7f", "\x9b", "\u202egnp", "\u2028", '"}{"', "\udcff", "\0"])
def test_G02_nothing_that_is_written_forges_a_line(hostile):
    line = AuditEvent(event="session_ended", at=0, account=hostile, reason=hostile).to_line()
    assert line.isascii()
    assert line.isprintable()
    entry = json.loads(line)
    assert entry["account"] == entry["reason"] == hostile
    assert entry["at"] == "1970-01-01T00:00:00Z"


def test_G02_a_request_id_is_bounded(app, written):
    post(app, "/login", GOOD, X_Request_Id="x" * 1000)
    assert written()[0]["request_id"] == "x" * 64


def test_G01_each_application_writes_its_own_events_only(app, tmp_path, make_service, written):
    make_service(tmp_path / "other")
    post(app, "/login", GOOD)
    assert len(written()) == 1


@pytest.mark.parametrize("path", ["/auth/exchange", "/auth/refresh", "/auth/login", "/login"])
@pytest.mark.parametrize("length", [None, 200_000_000])
def test_H04_a_body_is_not_read_to_be_logged(app, path, length):
    class Endless(io.RawIOBase):
        taken = 0

        def readinto(self, buffer):
            Endless.taken += len(buffer)
            return len(buffer)

        def readable(self):
            return True

    length_given = {} if length is None else {"CONTENT_LENGTH": str(length)}
    environ = EnvironBuilder(path, method="POST", content_type="text/plain").get_environ()
    environ.update({"wsgi.input": Endless(), "wsgi.input_terminated": True, **length_given})
    answer = run_wsgi_app(app, environ)
    assert not answer[1].startswith("5")
    assert Endless.taken < 1_000_000
