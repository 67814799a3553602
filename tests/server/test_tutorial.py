"""POST /login and GET /user/detail: the table of the tutorial, row by row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from flask_tessera.server import administration, create_app
from flask_tessera.services.keys import parse_sid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

PHONE = "13800138000"
PASSWORD = "correct horse battery"
GOOD = {"phone": PHONE, "password": PASSWORD}

# What the client is told: code, Chinese, English, and the status where statuses are meant.
NO_OBJECT = (4103, "未接收到参数", "The request has no JSON object as its body.", 400)
NOT_FILLED_IN = (4103, "请填写手机号或密码", "Phone number or password is missing.", 400)
BAD_PHONE = (4103, "手机号有误", "This is not a phone number.", 400)
BAD_INPUT = (4103, "参数错误", "The input is missing or malformed.", 400)
TOO_LARGE = (4103, "参数错误", "The body is too large.", 413)
WRONG = (4103, "手机号或密码错误", "Wrong phone number or password.", 401)
REFUSED = (4102, "登录失败", "This account may not log in.", 403)
NO_TOKEN = (4103, "缺少参数token", "The request carries no token.", 401)
BAD_TOKEN = (4101, "登录已过期", "The token has expired.", 401)

MODES: dict[str, dict[str, str]] = {
    "as the tutorial": {},
    "semantic": {"TESSERA_HTTP_STATUS": "semantic"},
    "always 200": {"TESSERA_HTTP_STATUS": "always_200"},
    "plain": {"TESSERA_RESPONSE_FORMAT": "plain"},
    "English": {"TESSERA_LOCALE": "en"},
    "English and semantic": {"TESSERA_LOCALE": "en", "TESSERA_HTTP_STATUS": "semantic"},
}


@pytest.fixture(scope="module", params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def client_in(tmp_path_factory, make_service, password_hash) -> Callable[[str], FlaskClient]:
    clients: dict[str, FlaskClient] = {}

    def client_in(mode: str) -> FlaskClient:
        if mode not in clients:
            app = make_service(tmp_path_factory.mktemp("service"), **MODES[mode])
            app.extensions["tessera_service"].users.add(PHONE, password_hash, name="Ada", level=3)
            clients[mode] = app.test_client()
        return clients[mode]

    return client_in


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def assert_says(reply: TestResponse, row: tuple[int, str, str, int], mode: str = "as the tutorial") -> None:
    code, chinese, english, status = row
    assert reply.json is not None
    assert reply.json.keys() == {"code", "msg", "error"}
    assert reply.json["code"] == code
    assert reply.json["msg"] == (english if "English" in mode else chinese)
    assert reply.status_code == (status if "semantic" in mode else 200)
    assert reply.content_type == "application/json"


def log_in(client: FlaskClient, body: Any = GOOD) -> str:
    reply = client.post("/login", json=body)
    assert reply.json is not None
    assert reply.json["code"] == 0, reply.json
    token: str = reply.json["data"]
    return token


def test_a_login_answers_the_three_members_of_the_tutorial_and_nothing_else(client_in, mode):
    reply = client_in(mode).post("/login", json=GOOD)
    assert reply.status_code == 200
    assert list(reply.json) == ["code", "msg", "data"]
    assert reply.json["code"] == 0
    assert reply.json["msg"] == ("OK" if "English" in mode else "成功")
    assert isinstance(reply.json["data"], str)
    assert reply.headers["Cache-Control"] == "no-store"


def test_the_detail_answers_the_five_members_of_the_tutorial(client_in, mode):
    client = client_in(mode)
    reply = client.get("/user/detail", headers={"z-token": log_in(client)})
    assert reply.status_code == 200
    assert reply.json == {
        "code": 0,
        "msg": "OK" if "English" in mode else "成功",
        "data": {"phone": PHONE, "name": "Ada", "head_portrait": "", "intro": "", "level": 3},
    }


ROWS = {
    "no body": ({}, NO_OBJECT),
    "a list": ({"json": []}, NO_OBJECT),
    "no phone": ({"json": {"password": PASSWORD}}, NOT_FILLED_IN),
    "no password": ({"json": {"phone": PHONE}}, NOT_FILLED_IN),
    "another number": ({"json": {"phone": "1380013800", "password": PASSWORD}}, BAD_PHONE),
    "an unknown phone": ({"json": {"phone": "13900139000", "password": PASSWORD}}, WRONG),
    "a wrong password": ({"json": {"phone": PHONE, "password": "not this one"}}, WRONG),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_login_that_fails_is_told_so_in_the_words_of_the_tutorial(client_in, mode, name):
    sent, row = ROWS[name]
    assert_says(client_in(mode).post("/login", **sent), row, mode)


@pytest.mark.parametrize(
    ("headers", "row"),
    [({}, NO_TOKEN), ({"z-token": ""}, BAD_TOKEN), ({"z-token": "garbage"}, BAD_TOKEN)],
    ids=["none", "empty", "garbage"],
)
def test_a_detail_that_fails_is_told_so_in_the_words_of_the_tutorial(client_in, mode, headers, row):
    assert_says(client_in(mode).get("/user/detail", headers=headers), row, mode)


def test_the_language_follows_the_request_where_that_is_set(tmp_path, make_service):
    client = make_service(tmp_path, TESSERA_LOCALE="auto").test_client()
    assert client.post("/login", headers={"Accept-Language": "en"}).json["msg"] == NO_OBJECT[2]
    assert client.post("/login", headers={"Accept-Language": "zh-CN"}).json["msg"] == NO_OBJECT[1]
    assert client.post("/login").json["msg"] == NO_OBJECT[1]


# -- The token ---------------------------------------------------------------------------------------------------------


def test_the_token_is_good_for_exactly_an_hour_and_its_session_ends_with_it(app, client, clock):
    token = log_in(client)
    service = app.extensions["tessera_service"]
    with app.app_context():
        identity = service.tessera.verify(token)
        assert identity.expires_at == clock.now + 3600
        user = service.users.get(PHONE)
        (session,) = service.tessera.sessions(user)
        assert (session.until, session.idle_until) == (clock.now + 3600, clock.now + 3600)
        assert session.sid == parse_sid(identity.session_id)
    clock.now += 3599
    assert client.get("/user/detail", headers={"z-token": token}).json["code"] == 0
    clock.now += 1
    assert_says(client.get("/user/detail", headers={"z-token": token}), BAD_TOKEN)
    with app.app_context():
        assert service.tessera.sessions(user) == []


def test_the_life_of_the_token_is_a_setting(tmp_path, clock, make_service, password_hash):
    app = make_service(tmp_path, clock, TESSERA_TOKEN_LIFETIME="60")
    app.extensions["tessera_service"].users.add(PHONE, password_hash)
    client = app.test_client()
    token = log_in(client)
    clock.now += 59
    assert client.get("/user/detail", headers={"z-token": token}).json["code"] == 0
    clock.now += 1
    assert_says(client.get("/user/detail", headers={"z-token": token}), BAD_TOKEN)


def test_S05_each_login_has_a_session_of_its_own(client):
    assert log_in(client) != log_in(client)


# -- Bodies ------------------------------------------------------------------------------------------------------------

GOOD_BODY = json.dumps(GOOD).encode()
BODIES = {
    "none": b"",
    "blank": b" \n",
    "a list": b"[]",
    "a number": b"1",
    "a text": b'"x"',
    "null": b"null",
    "true": b"true",
    "broken": b"{broken",
    "cut off": GOOD_BODY[:-1],
    "two of them": GOOD_BODY * 2,
    "no UTF-8": b'{"phone":"\xff"}',
    "with a mark": b"\xef\xbb\xbf" + GOOD_BODY,
    "UTF-16": json.dumps(GOOD).encode("utf-16"),
    "deep": b'{"phone":' + b"[" * 8000,
    "deep and whole": b'{"a":' * 2000 + b"1" + b"}" * 2000,
    "NaN": b'{"phone":NaN}',
    "Infinity": b'{"phone":1e999,"x":Infinity}',
    "a lone surrogate": b'{"phone":"13800138000","password":"\\ud800"}',
    "a raw newline": b'{"phone":"1\n3"}',
    "a form": b"phone=13800138000&password=x",
}
JSON_TYPES = ["application/json", "application/json; charset=utf-8", "application/vnd.x+json", "Application/JSON"]
OTHER_TYPES = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    None,
    "gar/ba/ge",
    "",
]
# Nested deeper than the decoder goes, or an object that lacks what is needed: both are told so.
OBJECTS = {"deep and whole", "Infinity"}


@pytest.mark.parametrize("kind", JSON_TYPES)
@pytest.mark.parametrize("name", BODIES)
def test_H04_a_body_that_is_no_json_object_is_no_body(client_in, name, kind):
    reply = client_in("semantic").post("/login", data=BODIES[name], content_type=kind)
    if name in OBJECTS:
        assert reply.json["msg"] in (NO_OBJECT[1], NOT_FILLED_IN[1], BAD_PHONE[1])
        assert reply.status_code == 400
    else:
        assert_says(reply, NO_OBJECT, "semantic")


@pytest.mark.parametrize("kind", OTHER_TYPES)
@pytest.mark.parametrize("name", [*BODIES, "good", "17 KiB"])
def test_H04_a_body_of_another_type_is_no_body_and_logs_nobody_in(client_in, name, kind):
    body = {**BODIES, "good": GOOD_BODY, "17 KiB": b" " * 17_408}[name]
    assert_says(client_in("semantic").post("/login", data=body, content_type=kind), NO_OBJECT, "semantic")


@pytest.mark.parametrize("name", ["broken", "deep", "no UTF-8", "NaN"])
def test_H04_bad_bodies_have_status_200_as_in_the_tutorial(client_in, name):
    reply = client_in("as the tutorial").post("/login", data=BODIES[name], content_type="application/json")
    assert_says(reply, NO_OBJECT)


@pytest.mark.parametrize("mode", ["as the tutorial", "semantic"])
def test_H04_a_body_over_16_kib_is_refused_whatever_it_holds(client_in, mode):
    body = GOOD_BODY + b" " * (16_385 - len(GOOD_BODY))
    reply = client_in(mode).post("/login", data=body, content_type="application/json")
    assert_says(reply, TOO_LARGE, mode)


@pytest.mark.parametrize("kind", JSON_TYPES)
def test_a_good_body_of_any_json_type_logs_in(client_in, kind):
    reply = client_in("semantic").post("/login", data=GOOD_BODY, content_type=kind)
    assert reply.json["code"] == 0


def test_members_that_nobody_asked_for_do_no_harm(client_in):
    log_in(client_in("semantic"), {**GOOD, "level": 9, "device": 7, "role": "admin", "": None})


def test_H04_of_a_member_that_stands_twice_the_last_counts(client_in):
    client = client_in("semantic")
    last_is_good = b'{"phone":"x","phone":"13800138000","password":"correct horse battery"}'
    last_is_bad = b'{"phone":"13800138000","phone":"x","password":"correct horse battery"}'
    assert client.post("/login", data=last_is_good, content_type="application/json").json["code"] == 0
    assert_says(client.post("/login", data=last_is_bad, content_type="application/json"), BAD_PHONE, "semantic")


# -- Phones and passwords ----------------------------------------------------------------------------------------------

MISSING = object()
PHONES: dict[str, tuple[Any, tuple[int, str, str, int]]] = {
    "missing": (MISSING, NOT_FILLED_IN),
    "empty": ("", NOT_FILLED_IN),
    "null": (None, NOT_FILLED_IN),
    "a number": (13800138000, BAD_PHONE),
    "zero": (0, BAD_PHONE),
    "true": (True, BAD_PHONE),
    "false": (False, BAD_PHONE),
    "a list": ([PHONE], BAD_PHONE),
    "an empty list": ([], BAD_PHONE),
    "an object": ({"$ne": ""}, BAD_PHONE),
    "10 digits": ("1380013800", BAD_PHONE),
    "12 digits": ("138001380000", BAD_PHONE),
    "another beginning": ("11800138000", BAD_PHONE),
    "a blank before": (" 13800138000", BAD_PHONE),
    "a newline before": ("\n13800138000", BAD_PHONE),
    "a newline behind": ("13800138000\n", BAD_PHONE),
    "a NUL behind": ("13800138000\0", BAD_PHONE),
    "full width": ("１３８００１３８０００", BAD_PHONE),
    "Arabic digits": ("١٣٨٠٠١٣٨٠٠٠", BAD_PHONE),
    "one Arabic digit": ("1380013800٠", BAD_PHONE),
    "with the country": ("+8613800138000", BAD_PHONE),
    "with hyphens": ("138-0013-8000", BAD_PHONE),
    "an injection": ("' OR 1=1 --", BAD_PHONE),
    "only blanks": ("   ", BAD_PHONE),
}
PASSWORDS: dict[str, tuple[Any, tuple[int, str, str, int]]] = {
    "missing": (MISSING, NOT_FILLED_IN),
    "empty": ("", NOT_FILLED_IN),
    "null": (None, NOT_FILLED_IN),
    "a number": (12345678, NOT_FILLED_IN),
    "true": (True, NOT_FILLED_IN),
    "a list": ([PASSWORD], NOT_FILLED_IN),
    "an object": ({"$gt": ""}, NOT_FILLED_IN),
    "1 KiB and a byte": ("x" * 1025, BAD_INPUT),
    "1 KiB and a byte of UTF-8": ("密" * 342, BAD_INPUT),
    "a NUL in it": (PASSWORD + "\0", BAD_INPUT),
    "a lone surrogate": ("\ud800", NO_OBJECT),
    "an emoji": ("🐎🔋📎", WRONG),
    "a blank before": (" " + PASSWORD, WRONG),
    "a blank behind": (PASSWORD + " ", WRONG),
    "a newline behind": (PASSWORD + "\n", WRONG),
    "upper case": (PASSWORD.upper(), WRONG),
    "full width": ("ｃorrect horse battery", WRONG),
}


def body_with(member: str, value: Any) -> dict[str, Any]:
    return {name: each for name, each in {**GOOD, member: value}.items() if each is not MISSING}


@pytest.mark.parametrize("name", PHONES)
def test_L10_L18_a_phone_is_eleven_ascii_digits_as_a_text_or_nothing(client_in, name):
    value, row = PHONES[name]
    assert_says(client_in("semantic").post("/login", json=body_with("phone", value)), row, "semantic")


@pytest.mark.parametrize("name", PASSWORDS)
def test_L03_L18_a_password_is_a_text_and_used_as_it_is(client_in, name):
    value, row = PASSWORDS[name]
    client = client_in("semantic")
    assert_says(client.post("/login", json=body_with("password", value)), row, "semantic")
    # The right one is given in between, so that the throttle never has a say here.
    log_in(client)


@pytest.mark.parametrize(
    "password", ["  blanks around  ", "🐎🔋📎🐎🔋📎🐎🔋", "密" * 341 + "x", "tab\tand\nnewline", "x" * 1024]
)
def test_L03_any_text_of_up_to_1_kib_can_be_a_password(app, client, password):
    service = app.extensions["tessera_service"]
    service.users.add("13900139000", service.passwords.hash(password))
    log_in(client, {"phone": "13900139000", "password": password})
    if password.strip() != password:
        assert_says(client.post("/login", json={"phone": "13900139000", "password": password.strip()}), WRONG)


# -- Tokens that are not good ------------------------------------------------------------------------------------------


def tampered(token: str) -> Iterator[str]:
    head, claims, signature = token.split(".")
    yield f"{head}.{claims}.{signature[:-2]}{'A' if signature[-2] != 'A' else 'B'}{signature[-1]}"
    yield f"{head}.{claims}."
    yield f"{head}.{claims}"
    yield f"{token}="
    yield f"{token}."
    yield f"x{token}"
    yield token.upper()


def bad_token_headers(app: Flask, token: str) -> dict[str, dict[str, str]]:
    client = app.test_client()
    pair = client.post("/auth/login", json=GOOD).json["data"]
    secrets_of_another = {
        "SECRET_KEY": "5f1d0e7ac94b86237fd1a60be8c4953207e9db1fac84",
        "SECRET_KEY_FALLBACKS": app.config["SECRET_KEY"],
    }
    other = create_app(environment=secrets_of_another, data=app.instance_path).test_client()
    return {
        "empty": {"z-token": ""},
        "blank": {"z-token": " "},
        "garbage": {"z-token": "garbage"},
        "long": {"z-token": "x" * 9000},
        "not ASCII": {"z-token": "\xe9\xe8"},
        "bearer garbage": {"Authorization": "Bearer garbage"},
        "empty bearer": {"Authorization": "Bearer "},
        "two that differ": {"z-token": token, "Authorization": "Bearer other"},
        "refresh": {"z-token": pair["refresh_token"]},
        "another secret": {"z-token": log_in(other)},
        **{f"tampered {number}": {"z-token": each} for number, each in enumerate(tampered(token))},
    }


@pytest.mark.parametrize("settings", [{}, {"TESSERA_HTTP_STATUS": "semantic"}], ids=["tutorial", "semantic"])
def test_T13_every_bad_token_is_answered_alike(tmp_path, make_service, password_hash, settings):
    app = make_service(tmp_path, **settings)
    app.extensions["tessera_service"].users.add(PHONE, password_hash)
    client = app.test_client()
    token = log_in(client)
    replies = {
        name: client.get("/user/detail", headers=headers) for name, headers in bad_token_headers(app, token).items()
    }
    shown = {name: (reply.status_code, reply.data, sorted(reply.headers)) for name, reply in replies.items()}
    assert_says(replies["garbage"], BAD_TOKEN, "semantic" if settings else "")
    assert {name: each for name, each in shown.items() if each != shown["garbage"]} == {}
    assert client.get("/user/detail", headers={"z-token": token}).json["code"] == 0


def test_a_token_in_authorization_is_as_good_and_one_in_the_query_is_none(client):
    token = log_in(client)
    assert client.get("/user/detail", headers={"Authorization": f"bearer {token}"}).json["code"] == 0
    assert_says(client.get(f"/user/detail?z-token={token}&access_token={token}"), NO_TOKEN)
    assert_says(client.get("/user/detail", headers={"Authorization": "Basic YTpi"}), NO_TOKEN)
    assert_says(client.get("/user/detail", headers={"Cookie": f"z-token={token}"}), NO_TOKEN)


def test_S01_a_token_that_was_logged_out_has_expired(client):
    token = log_in(client)
    assert client.post("/auth/logout", headers={"z-token": token}).json["code"] == 0
    assert_says(client.get("/user/detail", headers={"z-token": token}), BAD_TOKEN)


@pytest.mark.parametrize("act", ["disable", "delete"])
def test_S03_the_token_of_a_user_who_was_shut_out_has_expired(app, client, act):
    token = log_in(client)
    with app.app_context():
        assert getattr(administration, act)(app.extensions["tessera_service"], PHONE) == 1
    assert_says(client.get("/user/detail", headers={"z-token": token}), BAD_TOKEN)
    assert_says(client.post("/login", json=GOOD), REFUSED if act == "disable" else WRONG)


@pytest.mark.parametrize("mode", ["as the tutorial", "semantic", "plain"])
def test_S03_a_user_who_is_suspended_in_the_storage_is_refused_in_the_form_of_the_tutorial(
    tmp_path, make_service, password_hash, mode
):
    app = make_service(tmp_path, **MODES[mode])
    service = app.extensions["tessera_service"]
    user = service.users.add(PHONE, password_hash)
    with app.app_context():
        service.tessera.suspend(user)
    assert_says(app.test_client().post("/login", json=GOOD), REFUSED, mode)


# -- Other requests ----------------------------------------------------------------------------------------------------


def test_H05_head_asks_for_a_token_as_get_does(client):
    head = client.head("/user/detail", headers={"z-token": log_in(client)})
    assert (head.status_code, head.data) == (200, b"")
    assert client.head("/user/detail").data == b""


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/user/detail", "GET, HEAD, OPTIONS"),
        ("DELETE", "/user/detail", "GET, HEAD, OPTIONS"),
        ("GET", "/login", "OPTIONS, POST"),
        ("PUT", "/auth/refresh", "OPTIONS, POST"),
        ("POST", "/healthz", "GET, HEAD, OPTIONS"),
    ],
)
def test_H05_another_method_is_refused_in_our_envelope_with_those_that_are_allowed(client, method, path, allowed):
    reply = client.open(path, method=method)
    assert reply.status_code == 405
    assert reply.headers["Allow"] == allowed
    assert reply.json == {"code": 4103, "msg": "参数错误", "error": "method_not_allowed"}


def test_H05_a_method_override_is_ignored(client):
    assert client.post("/user/detail", headers={"X-HTTP-Method-Override": "GET"}).status_code == 405


def test_H03_an_unknown_path_is_answered_in_our_envelope(client):
    reply = client.get("/nowhere")
    assert reply.status_code == 404
    assert reply.json == {"code": 4002, "msg": "无数据", "error": "not_found"}


def test_H03_an_unknown_path_is_a_problem_in_the_plain_format(tmp_path, make_service):
    reply = make_service(tmp_path, TESSERA_RESPONSE_FORMAT="plain", TESSERA_LOCALE="en").test_client().get("/nowhere")
    assert reply.status_code == 404
    assert reply.content_type == "application/problem+json"
    assert reply.json["title"] == "Not found."


@pytest.mark.parametrize("path", ["/user/detail", "/auth/me"])
def test_H03_H07_a_bug_is_a_500_in_our_envelope_that_shows_nothing_of_it(app, client, path):
    service = app.extensions["tessera_service"]

    @service.tessera.user_loader
    def explode(user_id: int) -> None:
        raise ZeroDivisionError("internals of user 17")

    with app.app_context():
        token = service.tessera.create_token(1)
    # What runs was made with the loader before, so it is built anew.
    service.tessera.close(app)
    reply = client.get(path, headers={"z-token": token})
    assert reply.status_code == 500
    assert reply.json == {"code": 4500, "msg": "内部错误", "error": "internal_error"}
    assert b"internals" not in reply.data


def test_B12_a_request_from_another_origin_is_let_in_nowhere(client):
    reply = client.open("/user/detail", method="OPTIONS", headers={"Origin": "https://evil.example"})
    assert reply.status_code == 200
    assert not [name for name, _ in reply.headers if name.lower().startswith("access-control")]


def test_L16_the_host_header_reaches_no_answer(client):
    reply = client.get("/nowhere", headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    assert b"evil" not in reply.data
    assert not any("evil" in value for _, value in reply.headers)


def test_L05_the_endpoint_beside_the_tutorial_speaks_of_an_account(client):
    wrong = {**GOOD, "password": "not this one"}
    assert client.post("/login", json=wrong).json["msg"] == "手机号或密码错误"
    reply = client.post("/auth/login", json=wrong)
    assert (reply.status_code, reply.json["code"], reply.json["msg"]) == (401, 4103, "账号或密码错误")
    assert {client.post(path, json=wrong).json["error"] for path in ("/login", "/auth/login")} == {"credentials_wrong"}
