"""The smallest application: the lines of the README."""

from __future__ import annotations

import importlib.util
import secrets
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flask.testing import FlaskClient

APP = Path(__file__).resolve().parents[2] / "examples" / "minimal" / "app.py"
NEW_SECRET = secrets.token_hex()
PASSWORD = "four words that nobody guesses"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setenv("FLASK_SECRET_KEY", NEW_SECRET)
    monkeypatch.setenv("FLASK_ALICE_PASSWORD", PASSWORD)
    path = shutil.copy(APP, tmp_path)
    spec = importlib.util.spec_from_file_location("minimal_app", path)
    module = importlib.util.module_from_spec(spec)
    # Flask looks there for the folder of the application, in which the database lies.
    monkeypatch.setitem(sys.modules, "minimal_app", module)
    spec.loader.exec_module(module)
    return module.app.test_client()


def log_in(client: FlaskClient, **credentials: object) -> dict[str, object]:
    return client.post("/auth/login", json={"name": "alice", "password": PASSWORD, **credentials}).get_json()


def test_it_greets_whoever_is_logged_in(client: FlaskClient):
    pair = log_in(client)["data"]

    assert client.get("/hello").status_code == 401
    assert client.get("/hello", headers={"z-token": pair["access_token"]}).get_json() == {"hello": "alice"}


def test_it_refreshes_and_logs_out(client: FlaskClient):
    pair = log_in(client)["data"]
    pair = client.post("/auth/refresh", json={"refresh_token": pair["refresh_token"]}).get_json()["data"]
    alice = {"Authorization": f"Bearer {pair['access_token']}"}

    assert len(client.get("/auth/sessions", headers=alice).get_json()["data"]) == 1
    assert client.post("/auth/logout", headers=alice).status_code == 200
    assert client.get("/hello", headers=alice).get_json()["error"] == "session_logout"


@pytest.mark.parametrize(
    ("credentials", "error"),
    [
        ({"password": "wrong"}, "credentials_wrong"),
        ({"name": "bob"}, "credentials_wrong"),
        ({"name": None}, "credentials_missing"),
        ({"name": ["alice"]}, "input_malformed"),
        ({"password": True}, "input_malformed"),
        ({"password": None}, "input_malformed"),
    ],
)
def test_L05_it_refuses_wrong_credentials(client: FlaskClient, credentials: dict[str, object], error: str):
    assert log_in(client, **credentials)["error"] == error


def test_its_database_lies_in_its_own_folder(client: FlaskClient, tmp_path: Path):
    log_in(client)
    assert (tmp_path / "instance" / "tessera.db").exists()
