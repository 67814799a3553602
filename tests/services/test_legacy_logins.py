"""Old tokens: exchanged once, whatever becomes of the application's own secret."""

from __future__ import annotations

import base64
import hmac
import json
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask

from flask_tessera import ConfigError, Tessera, login_required
from flask_tessera.services.legacy import legacy_warnings
from flask_tessera.services.login_data import Login
from flask_tessera.storage.memory import MemoryStorage
from flask_tessera.testing import Clock, race

if TYPE_CHECKING:
    from pathlib import Path

NEW_SECRET = "6f1d5f7a9c3e4b2880a1d4c7e9f20b35"
OLD_SECRET = "the secret of the old application"


def old_token(user_id: int, at: int, lifetime: int = 3600) -> str:
    """A token as itsdangerous up to 2.0 made it."""
    parts = ({"alg": "HS512", "iat": at, "exp": at + lifetime}, {"id": user_id})
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
    after_it = make_app(tmp_path, "b53c02f9e7c4d1a0882b4e3c9a7f5d1f6", clock)
    after_it.config["SECRET_KEY_FALLBACKS"] = ["6f1d5f7a9c3e4b2880a1d4c7e9f20b35"]
    after = after_it.test_client()
    assert after.get("/guarded", headers=headers).status_code == 401
    assert after.post("/auth/exchange", headers=headers).status_code == 401


def test_M05_a_token_that_was_not_spent_can_be_under_a_new_secret_key(tmp_path: Path) -> None:
    clock = Clock()
    headers = {"z-token": old_token(7, clock())}
    make_app(tmp_path, "6f1d5f7a9c3e4b2880a1d4c7e9f20b35", clock).test_client().get("/guarded", headers=headers)
    after_it = make_app(tmp_path, "b53c02f9e7c4d1a0882b4e3c9a7f5d1f6", clock)
    after_it.config["SECRET_KEY_FALLBACKS"] = ["6f1d5f7a9c3e4b2880a1d4c7e9f20b35"]
    after = after_it.test_client()
    pair = after.post("/auth/exchange", headers=headers).get_json()["data"]
    assert after.get("/guarded", headers={"z-token": pair["access_token"]}).status_code == 200


@pytest.mark.parametrize("overflow", ["evict", "refuse"])
def test_M05_logging_an_old_token_out_ends_no_other_session_and_needs_no_room(tmp_path: Path, overflow: str) -> None:
    clock = Clock()
    app = make_app(tmp_path, "6f1d5f7a9c3e4b2880a1d4c7e9f20b35", clock)
    app.config.update(TESSERA_MAX_SESSIONS=1, TESSERA_SESSION_OVERFLOW=overflow)
    client = app.test_client()
    with app.app_context():
        pair = app.extensions["tessera"].runtime("").sessions.log_in(Login("7"))
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
        app.extensions["tessera"].runtime("").storage.revocations.restart(at=clock(), valid_from=clock())
    assert client.get("/guarded", headers=headers).status_code == 401
    assert client.post("/auth/exchange", headers=headers).status_code == 401


@pytest.mark.parametrize("ending", ["kick", "restored"])
def test_M05_S02_an_exchange_that_was_overtaken_by_an_ending_begins_nothing(tmp_path: Path, ending: str) -> None:
    clock = Clock()
    app = make_app(tmp_path, "6f1d5f7a9c3e4b2880a1d4c7e9f20b35", clock)
    app.config["TESSERA_STORE_URL"] = "memory:"
    client, headers = app.test_client(), {"z-token": old_token(7, clock())}
    with app.app_context():
        runtime = app.extensions["tessera"].runtime("")
    log_in = runtime.sessions.log_in

    def overtaken(*arguments: Any, **options: Any) -> Any:
        if ending == "kick":
            runtime.sessions.end_user("7", "kick")
        else:
            runtime.storage.revocations.restart(at=clock(), valid_from=clock())
        return log_in(*arguments, **options)

    runtime.sessions.log_in = overtaken
    answer = client.post("/auth/exchange", headers=headers)
    assert (answer.status_code, answer.get_json()["code"]) == (401, 4101)
    assert not runtime.sessions.list("7")


