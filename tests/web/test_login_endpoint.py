"""POST /auth/login: credentials to a session, and what a hostile client may send instead."""

from __future__ import annotations

import itertools
import json
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_tessera import ConfigError, CredentialsError, LoginRefusedError, StorageUnavailableError, signals
from flask_tessera.errors import InputError
from flask_tessera.testing import race
from flask_tessera.web.endpoints.body import LARGEST_BODY
from flask_tessera.web.endpoints.login import _tell_to_declare

GOOD = {"phone": "13800000007", "password": "right"}


@pytest.fixture
def shop(new_site):
    """A site whose users log in with `right` as their password; `shop.asked` counts the checks."""
    return make_shop(new_site)


def make_shop(new_site, authenticator=None, **how):
    site = new_site(**how)
    site.asked = []

    def check(credentials):
        site.asked.append(credentials)
        phone = credentials.get("phone")
        right = isinstance(phone, str) and phone.startswith("1380000000") and credentials.get("password") == "right"
        return site.users.get(int(phone[-1])) if right else None

    site.tessera.authenticator(authenticator or check)
    site.tessera.user_view(lambda user: {"id": user.id, "name": user.name})
    site.app.register_blueprint(site.tessera.blueprint())
    return site


def test_the_right_credentials_begin_a_session(shop):
    answer = shop.post("/auth/login", json=GOOD)
    data = answer.get_json()["data"]
    assert (answer.status_code, answer.get_json()["code"]) == (200, 0)
    assert answer.headers["Cache-Control"] == "no-store"
    assert shop.get("/auth/me", data["access_token"]).get_json()["data"] == {"id": 7, "name": "user 7"}


def test_the_scope_loader_says_what_logins_may_do_that_do_not_say_so_themselves(shop):
    @shop.tessera.scope_loader
    async def load(user):
        return "orders:read orders:write" if user.id == 7 else None

    def scopes(token):
        with shop.app.app_context():
            return shop.tessera.verify(token).scopes

    given = shop.post("/auth/login", json=GOOD).get_json()["data"]
    assert scopes(given["access_token"]) == {"orders:read", "orders:write"}
    later = shop.post("/auth/refresh", json={"refresh_token": given["refresh_token"]}).get_json()["data"]
    assert scopes(later["access_token"]) == {"orders:read", "orders:write"}, "a session keeps its scope"
    assert scopes(shop.login(8).access_token) == frozenset()
    assert scopes(shop.login(7, scope="").access_token) == frozenset()


def test_an_async_authenticator_is_awaited(new_site):
    async def check(credentials):
        return 7 if credentials == GOOD else None

    site = make_shop(new_site, check)
    assert site.post("/auth/login", json=GOOD).status_code == 200
    assert site.post("/auth/login", json={"phone": "x"}).status_code == 401


@pytest.mark.parametrize("wrong", [None, False])
def test_L05_wrong_credentials_get_4103_and_tell_nothing(new_site, wrong):
    site = make_shop(new_site, lambda credentials: wrong)
    answer = site.post("/auth/login", json=GOOD)
    assert (answer.status_code, answer.get_json()) == (
        401,
        {"code": 4103, "msg": "账号或密码错误", "error": "credentials_wrong"},
    )
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "data" not in answer.get_json()


def raising(error):
    def check(credentials):
        raise error

    return check


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (CredentialsError("wrong"), 401, "credentials_wrong"),
        (LoginRefusedError("disabled"), 403, "login_refused"),
        (InputError("no phone", slug="credentials_missing"), 400, "credentials_missing"),
    ],
)
def test_an_authenticator_may_say_what_is_wrong(new_site, error, status, slug):
    answer = make_shop(new_site, raising(error)).post("/auth/login", json=GOOD)
    assert (answer.status_code, answer.get_json()["error"]) == (status, slug)


def test_H07_an_authenticator_that_fails_lets_nobody_in(new_site):
    site = make_shop(new_site, raising(ZeroDivisionError()))
    assert site.post("/auth/login", json=GOOD).status_code == 500


