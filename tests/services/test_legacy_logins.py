"""Old tokens: exchanged once, whatever becomes of the application's own secret."""

from __future__ import annotations

import base64
import hmac
import json
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask

from flask_tessera import Tessera, login_required
from flask_tessera.services.sessions import Login
from flask_tessera.testing import Clock

if TYPE_CHECKING:
    from pathlib import Path

OLD_SECRET = "the secret of the old application"


def old_token(user_id: int, at: int) -> str:
    """A token as itsdangerous up to 2.0 made it."""
    parts = ({"alg": "HS512", "iat": at, "exp": at + 3600}, {"id": user_id})
    segments = [_encode(json.dumps(part, separators=(",", ":")).encode()) for part in parts]
    text = ".".join(segments)
    return f"{text}.{_encode(hmac.digest(OLD_SECRET.encode(), text.encode(), 'sha512'))}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_app(folder: Path, secret: str, clock: Clock) -> Flask:
    app = Flask(__name__, instance_path=str(folder))
    app.config.update(
        SECRET_KEY=secret,
        TESSERA_STORE_URL="sqlite:///tessera.db",
        TESSERA_LEGACY={"secret": OLD_SECRET, "until": clock() + 86_400},
    )
    tessera = Tessera(app, user_id_type=int, clock=clock)
    app.register_blueprint(tessera.blueprint())
    app.add_url_rule("/guarded", "guarded", login_required(lambda: "in"))
    return app


@pytest.mark.parametrize("last_use", ["exchange", "logout"])
def test_M05_a_spent_token_stays_spent_under_a_new_secret_key(tmp_path: Path, last_use: str) -> None:
    clock = Clock()
    headers = {"z-token": old_token(7, clock())}
    before = make_app(tmp_path, "6f1d5f7a9c3e4b2880a1d4c7e9f20b35", clock).test_client()
    assert before.get("/guarded", headers=headers).status_code == 200
    assert before.post(f"/auth/{last_use}", headers=headers).status_code == 200
    after = make_app(tmp_path, "b53c02f9e7c4d1a0882b4e3c9a7f5d1f6", clock).test_client()
    assert after.get("/guarded", headers=headers).status_code == 401
    assert after.post("/auth/exchange", headers=headers).status_code == 401


def test_M05_a_token_that_was_not_spent_can_be_under_a_new_secret_key(tmp_path: Path) -> None:
    clock = Clock()
    headers = {"z-token": old_token(7, clock())}
    make_app(tmp_path, "6f1d5f7a9c3e4b2880a1d4c7e9f20b35", clock).test_client().get("/guarded", headers=headers)
    after = make_app(tmp_path, "b53c02f9e7c4d1a0882b4e3c9a7f5d1f6", clock).test_client()
    pair = after.post("/auth/exchange", headers=headers).get_json()["data"]
    assert after.get("/guarded", headers={"z-token": pair["access_token"]}).status_code == 200


@pytest.mark.parametrize("overflow", ["evict", "refuse"])
def test_M05_logging_an_old_token_out_ends_no_other_session_and_needs_no_room(tmp_path: Path, overflow: str) -> None:
    clock = Clock()
    app = make_app(tmp_path, "6f1d5f7a9c3e4b2880a1d4c7e9f20b35", clock)
    app.config.update(TESSERA_MAX_SESSIONS=1, TESSERA_SESSION_OVERFLOW=overflow)
    client = app.test_client()
    with app.app_context():
        pair = app.extensions["tessera"][""].runtime.sessions.log_in(Login("7"))
    assert client.post("/auth/logout", headers={"z-token": old_token(7, clock())}).status_code == 200
    assert client.get("/guarded", headers={"z-token": pair.access_token}).status_code == 200
    assert client.get("/guarded", headers={"z-token": old_token(7, clock())}).status_code == 401


def test_F04_after_a_restored_backup_no_old_token_is_believed(tmp_path: Path) -> None:
    clock = Clock()
    app = make_app(tmp_path, "6f1d5f7a9c3e4b2880a1d4c7e9f20b35", clock)
    app.config["TESSERA_STORE_URL"] = "memory:"
    client, headers = app.test_client(), {"z-token": old_token(7, clock())}
    assert client.get("/guarded", headers=headers).status_code == 200
    with app.app_context():
        app.extensions["tessera"][""].runtime.storage.revocations.restore(at=clock())
    assert client.get("/guarded", headers=headers).status_code == 401
    assert client.post("/auth/exchange", headers=headers).status_code == 401


@pytest.mark.parametrize("ending", ["kick", "restored"])
def test_M05_S02_an_exchange_that_was_overtaken_by_an_ending_begins_nothing(tmp_path: Path, ending: str) -> None:
    clock = Clock()
    app = make_app(tmp_path, "6f1d5f7a9c3e4b2880a1d4c7e9f20b35", clock)
    app.config["TESSERA_STORE_URL"] = "memory:"
    client, headers = app.test_client(), {"z-token": old_token(7, clock())}
    with app.app_context():
        runtime = app.extensions["tessera"][""].runtime
    begin_named = runtime.sessions.begin_named

    def overtaken(*arguments: Any, **options: Any) -> Any:
        if ending == "kick":
            runtime.sessions.end_user("7", "kick")
        else:
            runtime.storage.revocations.restore(at=clock())
        return begin_named(*arguments, **options)

    runtime.sessions.begin_named = overtaken
    answer = client.post("/auth/exchange", headers=headers)
    assert (answer.status_code, answer.get_json()["code"]) == (401, 4101)
    assert not runtime.sessions.list("7")