# The realm


def test_M05_an_old_token_speaks_in_the_one_realm_that_the_setting_names(tmp_path: Path) -> None:
    clock = Clock()
    app = Flask(__name__, instance_path=str(tmp_path))
    legacy = {"secret": OLD_SECRET, "until": clock() + 86_400, "realm": "customers"}
    app.config.update(SECRET_KEY=NEW_SECRET, TESSERA_STORE_URL="memory:", TESSERA_LEGACY=legacy)
    statuses = {}
    for realm in ("", "staff", "customers"):
        tessera = Tessera(app, realm=realm, user_id_type=int, clock=clock)
        app.register_blueprint(tessera.blueprint(name=f"in{realm}", url_prefix=f"/in{realm}"))
        app.add_url_rule(f"/guarded{realm}", f"guarded{realm}", tessera.login_required(lambda: "in"))
    headers = {"z-token": old_token(7, clock())}
    for realm in ("", "staff", "customers"):
        guarded = app.test_client().get(f"/guarded{realm}", headers=headers).status_code
        statuses[realm] = (guarded, app.test_client().post(f"/in{realm}/exchange", headers=headers).status_code)
    assert statuses == {"": (401, 404), "staff": (401, 404), "customers": (200, 200)}


# The setting


def start(legacy: dict[str, Any], clock: Clock, **config: Any) -> None:
    app = Flask(__name__)
    app.config.update(SECRET_KEY=NEW_SECRET, TESSERA_STORE_URL="memory:", TESSERA_LEGACY=legacy, **config)
    tessera = Tessera(app, clock=clock)
    with app.app_context():
        _ = tessera.runtime


@pytest.mark.parametrize("secret", ["dev", "1", b"secret", "you-will-never-guess", "hard to guess string"])
def test_K01_a_weak_old_secret_is_refused_unless_it_is_accepted_by_name(secret, caplog) -> None:
    clock = Clock()
    legacy = {"secret": secret, "until": clock() + 86_400}
    with pytest.raises(ConfigError, match="accept_weak_secret") as caught:
        start(legacy, clock)
    assert "LEGACY['secret']" in str(caught.value)
    for _ in range(2):
        start({**legacy, "accept_weak_secret": True}, clock)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert all("LEGACY['secret']" in record.getMessage() for record in caplog.records)


def test_M01_a_window_in_milliseconds_is_refused() -> None:
    clock = Clock()
    start({"secret": OLD_SECRET, "until": clock() + 9 * 31_536_000}, clock)
    for until in ((clock() + 3600) * 1000, clock() + 11 * 31_536_000):
        with pytest.raises(ConfigError, match="millisecond"):
            start({"secret": OLD_SECRET, "until": until}, clock)


def test_what_is_weak_about_the_setting_can_be_told() -> None:
    log = MemoryStorage().revocations.head(at=1000)
    assert legacy_warnings({}, log) == []
    assert legacy_warnings({"secret": OLD_SECRET, "since": 1000}, log) == []
    (missing,) = legacy_warnings({"secret": OLD_SECRET}, log)
    assert "TESSERA_LEGACY['since'] = 1000" in missing
    (weak,) = legacy_warnings({"secret": "dev"})
    assert "at least 16" in weak


# How long the session lives


def test_M05_the_session_of_an_exchange_lives_as_long_as_the_settings_say(tmp_path: Path) -> None:
    clock = Clock()
    app = make_app(tmp_path, NEW_SECRET, clock)
    day, years = 86_400, 5 * 31_536_000
    app.config["TESSERA_LEGACY"]["until"] = clock() + years
    app.config.update(TESSERA_STORE_URL="memory:", TESSERA_SESSION_IDLE=2 * day, TESSERA_SESSION_LIFETIME=3 * day)
    client, headers = app.test_client(), {"z-token": old_token(7, clock(), years)}
    pair = client.post("/auth/exchange", headers=headers).get_json()["data"]
    assert pair["refresh_expires_in"] <= 2 * day
    for _ in range(2):
        clock.advance(day)
        answer = client.post("/auth/refresh", json={"refresh_token": pair["refresh_token"]})
        pair = answer.get_json()["data"]
    clock.advance(day)
    answer = client.post("/auth/refresh", json={"refresh_token": pair["refresh_token"]})
    assert answer.get_json()["error"] == "session_expiry"
    # And yet the old token stays spent, after whatever was purged.
    clock.advance(years - 4 * day)
    with app.app_context():
        app.extensions["tessera"].runtime("").storage.sessions.purge(at=clock(), most=100)
    assert client.post("/auth/exchange", headers=headers).status_code == 401
    assert client.get("/guarded", headers=headers).status_code == 401