def test_a_suspended_user_is_told_so_only_after_the_right_password(shop):
    with shop.app.app_context():
        shop.tessera.suspend(7)
    assert shop.post("/auth/login", json={**GOOD, "password": "wrong"}).get_json()["code"] == 4103
    answer = shop.post("/auth/login", json=GOOD)
    assert (answer.status_code, answer.get_json()["code"], answer.get_json()["msg"]) == (403, 4102, "登录失败")


def test_S05_every_login_has_a_session_id_of_its_own_and_takes_none_from_the_client(shop):
    sent = {**GOOD, "session_id": "A" * 22, "sid": "A" * 22, "refresh_token": "tsr_x"}
    first = shop.post("/auth/login", json=GOOD).get_json()["data"]
    again = shop.post("/auth/login", first["access_token"], json=sent).get_json()["data"]
    assert len({first["session_id"], again["session_id"], "A" * 22}) == 3


# The device


def test_the_device_is_kept_and_not_shown_to_the_authenticator(shop):
    device = {"type": "phone", "id": "abc", "name": "小明的手机"}
    token = shop.post("/auth/login", json={**GOOD, "device": device}).get_json()["data"]["access_token"]
    assert shop.asked == [GOOD]
    assert shop.get("/auth/sessions", token).get_json()["data"][0]["device"] == device


@pytest.mark.parametrize("device", [5, "phone", [], {"type": 5}, {"id": 5}, {"name": ["a"]}, True])
def test_H04_a_device_that_is_no_object_of_texts_is_a_400(shop, device):
    answer = shop.post("/auth/login", json={**GOOD, "device": device})
    assert (answer.status_code, answer.get_json()["error"]) == (400, "input_malformed")
    assert shop.asked == []


@pytest.mark.parametrize("device", [None, {}, {"type": None, "id": None, "name": None}])
def test_members_that_are_null_count_as_absent(shop, device):
    sent = {**GOOD, "device": device, "captcha": None}
    token = shop.post("/auth/login", json=sent).get_json()["data"]["access_token"]
    assert shop.asked == [GOOD]
    shown = shop.get("/auth/sessions", token).get_json()["data"][0]["device"]
    assert shown == {"type": "", "id": "", "name": ""}


@pytest.mark.parametrize("agent", ["小明的浏览器/1.0", "Ünïcode", "Mozilla/5.0 (X11)"])
def test_a_user_agent_in_utf_8_is_shown_as_it_was_meant(shop, agent):
    environ = {"HTTP_USER_AGENT": agent.encode().decode("latin-1")}
    answer = shop.client.post("/auth/login", json=GOOD, environ_overrides=environ)
    (shown,) = shop.get("/auth/sessions", answer.get_json()["data"]["access_token"]).get_json()["data"]
    assert shown["user_agent"] == agent


def test_a_user_agent_in_latin_1_stays(shop):
    answer = shop.client.post("/auth/login", json=GOOD, environ_overrides={"HTTP_USER_AGENT": "caf\xe9"})
    (shown,) = shop.get("/auth/sessions", answer.get_json()["data"]["access_token"]).get_json()["data"]
    assert shown["user_agent"] == "caf\xe9"


def test_B08_what_a_client_says_of_itself_is_bounded_and_without_control_characters(shop):
    hostile = "\u202e<script>\r\n\x00\x1b[31m\u2028" + "x" * 5000
    device = {"type": hostile, "id": hostile, "name": hostile, "more": "ignored"}
    # A server would let no line break through in a header; the rest it does.
    headers = {"User-Agent": "\x1b[31m\u0085" + "u" * 5000}
    token = shop.client.post(
        "/auth/login", json={**GOOD, "device": device}, environ_overrides={"HTTP_USER_AGENT": headers["User-Agent"]}
    ).get_json()["data"]["access_token"]
    (shown,) = shop.get("/auth/sessions", token).get_json()["data"]
    assert [len(text) for text in shown["device"].values()] == [32, 128, 128]
    assert shown["user_agent"] == "[31m" + "u" * 252
    assert shown["device"]["type"].startswith("<script>[31mx")
    assert set(shown["device"]) == {"type", "id", "name"}


