"""`users …`: the service's users, at the prompt and over standard input."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pyotp
import pytest

from flask_tessera.server import create_app

from .calling import ENDS_NO_INPUT, HOSTILE, PASSWORD, PHONE, SECRET, add, assert_refused, id_of, tessera_of


def test_a_user_is_added_with_the_password_of_the_prompt(run, tmp_path):
    result = run("users", "add", PHONE, "--name", "Ada", "--level", "3", input=f"{PASSWORD}\n{PASSWORD}\n")
    assert result.exit_code == 0
    assert PASSWORD not in result.output
    app = create_app(environment={"SECRET_KEY": SECRET}, data=str(tmp_path))
    assert result.stdout.splitlines()[-1] == f"added user {id_of(app)} with phone {PHONE}"
    client = app.test_client()
    token = client.post("/login", json={"phone": PHONE, "password": PASSWORD}).json["data"]
    detail = client.get("/user/detail", headers={"z-token": token}).json["data"]
    assert (detail["name"], detail["level"]) == ("Ada", 3)


@pytest.mark.skipif(ENDS_NO_INPUT, reason="the test runner of click 8.1 answers a prompt for ever, with nothing")
def test_two_different_passwords_at_the_prompt_add_nobody(run):
    assert run("users", "add", PHONE, input=f"{PASSWORD}\nanother one\n").exit_code == 1
    assert run("users", "list").stdout == ""


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\nsecond line\n"])
def test_L03_the_password_on_standard_input_ends_with_its_line_and_keeps_its_blanks(run, tmp_path, ending):
    assert run("users", "add", PHONE, "--password-stdin", input=f"  {PASSWORD}  {ending}").exit_code == 0
    service = create_app(environment={"SECRET_KEY": SECRET}, data=str(tmp_path)).extensions["tessera_service"]
    stored = service.users.get(PHONE).password_hash
    assert service.passwords.verify(stored, f"  {PASSWORD}  ")
    assert not service.passwords.verify(stored, PASSWORD)


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b"", "at least 8 characters"),
        (b"seven!!\n", "at least 8 characters"),
        (b"Password1!\n", "many people use"),
        (b"x" * 1025, "1024 bytes"),
        (b"with a NUL \0\n", "NUL"),
        (b"\xff\xfe\xfd no UTF-8 \n", "UTF-8"),
    ],
)
def test_L03_L04_a_password_that_cannot_be_one_is_refused_in_one_sentence(run, sent, text):
    assert_refused(run("users", "add", PHONE, "--password-stdin", input=sent), text)
    assert run("users", "list").stdout == ""


def test_a_phone_number_that_is_taken_is_refused_in_one_sentence(run, service):
    assert_refused(add(run), "taken")


@pytest.mark.repeats("act")
@pytest.mark.parametrize("phone", ["123", "１３８００１３８０００", "\udcff", "138\n00138000", "a@"])
@pytest.mark.parametrize("act", ["add", "disable", "enable", "delete"])
def test_what_is_no_phone_number_is_refused_in_one_sentence(run, service, act, phone):
    more = {"input": f"{PASSWORD}\n"} if act == "add" else {}
    words = ["--password-stdin"] if act == "add" else []
    assert_refused(run("users", act, phone, *words, **more), "e-mail address" if "@" in phone else "phone number")


def test_L10_a_user_is_found_by_any_spelling_of_the_phone_number_and_by_the_address(run, service):
    run("users", "add", "Ada@Example.com", "--password-stdin", input=f"{PASSWORD}\n")
    assert run("users", "disable", "+86 138 0013 8000").exit_code == 0
    assert run("users", "disable", "ada@example.com").exit_code == 0
    assert run("users", "list").stdout.count("disabled") == 2


def test_who_has_lost_his_second_factor_gets_rid_of_it(run, service):
    parts = service.extensions["tessera_service"]
    with service.app_context():
        runtime = parts.tessera.runtime
        (user,) = parts.users.all()
        secret = runtime.accounts.totp.begin(str(user.id), PHONE, "shop").secret
        runtime.accounts.totp.confirm(str(user.id), pyotp.TOTP(secret).at(runtime.clock()))
        assert runtime.accounts.second_factors.names_of(str(user.id)) == ("totp", "recovery")
    assert "no second factor any more" in run("users", "reset-factors", PHONE).stdout
    assert_refused(run("users", "reset-factors", "13900139000"), "13900139000")
    with service.app_context():
        assert runtime.accounts.second_factors.names_of(str(user.id)) == ()


@pytest.mark.repeats("act")
@pytest.mark.parametrize("act", ["disable", "enable", "delete", "scope"])
def test_an_unknown_phone_number_is_refused_in_one_sentence(run, service, act):
    more = ["a"] if act == "scope" else []
    assert_refused(run("users", act, "13900139000", *more), "13900139000")


def test_users_are_listed_one_a_line(run, service):
    add(run, "13900139000", "--name", "名字", "--level", "3", "--role", "admin")
    run("users", "disable", PHONE)
    assert run("users", "list").stdout.splitlines() == [
        f"{id_of(service)}\t{PHONE}\tdisabled\t0\t-\t-",
        f"{id_of(service, '13900139000')}\t13900139000\tenabled\t3\tadmin\t名字",
    ]


def test_S03_disabling_ends_the_sessions_and_enabling_revives_none(run, service):
    client = service.test_client()
    with service.app_context():
        tokens = [tessera_of(service).create_token(id_of(service)) for _ in range(2)]

    def codes() -> list[int]:
        return [client.get("/user/detail", headers={"z-token": token}).json["code"] for token in tokens]

    assert codes() == [0, 0]
    assert run("users", "disable", PHONE).stdout.startswith(f"disabled {PHONE}; 2 sessions ended; refused by every")
    assert codes() == [4101, 4101]
    assert run("users", "enable", PHONE).stdout == f"enabled {PHONE}\n"
    assert codes() == [4101, 4101]
    assert client.post("/login", json={"phone": PHONE, "password": PASSWORD}).json["code"] == 0


def test_S03_deleting_removes_the_user_and_the_sessions(run, service):
    with service.app_context():
        token = tessera_of(service).create_token(id_of(service))
    assert "1 sessions ended" in run("users", "delete", PHONE).stdout
    assert service.test_client().get("/user/detail", headers={"z-token": token}).json["code"] == 4101
    assert run("users", "list").stdout == ""


@pytest.mark.slow
def test_A02_the_keys_of_a_user_reach_as_far_as_the_scope_that_he_was_given(run, service):
    add(run, "13900139000", "--scope", " orders:read  orders:write orders:read ")
    assert run("users", "list").stdout.endswith("\t-\torders:read orders:write\n")
    client = service.test_client()

    def log_in() -> dict[str, str]:
        answer = client.post("/auth/login", json={"phone": "13900139000", "password": PASSWORD})
        return {"z-token": answer.json["data"]["access_token"]}

    def make_key(headers: dict[str, str], scope: str) -> str:
        answer = client.post("/auth/api-keys", json={"name": "till", "scope": scope}, headers=headers)
        return answer.json.get("error") or answer.json["data"]["scope"]

    before = log_in()
    assert make_key(before, "orders:write") == "orders:write"
    assert make_key(before, "orders:delete") == "scope_missing"
    result = run("users", "scope", "13900139000", "orders:read")
    assert result.stdout.startswith("changed the scope of 13900139000; 1 sessions ended; refused by every worker by ")
    assert make_key(before, "orders:write") == "session_kick"
    assert make_key(log_in(), "orders:write") == "scope_missing"
    run("users", "scope", "13900139000", "")
    assert make_key(log_in(), "orders:read") == "scope_missing"


@pytest.mark.parametrize("scope", ["a\nb\0", "\udcff", "x" * 1025])
def test_a_scope_that_no_token_can_hold_is_refused_in_one_sentence(run, service, scope):
    assert_refused(run("users", "scope", PHONE, scope), "1024 bytes")


@pytest.mark.repeats("name")
@pytest.mark.parametrize("name", HOSTILE)
def test_G02_a_hostile_name_in_the_table_forges_no_line(run, service, tmp_path, name):
    with closing(sqlite3.connect(tmp_path / "tessera.db")) as database, database:
        database.execute("UPDATE service_users SET name = ?, role = ?", (HOSTILE[name], HOSTILE[name]))
    (line,) = run("users", "list").stdout.splitlines()
    assert line.replace("\t", "").isprintable()
    assert len(line.split("\t")) == 6


# -- passwd ------------------------------------------------------------------------------------------------------------


def test_S03_passwd_changes_the_password_and_ends_the_sessions(run, service):
    client = service.test_client()
    with service.app_context():
        token = tessera_of(service).create_token(id_of(service))
    result = run("users", "passwd", PHONE, input="another password\nsecond line\n")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"changed the password of {PHONE}; 1 sessions ended; refused by every worker by ")
    assert client.get("/user/detail", headers={"z-token": token}).json["code"] == 4101
    assert client.post("/login", json={"phone": PHONE, "password": PASSWORD}).json["code"] == 4103
    assert client.post("/login", json={"phone": PHONE, "password": "another password"}).json["code"] == 0


def test_L03_passwd_asks_twice_on_a_terminal(run, service, monkeypatch):
    monkeypatch.setattr("flask_tessera.cli.users._is_terminal", lambda: True)
    result = run("users", "passwd", PHONE, input="another password\nanother one\nanother password\nanother password\n")
    assert result.exit_code == 0
    assert result.stdout.count("Repeat for confirmation") == 2
    assert "another" not in result.output
    login = {"phone": PHONE, "password": "another password"}
    assert service.test_client().post("/login", json=login).json["code"] == 0


@pytest.mark.parametrize(
    ("sent", "text"),
    [("short\n", "at least 8 characters"), ("", "at least 8 characters"), ("woaini1314\n", "many people use")],
)
def test_L03_a_new_password_that_cannot_be_one_changes_nothing(run, service, sent, text):
    assert_refused(run("users", "passwd", PHONE, input=sent), text)
    login = {"phone": PHONE, "password": PASSWORD}
    assert service.test_client().post("/login", json=login).json["code"] == 0


def test_passwd_of_nobody_is_refused_before_a_password_is_asked_for(run, service):
    assert_refused(run("users", "passwd", "13900139000", input=""), "13900139000")
    assert_refused(run("users", "passwd", "nobody", input=""), "phone number")


@pytest.mark.long
def test_a_console_in_gbk_shows_what_it_has_and_the_rest_as_escapes(run, tmp_path):
    add(run, PHONE, "--name", "名字 🐎")
    done = subprocess.run(
        [sys.executable, "-m", "flask_tessera.cli", "--data", str(tmp_path), "users", "list"],
        env={**os.environ, "SECRET_KEY": SECRET, "PYTHONIOENCODING": "gbk"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    (line,) = done.stdout.decode("gbk").splitlines()
    assert line.partition("\t")[2] == f"{PHONE}\tenabled\t0\t-\t名字 \\U0001f40e"
