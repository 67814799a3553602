"""A storage that fails closes the door politely, and nobody has to restart anything afterwards."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from flask_tessera import StorageUnavailableError, login_required

from .conftest import age


def shop(new_site, storage=None, **config):
    site = new_site(storage=storage, **config)
    site.tessera.authenticator(lambda credentials: 7 if credentials.get("password") == "right" else None)
    site.app.register_blueprint(site.tessera.blueprint())
    site.app.add_url_rule("/who", "who", login_required(lambda: "in"))
    site.app.add_url_rule("/strict", "strict", login_required(strict=True)(lambda: "in"))
    return age(site)


def requests_of(pair):
    """Every request that needs the storage, and whether it writes."""
    return {
        "strict": ("GET", "/strict", pair.access_token, None, "storage_read_failed"),
        "login": ("POST", "/auth/login", None, {"name": "x", "password": "right"}, "storage_read_failed"),
        "refresh": ("POST", "/auth/refresh", None, {"refresh_token": pair.refresh_token}, "storage_write_failed"),
        "logout": ("POST", "/auth/logout", pair.access_token, None, "storage_read_failed"),
        "logout by refresh token": (
            "POST",
            "/auth/logout",
            None,
            {"refresh_token": pair.refresh_token},
            "storage_read_failed",
        ),
        "logout of all": ("POST", "/auth/logout", pair.access_token, {"which": "all"}, "storage_read_failed"),
        "sessions": ("GET", "/auth/sessions", pair.access_token, None, "storage_read_failed"),
        "guard": ("GET", "/who", pair.access_token, None, "storage_read_failed"),
    }


NAMES = list(requests_of(type("Pair", (), {"access_token": "", "refresh_token": ""})))


@pytest.mark.parametrize("name", NAMES)
def test_F02_a_storage_that_fails_is_a_503_with_retry_after_and_recovers_by_itself(new_site, broken_storage, name):
    site = shop(new_site, broken_storage)
    pair = site.login()
    method, path, token, body, slug = requests_of(pair)[name]
    broken_storage.is_broken = True
    answer = site.request(method, path, token, json=body)
    assert (answer.status_code, answer.get_json()["error"]) == (503, slug)
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "away" not in answer.text
    broken_storage.is_broken = False
    assert site.request(method, path, token, json=body).status_code == 200


def test_a_write_that_fails_is_told_apart(new_site, broken_storage):
    site = shop(new_site, broken_storage)
    pair = site.login()
    broken_storage.is_broken, broken_storage.works = True, ("find", "stamp", "after")
    for path, token, body in (
        ("/auth/logout", pair.access_token, None),
        ("/auth/logout", pair.access_token, {"which": "others"}),
        ("/auth/refresh", None, {"refresh_token": pair.refresh_token}),
    ):
        answer = site.post(path, token, json=body)
        assert (answer.status_code, answer.get_json()["code"]) == (503, 4001)
    assert site.get("/strict", pair.access_token).status_code == 200


def test_F03_in_strict_mode_a_guard_without_its_storage_refuses(new_site, broken_storage):
    site = shop(new_site, broken_storage, TESSERA_REVOCATION="strict")
    pair = site.login()
    broken_storage.is_broken, broken_storage.works = True, ("stamp", "after")
    assert site.get("/who", pair.access_token).status_code == 503


def test_in_stateless_mode_a_guard_needs_no_storage(new_site, broken_storage):
    site = shop(new_site, broken_storage, TESSERA_REVOCATION="stateless")
    pair = site.login()
    broken_storage.is_broken = True
    assert site.get("/who", pair.access_token).status_code == 200
    assert site.get("/strict", pair.access_token).status_code == 503


def test_F02_a_refresh_whose_write_failed_may_be_sent_again(new_site, broken_storage):
    site = shop(new_site, broken_storage)
    pair = site.login()
    body = {"refresh_token": pair.refresh_token}
    broken_storage.is_broken = True
    assert site.post("/auth/refresh", json=body).status_code == 503
    broken_storage.is_broken = False
    data = site.post("/auth/refresh", json=body).get_json()["data"]
    assert site.get("/who", data["access_token"]).status_code == 200


def test_a_login_during_a_fault_counts_as_no_wrong_password(new_site, broken_storage):
    site = shop(new_site, broken_storage)
    broken_storage.is_broken = True
    body = {"name": "x", "password": "right"}
    assert [site.post("/auth/login", json=body).status_code for _ in range(15)] == [503] * 15
    broken_storage.is_broken = False
    assert site.post("/auth/login", json=body).status_code == 200


def test_R08_garbage_never_reaches_the_storage(new_site, broken_storage):
    site = shop(new_site, broken_storage)
    broken_storage.is_broken = True
    assert site.get("/who", "garbage").status_code == 401
    assert site.get("/who").status_code == 401
    assert site.post("/auth/refresh", json={"refresh_token": "tsr_" + "A" * 66}).status_code == 401
    assert site.post("/auth/logout", "garbage").status_code == 401


def test_in_the_tutorials_form_a_fault_is_a_200_with_its_code(new_site, broken_storage):
    site = shop(new_site, broken_storage, TESSERA_HTTP_STATUS="always_200")
    pair = site.login()
    broken_storage.is_broken = True
    answer = site.get("/strict", pair.access_token)
    assert (answer.status_code, answer.get_json()["code"], answer.get_json()["msg"]) == (200, 4004, "获取信息失败")


# SQLite, really broken


@pytest.fixture
def on_file(new_site, tmp_path):
    site = shop(new_site, TESSERA_STORE_URL=f"sqlite:///{tmp_path}/tessera.db")
    yield site, tmp_path / "tessera.db"
    with site.app.app_context():
        site.tessera.runtime.storage.close()


def test_X4_a_locked_file_is_a_503_and_reads_go_on(on_file):
    site, file = on_file
    pair = site.login()
    assert site.get("/who", pair.access_token).status_code == 200
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = site.post("/auth/refresh", json={"refresh_token": pair.refresh_token})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert site.get("/who", pair.access_token).status_code == 200
        assert site.get("/strict", pair.access_token).status_code == 200
        other.execute("ROLLBACK")
    assert site.post("/auth/refresh", json={"refresh_token": pair.refresh_token}).status_code == 200


@pytest.mark.unix("way to take away a file that is open")
def test_F04_a_lost_file_lets_nobody_in_whose_session_is_not_known(on_file):
    site, file = on_file
    pair = site.login()
    for each in file.parent.iterdir():
        each.unlink()
    assert site.get("/strict", pair.access_token).status_code in (401, 503)
    assert site.post("/auth/refresh", json={"refresh_token": pair.refresh_token}).status_code in (401, 503)
    assert site.post("/auth/login", json={"name": "x", "password": "right"}).status_code in (200, 503)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder in which nothing can be created")
def test_a_place_where_no_file_can_be_is_a_503_and_no_500(new_site):
    site = new_site(TESSERA_STORE_URL="sqlite:////proc/self/tessera.db")
    site.app.add_url_rule("/signin", "signin", lambda: site.tessera.login(7).to_response())
    answer = site.get("/signin")
    assert (answer.status_code, answer.get_json()["code"]) == (503, 4004)
    with site.app.app_context(), pytest.raises(StorageUnavailableError):
        site.tessera.login(7)


def test_an_engine_and_a_flask_sqlalchemy_object_are_storages_too(new_site, tmp_path):
    import sqlalchemy
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    from flask_tessera import Tessera

    from .conftest import SECRET

    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/engine.db")
    site = new_site(storage=engine)
    site.app.add_url_rule("/who", "who", login_required(lambda: "in"))
    assert site.get("/who", site.login().access_token).status_code == 200
    engine.dispose()

    app, db = Flask("db"), SQLAlchemy()
    app.config.update(SECRET_KEY=SECRET, SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/db.db")
    tessera: Tessera = Tessera(storage=db)
    tessera.init_app(app)
    db.init_app(app)
    app.add_url_rule("/who", "who", login_required(lambda: "in"))
    with app.app_context():
        token = tessera.create_token("anna")
    assert app.test_client().get("/who", headers={"z-token": token}).status_code == 200
    with app.app_context():
        db.engine.dispose()
