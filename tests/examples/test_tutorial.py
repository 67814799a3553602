"""The tutorial's application before and after: what broke, and that its wire is kept."""

from __future__ import annotations

import base64
import hmac
import importlib
import json
import secrets
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask
    from flask.testing import FlaskClient

TUTORIAL = Path(__file__).resolve().parents[2] / "examples" / "tutorial"
MODULES = ("app", "auth", "models")
NEW_SECRET = secrets.token_hex()
OLD_SECRET = "the secret of the old application"
PHONE, PASSWORD = "13800138000", "four words that nobody guesses"
NO_TOKEN = {"code": 4103, "msg": "缺少参数token"}
BAD_TOKEN = {"code": 4101, "msg": "登录已过期"}
SHOWN = {"phone": PHONE, "name": "Li", "head_portrait": "", "intro": "", "level": 0}


class Example(NamedTuple):
    """An example's modules, imported."""

    app: Any
    models: Any


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Example]]:
    """Imports one of the two folders, as a copy of its own."""
    monkeypatch.setenv("SECRET_KEY", NEW_SECRET)
    monkeypatch.setenv("OLD_SECRET_KEY", OLD_SECRET)
    monkeypatch.setenv("DATABASE", str(tmp_path / "users.db"))

    def load(name: str) -> Example:
        shutil.copytree(TUTORIAL / name, tmp_path / name)
        monkeypatch.syspath_prepend(tmp_path / name)
        return Example(importlib.import_module("app"), importlib.import_module("models"))

    yield load
    for module in MODULES:
        sys.modules.pop(module, None)


@pytest.fixture
def after(load: Callable[[str], Example]) -> Example:
    return load("after")


def make_app(example: Example, *, window: int = 3600) -> Flask:
    """The application with one user, its window for old tokens open for so many seconds."""
    app = example.app.create_app()
    app.config["TESSERA_LEGACY"] = {**app.config["TESSERA_LEGACY"], "until": int(time.time()) + window}
    with app.app_context():
        if example.models.get_user_by_phone(PHONE) is None:
            example.models.add_user(PHONE, PASSWORD, "Li")
    return app


def old_token(payload: dict[str, Any], *, issued: int = 0, lifetime: int = 3600, secret: str = OLD_SECRET) -> str:
    """What itsdangerous 2.0 made: times in the header, HS512, the secret itself as key."""
    issued_at = int(time.time()) + issued
    header = {"alg": "HS512", "iat": issued_at, "exp": issued_at + lifetime}
    signed = ".".join(segment(json.dumps(each, separators=(",", ":")).encode()) for each in (header, payload))
    return f"{signed}.{segment(hmac.digest(secret.encode(), signed.encode(), 'sha512'))}"


def segment(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def detail(client: FlaskClient, **headers: str) -> dict[str, Any]:
    """The answer of GET /user/detail, which always has status 200; without the slug that is new in it."""
    answer = client.get("/user/detail", headers={name.replace("_", "-"): value for name, value in headers.items()})
    assert answer.status_code == 200
    return {name: value for name, value in answer.get_json().items() if name != "error"}


def log_in(client: FlaskClient) -> str:
    return client.post("/login", json={"phone": PHONE, "password": PASSWORD}).get_json()["data"]


def test_before_cannot_be_imported_with_the_present_itsdangerous(load: Callable[[str], Example]):
    with pytest.raises(ImportError, match="TimedJSONWebSignatureSerializer"):
        load("before")


def test_the_two_folders_hold_the_same_files():
    names = [{path.name for path in (TUTORIAL / each).glob("*.py")} for each in ("before", "after")]
    assert names[0] == names[1] == {f"{module}.py" for module in MODULES}


def test_after_logs_in_and_shows_the_user_as_before(after: Example):
    client = make_app(after).test_client()
    answer = client.post("/login", json={"phone": PHONE, "password": PASSWORD}).get_json()

    assert answer.keys() == {"code", "msg", "data"}
    assert (answer["code"], answer["msg"]) == (0, "成功")
    assert detail(client, z_token=answer["data"]) == {"code": 0, "msg": "成功", "data": SHOWN}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (None, "未接收到参数"),
        ([], "未接收到参数"),
        ({"phone": PHONE}, "请填写手机号或密码"),
        ({"phone": PHONE, "password": ["L18"]}, "请填写手机号或密码"),
        ({"phone": "1380013800", "password": PASSWORD}, "手机号有误"),
        ({"phone": PHONE, "password": "wrong"}, "手机号或密码错误"),
        ({"phone": "13800138001", "password": PASSWORD}, "手机号或密码错误"),
    ],
)
def test_after_refuses_a_login_as_before(after: Example, body: Any, text: str):
    answer = make_app(after).test_client().post("/login", json=body)
    assert (answer.status_code, answer.get_json()) == (200, {"code": 4103, "msg": text})