# Hostile bodies


def deep(levels: int) -> bytes:
    return b'{"phone":' + b"[" * levels + b"]" * levels + b"}"


BODIES = {
    "nothing": b"",
    "blanks": b" \r\n\t ",
    "a word": b"phone",
    "null": b"null",
    "true": b"true",
    "a number": b"5",
    "a text": b'"phone"',
    "a list": b"[]",
    "a list of objects": json.dumps([GOOD]).encode(),
    "an empty object": b"{}",
    "half an object": b'{"phone": "138',
    "a comma too many": b'{"phone": "1",}',
    "single quotes": b"{'phone': '1'}",
    "no quotes": b"{phone: 1}",
    "a comment": b'{"phone": "1"} // hi',
    "two objects": b"{}{}",
    "trailing garbage": b'{"phone": "1"} x',
    "NaN": b'{"phone": NaN}',
    "Infinity": b'{"phone": Infinity}',
    "a huge float": b'{"phone": 1e999}',
    "a huge integer": b'{"phone": ' + b"9" * 5000 + b"}",
    "a NUL in a text": b'{"phone": "1\\u0000", "password": "x\\u0000"}',
    "a raw NUL": b'{"phone": "1\0"}',
    "a raw control": b'{"phone": "1\n"}',
    "a lone surrogate": b'{"phone": "\\ud800", "password": "\\udfff"}',
    "a lone surrogate in a name": b'{"\\ud800": "x"}',
    "half a surrogate pair": b'{"phone": "\\ud83d"}',
    "UTF-16": json.dumps(GOOD).encode("utf-16"),
    "UTF-32": json.dumps(GOOD).encode("utf-32"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "latin-1": '{"phone": "é"}'.encode("latin-1"),
    "overlong UTF-8": b'{"phone": "\xc0\xaf"}',
    "duplicate members": b'{"phone": "13800000007", "phone": "13800000008", "password": "wrong"}',
    "an object as phone": b'{"phone": {"$ne": null}, "password": {"$ne": null}}',
    "a list as phone": b'{"phone": ["13800000007"], "password": ["right"]}',
    "true as both": b'{"phone": true, "password": true}',
    "numbers as both": b'{"phone": 13800000007, "password": 1}',
    "nulls as both": b'{"phone": null, "password": null}',
    "empty texts": b'{"phone": "", "password": ""}',
    "nested 100": deep(100),
    "nested 5000": deep(5000),
    "nested objects": b'{"a":' * 2000 + b"1" + b"}" * 2000,
    "unclosed lists": b"[" * 16_000,
    "many members": json.dumps({str(number): number for number in range(1000)}).encode(),
    "an empty name": b'{"": ""}',
    "a form": b"phone=13800000007&password=right",
    "XML": b"<login><phone>1</phone></login>",
    "zeros": b"\0" * 100,
    "bytes of every kind": bytes(range(256)),
}
MOST_WORK = 40_000
"""Calls and returns for one request: some two for each byte of the largest body."""
TYPES = [
    "application/json",
    "application/json; charset=utf-16",
    "text/plain",
    "application/x-www-form-urlencoded",
    "",
    None,
]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_H04_a_hostile_body_is_a_4xx_for_little_work(shop, body):
    for content_type in TYPES:  # whatever is imported at its first use
        shop.post("/auth/login", data=b"{", content_type=content_type)
    # A text that is read as a foreign number: the numbers of all countries are imported then.
    shop.post("/auth/login", json={"phone": "1", "password": "wrong"})
    for path, content_type in itertools.product(("login", "refresh", "logout", "exchange"), TYPES):
        work = []
        # The steps of the interpreter, which no load of the machine changes.
        sys.setprofile(lambda *_event: work.append(1))  # noqa: B023 - it is taken out again before the next
        try:
            answer = shop.post(f"/auth/{path}", data=body, content_type=content_type)
        finally:
            sys.setprofile(None)
        assert len(work) < MOST_WORK, (path, content_type)
        assert 400 <= answer.status_code < 500, (path, content_type)
        assert answer.get_json()["code"] in (4103, 4002), (path, content_type)


@pytest.mark.parametrize("content_type", TYPES[2:])
def test_H04_another_content_type_than_json_is_a_415(shop, content_type):
    answer = shop.post("/auth/login", data=json.dumps(GOOD), content_type=content_type)
    assert (answer.status_code, answer.get_json()["error"]) == (415, "media_type_unsupported")
    assert shop.asked == []


@pytest.mark.parametrize("body", [b"", b" \n"])
def test_H04_an_empty_body_is_told_as_such(shop, body):
    answer = shop.post("/auth/login", data=body, content_type="application/json")
    assert (answer.status_code, answer.get_json()["msg"]) == (400, "未接收到参数")


@pytest.mark.parametrize("path", ["/auth/login", "/auth/refresh", "/auth/logout"])
@pytest.mark.parametrize(("size", "status"), [(LARGEST_BODY, 401), (LARGEST_BODY + 1, 413), (10_000_000, 413)])
def test_H04_sixteen_kilobytes_are_the_limit(shop, path, size, status):
    body = json.dumps({"phone": "1", "refresh_token": "x", "filler": ""})
    body = body[:-2] + "x" * (size - len(body)) + '"}'
    answer = shop.post(path, data=body, content_type="application/json")
    assert answer.status_code == status
    assert status != 413 or answer.get_json()["error"] == "body_too_large"


class Chunks:
    """A body that comes without its length being told."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, size: int = -1) -> bytes:
        size = len(self.data) if size is None or size < 0 else min(size, 1000)
        given, self.data = self.data[:size], self.data[size:]
        return given

    def readinto(self, buffer) -> int:
        given = self.read(len(buffer))
        buffer[: len(given)] = given
        return len(given)

    def readline(self, size: int = -1) -> bytes:
        return self.read(size)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("filler", "status"), [(0, 200), (20_000, 413), (10_000_000, 413)])
def test_H04_a_chunked_body_has_the_same_limit(shop, filler, status):
    body = json.dumps({**GOOD, "filler": "x" * filler}).encode()
    environ = {"wsgi.input": Chunks(body), "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    environ["CONTENT_TYPE"] = "application/json"
    answer = shop.client.post("/auth/login", environ_overrides=environ)
    assert answer.status_code == status


def test_H04_a_body_that_ends_early_is_a_400(shop):
    body = json.dumps(GOOD).encode()
    environ = {"wsgi.input": Chunks(body), "CONTENT_LENGTH": str(len(body) + 10), "CONTENT_TYPE": "application/json"}
    answer = shop.client.post("/auth/login", environ_overrides=environ)
    assert (answer.status_code, answer.get_json()["error"]) == (400, "input_malformed")


class Broken:
    """A body whose connection fails while it is read."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def read(self, *_: object) -> bytes:
        raise self.error

    readinto = readline = read


@pytest.mark.parametrize(
    "error", [OSError("reset"), ConnectionResetError(), TimeoutError(), RuntimeError(), EOFError()]
)
@pytest.mark.parametrize("path", ["/auth/login", "/auth/refresh", "/auth/logout"])
def test_H04_a_body_that_cannot_be_read_is_a_400_however_that_fails(shop, error, path):
    environ = {"wsgi.input": Broken(error), "CONTENT_LENGTH": "20", "CONTENT_TYPE": "application/json"}
    answer = shop.client.post(path, environ_overrides=environ)
    assert (answer.status_code, answer.get_json()["error"]) == (400, "input_malformed")
    assert shop.asked == []


@pytest.mark.parametrize(("filler", "status"), [(0, 200), (20_000, 413)])
def test_H04_a_request_class_with_a_limit_of_its_own_that_cannot_be_set_works(shop, filler, status):
    from flask import Request

    class Own(Request):
        max_content_length = property(lambda _: 1_000_000)

    shop.app.request_class = Own
    assert shop.post("/auth/login", json={**GOOD, "filler": "x" * filler}).status_code == status


def test_H04_the_limit_holds_where_the_host_has_read_the_body_before(shop):
    from flask import request

    shop.app.before_request(lambda: request.get_data() and None)
    answer = shop.post("/auth/login", json={**GOOD, "filler": "x" * 20_000})
    assert answer.status_code == 413


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=200)
def test_H04_any_bytes_are_a_4xx(shop, body):
    for path in ("/auth/login", "/auth/refresh"):
        status = shop.post(path, data=body, content_type="application/json").status_code
        assert status in (400, 401, 429)