@pytest.mark.parametrize("number", [2, 8])
def test_M05_of_parallel_exchanges_one_begins_a_session(tmp_path: Path, number: int) -> None:
    clock = Clock()
    app = make_app(tmp_path, NEW_SECRET, clock)
    headers = {"z-token": old_token(7, clock())}
    statuses = race(number, lambda _: app.test_client().post("/auth/exchange", headers=headers).status_code)
    assert sorted(statuses) == [200] + [401] * (number - 1)
    with app.app_context():
        assert len(app.extensions["tessera"].runtime("").sessions.list("7")) == 1


# A storage that has lost its memory


class Forgetful:
    """An application whose storage can lose everything while it runs, and be started anew."""

    def __init__(self, clock: Clock, **legacy: Any) -> None:
        self.clock = clock
        self.legacy = {"secret": OLD_SECRET, "until": clock() + 86_400, **legacy}
        self.storage = MemoryStorage()
        self.start()

    def start(self) -> None:
        app = self.app = Flask(__name__)
        app.config.update(SECRET_KEY=NEW_SECRET, TESSERA_LEGACY=self.legacy)
        self.tessera = Tessera(app, storage=self.storage, user_id_type=int, clock=self.clock)
        app.register_blueprint(self.tessera.blueprint())
        app.add_url_rule("/guarded", "guarded", self.tessera.login_required(lambda: "in"))

    def forget(self) -> None:
        self.storage.sessions._store._database.__init__()

    def spend(self, token: str, use: str) -> None:
        if use == "suspension":
            with self.app.app_context():
                self.tessera.suspend(7)
        else:
            assert self.app.test_client().post(f"/auth/{use}", headers={"z-token": token}).status_code == 200

    def is_accepted(self, token: str) -> bool:
        return self.app.test_client().get("/guarded", headers={"z-token": token}).status_code == 200


@pytest.mark.parametrize("use", ["exchange", "logout", "suspension"])
def test_M05_F04_what_was_spent_stays_so_for_a_process_that_saw_the_storage_lose_its_memory(use: str) -> None:
    clock = Clock()
    site = Forgetful(clock)
    token, other = old_token(7, clock() - 60), old_token(8, clock() - 60)
    assert site.is_accepted(other)
    site.spend(token, use)
    clock.advance(60)
    site.forget()
    assert not site.is_accepted(token)
    assert not site.is_accepted(other)
    clock.advance(1)
    assert site.is_accepted(old_token(8, clock()))


@pytest.mark.parametrize("use", ["exchange", "logout", "suspension"])
def test_M05_F04_with_since_what_was_spent_stays_so_after_any_restart(use: str) -> None:
    clock = Clock()
    site = Forgetful(clock, since=clock())
    token = old_token(7, clock() - 60)
    assert site.is_accepted(token)
    site.spend(token, use)
    clock.advance(60)
    site.forget()
    site.start()
    assert not site.is_accepted(token)


def test_M05_since_opens_the_window_anew() -> None:
    clock = Clock()
    site = Forgetful(clock, since=clock())
    token = old_token(7, clock())
    assert site.is_accepted(token)
    clock.advance(60)
    site.forget()
    assert not site.is_accepted(token)
    site.legacy["since"] = clock()
    site.start()
    assert site.is_accepted(token)


def test_M05_a_new_installation_accepts_tokens_that_are_older_than_its_log() -> None:
    clock = Clock()
    assert Forgetful(clock).is_accepted(old_token(7, clock() - 3000))