@pytest.mark.slow
def test_L07_after_lets_nobody_guess_without_limit(after: Example):
    client = make_app(after).test_client()
    wrong = {"phone": PHONE, "password": "wrong"}
    codes = [client.post("/login", json=wrong).get_json()["code"] for _ in range(12)]
    assert codes == [4103] * 10 + [4201] * 2
    assert client.post("/login", json={"phone": PHONE, "password": PASSWORD}).get_json()["code"] == 4201


def test_L05_after_works_as_hard_for_an_unknown_phone_as_for_a_wrong_password(after: Example):
    """Counted once the kind of the old hashes has been seen, as `passwords.remember` shows it at the start."""
    app = make_app(after)
    with app.app_context():
        passwords = after.app.tessera.passwords
    done: list[int] = []
    derive = passwords._derive
    passwords._derive = lambda profile, *given: done.append(profile.units) or derive(profile, *given)
    work = []
    for phone in (PHONE, PHONE, "13800138001"):
        done.clear()
        app.test_client().post("/login", json={"phone": phone, "password": "wrong"})
        work.append(sum(done))
    assert work[0] == work[1] == work[2] > 0


def test_after_refuses_a_user_who_is_gone_at_every_guarded_view(after: Example):
    """The tutorial's guard loaded the user, so it refused one who was deleted, whatever the view looks at."""
    app = make_app(after)
    app.add_url_rule("/orders", "orders", importlib.import_module("auth").login_required(lambda: {"code": 0}))
    client = app.test_client()
    headers = {"z-token": log_in(client)}
    assert client.get("/orders", headers=headers).get_json() == {"code": 0}
    with app.app_context():
        connection = after.models.connect()
        connection.execute("DELETE FROM users")
        connection.commit()
        connection.close()
    assert client.get("/orders", headers=headers).get_json()["code"] == 4101


def test_after_answers_bad_tokens_as_before(after: Example):
    client = make_app(after).test_client()

    assert detail(client) == NO_TOKEN
    assert detail(client, z_token="nonsense") == BAD_TOKEN
    assert detail(client, z_token="") == BAD_TOKEN


def test_after_can_take_a_token_back(after: Example):
    client = make_app(after).test_client()
    token = log_in(client)

    assert client.post("/auth/logout", headers={"z-token": token}).get_json()["code"] == 0
    assert detail(client, z_token=token)["code"] == 4101


def test_M01_an_old_token_is_good_until_the_window_closes(after: Example):
    token = old_token({"id": 1})

    assert detail(make_app(after).test_client(), z_token=token)["data"] == SHOWN
    assert detail(make_app(after, window=0).test_client(), z_token=token) == BAD_TOKEN


@pytest.mark.parametrize(
    "token",
    [
        pytest.param({"payload": {"id": 1}, "secret": "another secret"}, id="another secret"),
        pytest.param({"payload": {"id": 1}, "issued": -3601}, id="expired"),
        pytest.param({"payload": {"id": 1, "operation": "reset"}}, id="M03 a reset link"),
        pytest.param({"payload": {"id": True}}, id="M02 no id"),
        pytest.param({"payload": {"id": 2}}, id="nobody"),
    ],
)
def test_other_old_tokens_are_refused(after: Example, token: dict[str, Any]):
    assert detail(make_app(after).test_client(), z_token=old_token(**token)) == BAD_TOKEN


def test_M05_an_old_token_is_exchanged_once(after: Example):
    client = make_app(after).test_client()
    token = old_token({"id": 1})
    pair = client.post("/auth/exchange", headers={"z-token": token}).get_json()["data"]

    assert detail(client, z_token=pair["access_token"])["data"] == SHOWN
    assert client.post("/auth/refresh", json={"refresh_token": pair["refresh_token"]}).get_json()["code"] == 0
    assert client.post("/auth/exchange", headers={"z-token": token}).get_json()["code"] == 4101
    assert detail(client, z_token=token) == BAD_TOKEN


def test_M01_no_exchange_after_the_window_has_closed(after: Example):
    client = make_app(after, window=0).test_client()
    assert client.post("/auth/exchange", headers={"z-token": old_token({"id": 1})}).get_json()["code"] == 4101


def test_M05_logging_out_everywhere_ends_old_tokens_too(after: Example):
    client = make_app(after).test_client()
    token = old_token({"id": 1})
    body = {"which": "all"}

    assert client.post("/auth/logout", json=body, headers={"z-token": log_in(client)}).get_json()["code"] == 0
    assert detail(client, z_token=token)["code"] == 4101


def test_M04_an_old_token_under_the_new_secret_is_refused(after: Example):
    token = old_token({"id": 1}, secret=NEW_SECRET)
    assert detail(make_app(after).test_client(), z_token=token) == BAD_TOKEN


def test_the_window_in_the_example_is_a_date(after: Example):
    until = after.app.create_app().config["TESSERA_LEGACY"]["until"]
    assert time.gmtime(until)[:6] == (2028, 1, 1, 0, 0, 0)