# Throttling


def test_L07_ten_wrong_passwords_close_an_account_but_not_the_others(shop):
    for _ in range(10):
        assert shop.post("/auth/login", json={**GOOD, "password": "x"}).status_code == 401
    answer = shop.post("/auth/login", json=GOOD)
    assert (answer.status_code, answer.get_json()["code"], answer.get_json()["msg"]) == (429, 4201, "请求受限")
    assert 1 <= int(answer.headers["Retry-After"]) <= 300
    assert len(shop.asked) == 10
    assert shop.post("/auth/login", json={**GOOD, "phone": "13800000008"}).status_code == 200


def test_L05_an_unknown_account_is_throttled_alike(shop):
    body = {"phone": "19999999999", "password": "x"}
    statuses = [shop.post("/auth/login", json=body).status_code for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2


def test_L07_parallel_guesses_beyond_the_limit_are_not_checked(shop):
    statuses = race(32, lambda _: shop.post("/auth/login", json={**GOOD, "password": "x"}).status_code)
    assert sorted(statuses) == [401] * 10 + [429] * 22
    assert len(shop.asked) == 10


def test_L07_a_success_shows_nothing_to_who_has_guessed_nine_times(shop):
    """Neither the tenth guess nor the refusal of the eleventh tells whether the owner was there."""
    guess = {**GOOD, "password": "x"}
    statuses = {}
    for phone, owner_comes in ((GOOD["phone"], True), ("13800000008", False)):
        account = {"phone": phone}
        for _ in range(9):
            assert shop.post("/auth/login", json={**guess, **account}).status_code == 401
        if owner_comes:
            assert shop.post("/auth/login", json={**GOOD, **account}).status_code == 200
        statuses[owner_comes] = [shop.post("/auth/login", json={**guess, **account}).status_code for _ in range(3)]
    assert statuses[True] == statuses[False] == [401, 429, 429]


def test_a_success_does_not_count(shop):
    assert [shop.post("/auth/login", json=GOOD).status_code for _ in range(12)] == [200] * 12


@pytest.mark.parametrize("error", [ConnectionError("away"), StorageUnavailableError("away"), LoginRefusedError("no")])
def test_L09_a_directory_that_does_not_answer_locks_nobody_out(new_site, error):
    is_down = [True]

    def check(credentials):
        if is_down[0]:
            raise error
        return 7 if credentials == GOOD else None

    site = make_shop(new_site, check)
    site.app.config["PROPAGATE_EXCEPTIONS"] = False
    for _ in range(11):
        assert site.post("/auth/login", json=GOOD).status_code in (403, 500, 503)
    is_down[0] = False
    assert site.post("/auth/login", json=GOOD).status_code == 200


def test_L07_the_limits_are_settings(new_site):
    site = make_shop(new_site, TESSERA_LOGIN_LIMIT_ACCOUNT="2 per hour", TESSERA_LOGIN_LIMIT_ADDRESS="3 per day")
    statuses = [site.post("/auth/login", json={**GOOD, "password": "x"}).status_code for _ in range(3)]
    assert statuses == [401, 401, 429]
    others = [site.post("/auth/login", json={"phone": phone, "password": "x"}) for phone in "12"]
    assert [answer.status_code for answer in others] == [401, 429]
    assert 86_000 < int(others[1].headers["Retry-After"]) <= 86_400


@pytest.mark.parametrize("setting", ["TESSERA_LOGIN_LIMIT_ACCOUNT", "TESSERA_LOGIN_LIMIT_ADDRESS"])
@pytest.mark.parametrize("notation", ["ten", "10", "0 per minute", 10])
def test_X15_a_limit_that_cannot_be_read_names_its_setting(new_site, setting, notation):
    with pytest.raises(ConfigError, match=setting):
        site = new_site(**{setting: notation})
        with site.app.app_context():
            _ = site.tessera.runtime


@pytest.mark.parametrize(
    "spelling", ["13800000007 ", " 1380 0000 007", "138-0000-0007", "１３８０００００００７", "(138)00000007"]
)
def test_L07_another_spelling_of_an_account_buys_no_further_guesses(shop, spelling):
    for _ in range(10):
        shop.post("/auth/login", json={"phone": spelling, "password": "x"})
    assert shop.post("/auth/login", json=GOOD).status_code == 429


@pytest.mark.parametrize("member", ["username", "email", "account", "name", "mobile", "other"])
def test_L07_a_further_member_buys_no_further_guesses(shop, member):
    for number in range(10):
        shop.post("/auth/login", json={**GOOD, "password": "x", member: f"decoy {number}"})
    assert shop.post("/auth/login", json={**GOOD, member: "decoy"}).status_code == 429


def test_L07_ones_own_account_buys_no_guesses_at_another(new_site):
    def check(credentials):
        by_email = {"own@example.com": "own", "victim@example.com": "secret"}
        return 8 if by_email.get(credentials.get("email")) == credentials["password"] else None

    site = make_shop(new_site, check)
    for _ in range(9):
        site.post("/auth/login", json={"email": "victim@example.com", "password": "x"})
    site.post("/auth/login", json={"phone": "1", "email": "own@example.com", "password": "own"})
    both = {"email": "own@example.com", "username": "victim@example.com", "password": "own"}
    assert site.post("/auth/login", json=both).status_code == 200
    assert site.post("/auth/login", json={"email": "victim@example.com", "password": "x"}).status_code == 401
    assert site.post("/auth/login", json={"email": "victim@example.com", "password": "secret"}).status_code == 429


def test_L08_a_forged_address_buys_no_further_guesses_at_many_accounts(shop):
    statuses = [
        shop.post(
            "/auth/login",
            json={"phone": f"1370000{number:04}", "password": "x"},
            headers={"X-Forwarded-For": f"10.0.0.{number}"},
        ).status_code
        for number in range(101)
    ]
    assert statuses == [401] * 100 + [429]


def test_G03_a_failed_login_sends_a_signal_that_names_no_password(shop):
    heard = []

    def hear(sender, **said):
        heard.append((sender, said))

    with signals.login_failed.connected_to(hear, sender=shop.app):
        shop.post("/auth/login", json={**GOOD, "password": "wr0ng"})
    ((sender, said),) = heard
    assert sender is shop.app
    assert said["account"] == GOOD["phone"]
    assert said["caller"].ip == "127.0.0.1"
    assert "wr0ng" not in repr(heard)


def test_login_and_me_need_what_they_use(new_site):
    site = new_site()
    lacking = {"login": "authenticator", "me": "user_view", "bind": "user_view", "signup": "is not an endpoint"}
    for endpoint, needs in lacking.items():
        with pytest.raises(ConfigError, match=needs):
            site.tessera.blueprint(endpoint)
    site.app.register_blueprint(site.tessera.blueprint())
    assert site.post("/auth/login", json=GOOD).status_code == 404
    assert site.get("/auth/me").status_code == 404


def test_the_member_that_is_missing_is_named(new_site):
    site = new_site()

    @site.tessera.authenticator(account="staff_no")
    def check(credentials):
        return site.users[7] if site.tessera.passwords.verify(None, credentials.get("password")) else None

    site.app.register_blueprint(site.tessera.blueprint())
    for body, named in (({"staff_no": "7"}, "password"), ({"staff_no": "7", "password": 5}, "password")):
        assert site.post("/auth/login", json=body).get_json()["msg"] == f"参数错误：{named}"
    missing = site.post("/auth/login", json={"password": "right"}).get_json()
    assert (missing["error"], missing["msg"]) == ("credentials_missing", "请填写手机号或密码：staff_no")


def test_nobody_changes_himself_where_the_application_keeps_its_users(new_site):
    site = new_site()
    site.tessera.user_view(lambda user: {"id": user.id})
    site.app.register_blueprint(site.tessera.blueprint())
    with site.app.app_context():
        token = site.tessera.login(7).access_token
    assert site.get("/auth/me", token).status_code == 200
    assert site.app.test_client().patch("/auth/me", json={"name": "x"}, headers={"z-token": token}).status_code == 405


def test_L07_junk_beside_a_declared_account_buys_no_guesses(new_site):
    site = new_site()

    @site.tessera.authenticator(account="badge")
    def wrong(credentials):
        return None

    site.app.register_blueprint(site.tessera.blueprint("login", name="declared", url_prefix="/declared"))
    statuses = [
        site.post("/declared/login", json={"badge": 7, "password": "p", "junk": str(number)}).status_code
        for number in range(12)
    ]
    assert statuses == [401] * 10 + [429] * 2


@pytest.mark.parametrize(
    "spelled",
    [
        lambda number: "0" * number + "7",
        lambda number: "7" + "\u200b" * number,
        lambda number: chr((0x0660, 0x06F0, 0x0966, 0x09E6, 0xFF10)[number % 5] + 7) + ".0" * (number // 5 % 2),
        lambda number: ("7", 7, "+7", "7_0e-1", "(7)")[number % 5],
    ],
)
def test_L07_no_spelling_of_a_number_buys_guesses(new_site, spelled):
    """The authenticator reads it as an integer column would."""
    site = new_site()
    asked = []

    @site.tessera.authenticator(account="id")
    def check(credentials):
        asked.append(float(credentials["id"]) if "_" not in str(credentials["id"]) else 7)

    site.app.config["PROPAGATE_EXCEPTIONS"] = False
    site.app.register_blueprint(site.tessera.blueprint("login", name="spelled", url_prefix="/spelled"))
    for number in range(15):
        site.post("/spelled/login", json={"id": spelled(number), "password": "p", "junk": str(number)})
    assert len(asked) <= 10


@pytest.mark.parametrize("value", [10001.0, True, ["10001"], {"$gt": 0}])
def test_L07_an_account_of_another_type_is_a_400_whatever_else_is_sent(new_site, value):
    site = new_site()
    site.tessera.authenticator(lambda credentials: pytest.fail("nothing counts this"), account=["id", "email"])
    site.app.register_blueprint(site.tessera.blueprint("login", name="typed", url_prefix="/typed"))
    answer = site.post("/typed/login", json={"id": value, "email": "decoy@example.com", "password": "p"})
    assert (answer.status_code, answer.get_json()["error"]) == (400, "input_malformed")


def test_L07_an_account_that_is_null_is_absent_for_the_authenticator_too(new_site):
    site = new_site()
    asked = []

    @site.tessera.authenticator(account=["id", "email"])
    def check(credentials):
        asked.append(credentials)

    site.app.register_blueprint(site.tessera.blueprint("login", name="typed", url_prefix="/typed"))
    sent = {"id": None, "email": "a@example.com", "password": "p"}
    statuses = [site.post("/typed/login", json=sent).status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]
    assert asked == [{"email": "a@example.com", "password": "p"}] * 10


def test_L07_credentials_without_a_name_are_a_400_and_the_log_says_once_what_to_declare(new_site, caplog):
    site = make_shop(new_site, lambda credentials: pytest.fail("nothing counts this"))
    _tell_to_declare.cache_clear()
    for number in range(12):
        answer = site.post("/auth/login", json={"passport": "E1234", "password": "x", "junk": str(number)})
        assert (answer.status_code, answer.get_json()["error"]) == (400, "credentials_missing")
    (record,) = [record for record in caplog.records if "account=" in record.getMessage()]
    assert "@tessera.authenticator(account='…')" in record.getMessage()


def test_a_member_that_cannot_name_an_account_is_told_when_it_is_declared(new_site):
    with pytest.raises(ConfigError, match="password"):
        new_site().tessera.authenticator(account="password")
