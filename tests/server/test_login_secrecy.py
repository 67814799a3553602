"""What a login tells, what it costs, and how often it may be tried."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from flask_tessera.accounts import hash_profiles
from flask_tessera.accounts.hash_profiles import OWASP_MINIMUM, Pbkdf2, Scrypt
from flask_tessera.accounts.hash_slots import HashSlots
from flask_tessera.accounts.passwords import Passwords
from flask_tessera.accounts.recipients import parse_phone
from flask_tessera.errors import CredentialsError
from flask_tessera.server import administration
from flask_tessera.server.users import ServiceUsers
from flask_tessera.services.account_passwords import AccountPasswords

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask import Flask
    from werkzeug.test import TestResponse

    from flask_tessera.accounts.hash_profiles import Profile
    from flask_tessera.server.users import Users

PHONE = "13800138000"
DISABLED = "13900139000"
UNKNOWN = "13700137000"
PASSWORD = "correct horse battery"
LIMIT = 10
"""Failures per account in five minutes, by default."""


def pbkdf2_of(password: str, iterations: int = 1000) -> str:
    """As Werkzeug stores it."""
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), b"saltsalt", iterations).hex()
    return f"pbkdf2:sha256:{iterations}$saltsalt${digest}"


def scrypt_of(password: str) -> str:
    """As Werkzeug stores it."""
    digest = hashlib.scrypt(password.encode(), salt=b"saltsalt", n=1024, r=8, p=1).hex()
    return f"scrypt:1024:8:1$saltsalt${digest}"


@pytest.fixture
def three(tmp_path: Path, make_service: Callable[..., Flask], password_hash: str) -> Callable[..., Flask]:
    """A service with a user, a disabled user, and an unknown phone."""

    def make(**settings: str) -> Flask:
        app = make_service(tmp_path / "data", **settings)
        service = app.extensions["tessera_service"]
        service.users.add(PHONE, password_hash)
        service.users.add(DISABLED, password_hash)
        with app.app_context():
            administration.disable(service, DISABLED)
        return app

    return make


def say(app: Flask, path: str, phone: str, password: str = "wrong password", **more: Any) -> TestResponse:
    return app.test_client().post(path, json={"phone": phone, "password": password}, **more)


def seen(reply: TestResponse) -> tuple[int, bytes, list[tuple[str, str]]]:
    return reply.status_code, reply.data, sorted((name, value) for name, value in reply.headers if name != "Date")


# -- L05, L06 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/login", "/auth/login"])
@pytest.mark.parametrize("settings", [{}, {"TESSERA_HTTP_STATUS": "semantic"}, {"TESSERA_RESPONSE_FORMAT": "plain"}])
def test_L05_unknown_wrong_and_disabled_get_one_answer(three, path, settings):
    app = three(**settings)
    answers = {phone: seen(say(app, path, phone)) for phone in (PHONE, DISABLED, UNKNOWN)}
    assert answers[PHONE] == answers[DISABLED] == answers[UNKNOWN]


@pytest.mark.parametrize(("path", "status"), [("/login", 200), ("/auth/login", 403)])
def test_L05_only_who_knows_the_password_hears_that_the_account_is_disabled(three, path, status):
    reply = say(three(), path, DISABLED, PASSWORD)
    assert reply.status_code == status
    assert reply.json == {"code": 4102, "msg": "登录失败", "error": "login_refused"}


@pytest.fixture
def counted(users: Users) -> tuple[Users, AccountPasswords, list[Profile]]:
    """A login whose work can be counted."""
    done: list[Profile] = []

    def derive(profile: Profile, password: bytes, salt: bytes) -> bytes:
        done.append(profile)
        return hash_profiles.derive(profile, password, salt)

    return users, AccountPasswords(ServiceUsers(users), Passwords(HashSlots(1), derive=derive)), done


def work_of(login: AccountPasswords, done: list[Profile], phone: str) -> dict[str, int]:
    """Units of each family of hashes."""
    done.clear()
    with pytest.raises(CredentialsError):
        login.owner(parse_phone(phone), "wrong password")
    return {family: sum(each.units for each in done if each.family == family) for family in {p.family for p in done}}


@pytest.mark.repeats("users_url")
def test_L05_L06_unknown_wrong_disabled_legacy_and_broken_accounts_cost_the_same_work(counted, password_hash):
    users, login, done = counted
    rows = {
        PHONE: password_hash,
        DISABLED: password_hash,
        "13500135001": pbkdf2_of(PASSWORD),
        "13500135002": scrypt_of(PASSWORD),
        "13500135003": "no hash at all",
        "13500135004": "",
    }
    for phone, stored in rows.items():
        users.add(phone, stored)
    users.change(DISABLED, disabled=True)
    # Each kind has been met once before, as at the start of the service.
    for phone in rows:
        work_of(login, done, phone)
    works = {phone: work_of(login, done, phone) for phone in (*rows, UNKNOWN)}
    assert all(work == works[UNKNOWN] for work in works.values())
    assert len(works[UNKNOWN]) == 3


def test_L06_a_service_knows_the_kinds_of_old_hashes_from_its_start(tmp_path, make_service, password_hash):
    users = make_service(tmp_path).extensions["tessera_service"].users
    for number, stored in enumerate(
        (password_hash, pbkdf2_of("a"), pbkdf2_of("b"), pbkdf2_of("c", 2000), scrypt_of("d"))
    ):
        users.add(f"1350013500{number}", stored)
    kinds = [stored.rpartition("$")[0].rpartition("$")[0] for stored in users.some_hashes()]
    assert sorted(kinds) == sorted(
        ["pbkdf2:sha256:1000", "pbkdf2:sha256:2000", "scrypt:1024:8:1", password_hash.rsplit("$", 2)[0]]
    )
    passwords = make_service(tmp_path).extensions["tessera_service"].passwords
    assert set(passwords._costliest.values()) == {OWASP_MINIMUM, Pbkdf2("sha256", 2000), Scrypt(1024, 8, 1)}


def test_L05_a_disabled_account_costs_the_work_of_any_other(counted, password_hash):
    """It is refused afterwards, by `LoginAttempt.login`."""
    users, login, done = counted
    users.add(DISABLED, password_hash)
    users.change(DISABLED, disabled=True)
    assert login.owner(parse_phone(DISABLED), PASSWORD).disabled
    assert len(done) == 1


# -- L01: legacy hashes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make_hash", [pbkdf2_of, scrypt_of], ids=["PBKDF2", "scrypt"])
def test_L01_a_row_that_werkzeug_wrote_logs_in_and_is_upgraded_at_once(app, tmp_path, make_hash):
    with closing(sqlite3.connect(tmp_path / "tessera.db")) as database, database:
        database.execute(
            "INSERT INTO service_users (phone, password_hash, name, head_portrait, intro, level, role, disabled)"
            " VALUES (?, ?, 'Old', '', '', 0, '', 0)",
            (UNKNOWN, make_hash(PASSWORD)),
        )
    database.close()
    users = app.extensions["tessera_service"].users
    assert say(app, "/login", UNKNOWN).json["code"] == 4103
    assert users.get(UNKNOWN).password_hash == make_hash(PASSWORD)
    assert say(app, "/login", UNKNOWN, PASSWORD).json["code"] == 0
    upgraded = users.get(UNKNOWN).password_hash
    assert upgraded.startswith("$argon2id$")
    assert say(app, "/login", UNKNOWN, PASSWORD).json["code"] == 0
    assert users.get(UNKNOWN).password_hash == upgraded


def test_L01_an_upgrade_does_not_undo_a_password_change_at_the_same_moment(users, password_hash):
    users.add(PHONE, pbkdf2_of("old password"))

    def change_meanwhile(profile: Profile, password: bytes, salt: bytes) -> bytes:
        users.change(PHONE, password_hash=password_hash)
        return hash_profiles.derive(profile, password, salt)

    login = AccountPasswords(ServiceUsers(users), Passwords(HashSlots(1), derive=change_meanwhile))
    assert login.owner(parse_phone(PHONE), "old password").phone == PHONE
    assert users.get(PHONE).password_hash == password_hash


# -- L07, L08, L09: throttle -------------------------------------------------------------------------------------------


def exhaust(app: Flask, phone: str, path: str = "/login", **more: Any) -> None:
    codes = [say(app, path, phone, **more).json["msg"] for _ in range(LIMIT)]
    assert codes == ["手机号或密码错误" if path == "/login" else "账号或密码错误"] * LIMIT


@pytest.mark.repeats("phone")
@pytest.mark.parametrize("phone", [PHONE, DISABLED, UNKNOWN])
def test_L07_after_the_limit_known_and_unknown_phones_are_refused_alike(three, phone):
    app = three(TESSERA_HTTP_STATUS="semantic")
    exhaust(app, phone)
    reply = say(app, "/login", phone, PASSWORD)
    assert reply.status_code == 429
    assert reply.json == {"code": 4201, "msg": "请求受限", "error": "too_many_requests"}
    assert 1 <= int(reply.headers["Retry-After"]) <= 300


def test_L07_in_the_tutorials_mode_too_many_requests_have_status_200_and_a_retry_after(app):
    exhaust(app, PHONE)
    reply = say(app, "/login", PHONE, PASSWORD)
    assert (reply.status_code, reply.json["code"], reply.json["msg"]) == (200, 4201, "请求受限")
    assert int(reply.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(("first", "second"), [("/login", "/auth/login"), ("/auth/login", "/login")])
def test_L09_both_ways_in_share_one_counter(app, first, second):
    exhaust(app, PHONE, first)
    assert say(app, second, PHONE, PASSWORD).json["code"] == 4201


def test_L09_a_throttled_account_does_not_shut_out_another_nor_a_live_session(three, password_hash):
    app = three()
    app.extensions["tessera_service"].users.add("13500135000", password_hash)
    token = say(app, "/login", PHONE, PASSWORD).json["data"]
    exhaust(app, PHONE)
    assert say(app, "/login", PHONE, PASSWORD).json["code"] == 4201
    assert say(app, "/login", "13500135000", PASSWORD).json["code"] == 0
    assert app.test_client().get("/user/detail", headers={"z-token": token}).json["code"] == 0


def test_L07_a_right_password_does_not_count_and_forgets_nothing(app):
    for _ in range(LIMIT - 1):
        assert say(app, "/login", PHONE).json["code"] == 4103
        assert say(app, "/login", PHONE, PASSWORD).json["code"] == 0
    assert [say(app, "/login", PHONE).json["code"] for _ in range(2)] == [4103, 4201]


def test_L07_input_that_is_no_guess_does_not_count(app):
    for _ in range(LIMIT + 2):
        assert say(app, "/login", PHONE, "").json["msg"] == "请填写手机号或密码"
        assert say(app, "/login", PHONE, "x" * 1025).json["msg"] == "参数错误"
    assert say(app, "/login", PHONE, PASSWORD).json["code"] == 0


def test_L07_parallel_guesses_beyond_the_limit_are_never_checked(three):
    app = three(TESSERA_HASH_SLOTS="16")
    start = threading.Barrier(30)

    def guess(number: int) -> str:
        start.wait()
        text: str = say(app, "/login", PHONE, f"guess number {number}").json["msg"]
        return text

    with ThreadPoolExecutor(30) as pool:
        told = list(pool.map(guess, range(30)))
    # The guess of whom a busy machine lets wait for too long may count, and is not checked.
    checked, unavailable = told.count("手机号或密码错误"), told.count("获取信息失败")
    assert checked <= LIMIT <= checked + unavailable
    assert told.count("请求受限") == 30 - checked - unavailable


@pytest.mark.repeats("header")
@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Client-IP"])
def test_L08_a_forwarded_address_changes_nothing_by_default(app, header):
    for number in range(LIMIT):
        say(app, "/login", PHONE, headers={header: f"198.51.100.{number}"})
    assert say(app, "/login", PHONE, PASSWORD, headers={header: "203.0.113.9"}).json["code"] == 4201
    say(app, "/auth/login", "13900139001", headers={header: "203.0.113.9"})


def test_L08_the_address_of_a_session_is_the_peers_unless_proxies_are_trusted(tmp_path, make_service, password_hash):
    seen = []
    for proxies in ("0", "1"):
        app = make_service(tmp_path / proxies, TESSERA_TRUSTED_PROXIES=proxies)
        service = app.extensions["tessera_service"]
        user = service.users.add(PHONE, password_hash)
        say(app, "/login", PHONE, PASSWORD, headers={"X-Forwarded-For": "203.0.113.9, 198.51.100.7"})
        with app.app_context():
            seen += [session.ip for session in service.tessera.sessions(user)]
    assert seen == ["127.0.0.1", "198.51.100.7"]


def test_L07_a_network_that_guesses_at_many_accounts_is_refused_as_a_whole(app):
    with app.app_context():
        attempts = app.extensions["tessera_service"].tessera.runtime.shared.attempts
        for number in range(100):
            # As a wrong password ends it, without the work.
            with pytest.raises(CredentialsError), attempts.attempt("", [f"account {number}"], "127.0.0.1"):
                raise CredentialsError
    assert say(app, "/login", PHONE, PASSWORD).json["code"] == 4201
    assert say(app, "/login", PHONE, PASSWORD, environ_overrides={"REMOTE_ADDR": "198.51.100.7"}).json["code"] == 0


# -- L02: the work is bounded ------------------------------------------------------------------------------------------


def test_L02_logins_beyond_the_hash_slots_are_refused_and_the_others_served(tmp_path, make_service, password_hash):
    app = make_service(tmp_path, TESSERA_HASH_SLOTS="1", TESSERA_HTTP_STATUS="semantic")
    phones = [f"135001350{number:02}" for number in range(16)]
    for phone in phones:
        app.extensions["tessera_service"].users.add(phone, password_hash)
    start = threading.Barrier(16)

    def log_in(phone: str) -> TestResponse:
        start.wait()
        return say(app, "/login", phone, PASSWORD)

    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(log_in, phones))
    assert {reply.status_code for reply in replies} == {200, 429}
    for reply in replies:
        if reply.status_code == 429:
            assert reply.json["code"] == 4201
            assert reply.headers["Retry-After"] == "1"
    # Being refused for want of a slot is no failed guess.
    for phone in phones:
        assert say(app, "/login", phone, PASSWORD).json["code"] == 0
