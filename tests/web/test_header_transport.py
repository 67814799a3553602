"""Where a token is looked for, and where it is not."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_tessera import login_required
from flask_tessera.errors import TokenAmbiguousError
from flask_tessera.web.transports.header import HeaderTransport

USUAL = HeaderTransport(["Authorization", "z-token"])


@pytest.mark.parametrize(
    ("authorization", "z_token", "found"),
    [
        ("Bearer abc", None, "abc"),
        ("bearer abc", None, "abc"),
        ("BEARER abc", None, "abc"),
        ("BeArEr  abc ", None, "abc"),
        (" Bearer abc", None, "abc"),
        ("\tBearer abc\t", None, "abc"),
        ("Bearer", None, ""),
        ("Bearer ", None, ""),
        ("Bearer a b", None, "a b"),
        ("Bearer Bearer abc", None, "Bearer abc"),
        (None, "abc", "abc"),
        (None, "", ""),
        (None, " abc", " abc"),
        (None, "Bearer abc", "Bearer abc"),
        ("Bearer abc", "abc", "abc"),
        ("Basic dTpw", "abc", "abc"),
        ("", "abc", "abc"),
        ("Bearer", "", ""),
    ],
)
def test_H01_the_one_token_of_a_request_is_found(authorization, z_token, found):
    given_headers = {"HTTP_AUTHORIZATION": authorization, "HTTP_Z_TOKEN": z_token}
    assert USUAL.find({key: value for key, value in given_headers.items() if value is not None}) == found


@pytest.mark.parametrize(
    "authorization", [None, "", " ", "Basic dTpw", "Digest x", "Bearerabc", "Bearer:abc", "Token abc", "abc"]
)
def test_H01_other_schemes_are_left_to_others(authorization):
    assert USUAL.find({} if authorization is None else {"HTTP_AUTHORIZATION": authorization}) is None


@pytest.mark.parametrize(
    ("authorization", "z_token"), [("Bearer abc", "abd"), ("Bearer abc", ""), ("Bearer", "abc"), ("Bearer abc", "abc ")]
)
def test_B05_two_tokens_that_differ_are_refused_and_none_falls_back_to_the_other(authorization, z_token):
    with pytest.raises(TokenAmbiguousError):
        USUAL.find({"HTTP_AUTHORIZATION": authorization, "HTTP_Z_TOKEN": z_token})


def test_only_the_headers_that_are_set_are_read():
    transport = HeaderTransport(["X-Token", "x-other"])
    assert transport.find({"HTTP_X_TOKEN": "a", "HTTP_AUTHORIZATION": "Bearer b", "HTTP_Z_TOKEN": "c"}) == "a"
    assert transport.find({"HTTP_X_OTHER": "b"}) == "b"
    assert transport.find({"HTTP_AUTHORIZATION": "Bearer b", "HTTP_Z_TOKEN": "c"}) is None


@given(st.dictionaries(st.sampled_from(["HTTP_AUTHORIZATION", "HTTP_Z_TOKEN"]), st.text()))
def test_any_headers_give_a_text_or_nothing_or_are_ambiguous(environ):
    with contextlib.suppress(TokenAmbiguousError):
        assert isinstance(USUAL.find(environ), str | None)


@pytest.fixture
def token(site):
    return site.login().access_token


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_H01_the_scheme_is_read_in_any_case(site, token, scheme):
    assert site.get("/who", headers={"Authorization": f"{scheme} {token}"}).status_code == 200


def test_both_headers_with_one_token_and_basic_beside_z_token_are_let_in(site, token):
    assert site.get("/who", token, headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert site.get("/who", token, headers={"Authorization": "Basic dTpw"}).status_code == 200


def test_B05_a_bad_header_beside_a_good_one_is_a_400(site, token):
    answer = site.get("/who", token, headers={"Authorization": "Bearer bad"})
    assert (answer.status_code, answer.get_json()["error"]) == (400, "token_ambiguous")


@pytest.mark.parametrize("name", ["token", "access_token", "z-token", "z_token", "Authorization", "jwt"])
def test_H02_tokens_in_query_form_body_and_cookie_are_not_read(site, token, name):
    site.app.add_url_rule("/post", "post", login_required(lambda: "in"), methods=["POST"])
    assert site.get("/who", query_string={name: token}).get_json()["error"] == "token_missing"
    assert site.post("/post", data={name: token}).get_json()["error"] == "token_missing"
    assert site.post("/post", json={name: token}).get_json()["error"] == "token_missing"
    client = site.client
    client.set_cookie(name, token)
    assert client.get("/who").get_json()["error"] == "token_missing"


def test_H02_two_authorization_headers_as_servers_join_them_are_refused(site, token):
    for joined in (f"Bearer {token},Bearer {token}", f"Bearer {token}, Basic dTpw", f"Bearer {token},"):
        assert site.get("/who", headers={"Authorization": joined}).status_code == 401
    assert site.get("/who", f"{token},{token}").status_code == 401


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "é",
        "ÿþ",
        "\x80\x81",
        "Bearer ",
        "null",
        "undefined",
        "a.b.c",
        "....",
        "." * 8192,
        "a" * 100_000,
        "tsr_" + "A" * 66,
        "%00",
        "'; DROP TABLE tessera_sessions; --",
    ],
)
def test_T18_any_header_value_is_a_401_with_one_and_the_same_answer(site, value):
    expected = site.get("/who", "bad").data
    for headers in ({"z-token": value}, {"Authorization": f"Bearer {value}"}):
        answer = site.client.get("/who", environ_overrides={_key(name): text for name, text in headers.items()})
        assert (answer.status_code, answer.data) == (401, expected)


def _key(name: str) -> str:
    return "HTTP_" + name.upper().replace("-", "_")


@pytest.mark.parametrize("character", ["\r\nX-Evil: 1", "\n", "\0", "\x7f", "é", "\u2028"])
def test_a_genuine_token_with_anything_added_is_refused_and_nothing_is_reflected(site, token, character):
    for value in (token + character, character + token, token.replace(".", character + ".", 1)):
        answer = site.client.get("/who", environ_overrides={"HTTP_Z_TOKEN": value})
        assert answer.status_code == 401
        assert "X-Evil" not in str(answer.headers)
        assert token not in answer.text


def test_H06_identity_headers_from_outside_say_nothing(site):
    headers = {"X-User-Id": "7", "Remote-User": "7", "X-Forwarded-User": "7", "X-Tessera-User": "7"}
    answer = site.client.get("/who", headers=headers, environ_overrides={"REMOTE_USER": "7"})
    assert answer.get_json()["error"] == "token_missing"


def test_T13_a_refresh_token_opens_no_view_and_an_access_token_buys_no_pair(site):
    site.app.register_blueprint(site.tessera.blueprint())
    pair = site.login()
    assert site.get("/who", pair.refresh_token).status_code == 401
    assert site.post("/auth/refresh", json={"refresh_token": pair.access_token}).status_code == 401


@pytest.mark.parametrize("form", ["signed", "sealed"])
def test_T22_only_the_format_that_is_set_is_accepted(new_site, form):
    sites = {each: new_site(TESSERA_TOKEN_FORMAT=each) for each in ("signed", "sealed")}
    for each in sites.values():
        each.app.add_url_rule("/view", "view", login_required(lambda: "in"))
    token = sites[form].login().access_token
    assert {each: made.get("/view", token).status_code for each, made in sites.items()} == {
        "signed": 200 if form == "signed" else 401,
        "sealed": 200 if form == "sealed" else 401,
    }
