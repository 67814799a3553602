"""The application with a user table of its own: the lines of docs/accounts.md."""

from __future__ import annotations

import importlib.util
import json
import secrets
import shutil
import sys
from pathlib import Path

import pytest

from flask_tessera.accounts.recipients import parse_recipient
from flask_tessera.accounts.user_store import NewUser
from flask_tessera.errors import AlreadyExistsError
from flask_tessera.testing import race

APP = Path(__file__).resolve().parents[2] / "examples" / "accounts" / "app.py"
PHONE, EMAIL = "13800138000", "ada@example.com"
PASSWORD = "nine purple herons"


class Shop:
    """The example as a module of its own, with a folder for its databases and messages."""

    def __init__(self, folder, monkeypatch):
        monkeypatch.setenv("FLASK_SECRET_KEY", secrets.token_hex())
        monkeypatch.setenv("FLASK_TESSERA_SENDER", f"file:{folder / 'messages.jsonl'}")
        spec = importlib.util.spec_from_file_location("accounts_app", shutil.copy(APP, folder))
        self.module = importlib.util.module_from_spec(spec)
        # Flask looks there for the folder of the application, in which the databases lie.
        monkeypatch.setitem(sys.modules, "accounts_app", self.module)
        spec.loader.exec_module(self.module)
        self.app, self.people, self.messages = self.module.app, self.module.People(), folder / "messages.jsonl"

    def post(self, path, body, token=""):
        headers = {"z-token": token} if token else {}
        return self.app.test_client().post(f"/auth{path}", json=body, headers=headers).json

    def code(self, recipient, purpose):
        assert self.post("/codes", {"recipient": recipient, "purpose": purpose})["code"] == 0
        return json.loads(self.messages.read_text("utf-8").splitlines()[-1])["code"]

    def register(self, recipient=PHONE, **more):
        body = {"recipient": recipient, "code": self.code(recipient, "register"), "password": PASSWORD, **more}
        return self.post("/register", body)

    def error_of(self, token):
        return self.app.test_client().get("/auth/me", headers={"z-token": token}).json.get("error")


@pytest.fixture
def shop(tmp_path, monkeypatch):
    return Shop(tmp_path, monkeypatch)


def test_who_registers_is_a_row_of_the_table_and_logs_in_in_each_way(shop):
    token = shop.register(name="Ada")["data"]["access_token"]
    me = shop.app.test_client().get("/auth/me", headers={"z-token": token}).json["data"]
    assert me == {"phone": "+8613800138000", "email": None, "name": "Ada"}
    assert shop.post("/login", {"phone": PHONE, "password": PASSWORD})["code"] == 0
    assert shop.post("/login", {"recipient": PHONE, "code": shop.code(PHONE, "login")})["code"] == 0
    assert shop.post("/login", {"phone": PHONE, "password": "another one"})["error"] == "credentials_wrong"


def test_whoever_is_there_already_is_not_made_twice(shop):
    def add(_number):
        with shop.app.app_context():
            try:
                return shop.people.create(NewUser(parse_recipient(EMAIL))).id
            except AlreadyExistsError:
                return None

    assert sorted(race(8, add), key=bool) == [None] * 7 + [1]
    assert shop.register(EMAIL)["error"] == "already_exists"


def test_a_hash_is_kept_only_where_the_row_holds_the_old_one(shop):
    with shop.app.app_context():
        person = shop.people.create(NewUser(parse_recipient(PHONE)))
        assert shop.people.set_password_hash(person, "first", None)
        assert not shop.people.set_password_hash(person, "second", None)
        assert not shop.people.set_password_hash(person, "second", "other")
        assert shop.people.set_password_hash(person, "second", "first")
        assert shop.people.password_hash(person) == "second"


def test_another_address_takes_the_place_of_the_old_one_unless_it_is_taken(shop):
    with shop.app.app_context():
        first = shop.people.create(NewUser(parse_recipient(EMAIL)))
        second = shop.people.create(NewUser(parse_recipient(PHONE)))
        with pytest.raises(AlreadyExistsError):
            shop.people.bind(second, parse_recipient(EMAIL))
        assert shop.people.bind(first, parse_recipient("ada@example.org")).email == "ada@example.org"
        assert shop.people.by_recipient(parse_recipient(EMAIL)) is None
        assert [each.address for each in shop.people.recipients(second)] == ["+8613800138000"]


def test_a_name_is_changed_by_its_owner(shop):
    token = shop.register()["data"]["access_token"]
    answer = shop.app.test_client().patch("/auth/me", json={"name": "Ada"}, headers={"z-token": token}).json
    assert answer["data"]["name"] == "Ada"


def test_L05_who_is_disabled_is_told_so_after_the_right_password_alone(shop):
    shop.register()
    with shop.app.app_context():
        shop.people.by_id(1).disabled = True
        shop.module.db.session.commit()
    assert shop.post("/login", {"phone": PHONE, "password": "another one"})["error"] == "credentials_wrong"
    assert shop.post("/login", {"phone": PHONE, "password": PASSWORD})["error"] == "login_refused"


def test_who_is_deleted_is_out_and_the_id_is_given_to_nobody_else(shop):
    token = shop.register()["data"]["access_token"]
    with shop.app.app_context():
        shop.module.db.session.delete(shop.people.by_id(1))
        shop.module.db.session.commit()
        assert shop.people.create(NewUser(parse_recipient(EMAIL))).id == 2
    assert shop.error_of(token) == "session_user_gone"


def test_a_second_factor_and_a_step_up_come_with_the_users(shop):
    rules = {rule.rule for rule in shop.app.url_map.iter_rules()}
    assert {"/auth/totp", "/auth/step-up", "/auth/second-factor", "/auth/links/redeem"} <= rules
