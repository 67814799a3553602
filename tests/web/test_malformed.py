"""Malformed input: the answer names the member that is wrong, and never what was sent."""

from __future__ import annotations

import pytest

from tests.web.conftest import make_site

SECRET = "s3cr3t"
CREDENTIALS = {"phone": "13800000007", "password": SECRET}
TRICK = f"{SECRET}' - at `$.password`"
WRONG = [
    ("/auth/login", {**CREDENTIALS, "device": SECRET}, "device"),
    ("/auth/login", {**CREDENTIALS, "device": {"name": [SECRET]}}, "device.name"),
    ("/auth/login", {**CREDENTIALS, "remember": SECRET}, "remember"),
    ("/auth/login", {**CREDENTIALS, "transport": TRICK}, "transport"),
    ("/auth/refresh", {"refresh_token": [SECRET]}, "refresh_token"),
    ("/auth/api-keys", {"scope": SECRET}, "name"),
    ("/auth/api-keys", {"name": {SECRET: SECRET}}, "name"),
    ("/auth/api-keys", {"name": " "}, "name"),
    ("/auth/api-keys", {"name": "n", "scope": SECRET * 400}, "scope"),
    ("/auth/api-keys", {"name": "n", "addresses": ["::1", 5]}, "addresses[1]"),
    ("/auth/api-keys", {"name": "n", "addresses": [SECRET]}, "addresses"),
    ("/auth/api-keys", {"name": "n", "addresses": ["::1"] * 33}, "addresses"),
    ("/auth/api-keys", {"name": "n", "expires_in": 1}, "expires_in"),
    ("/auth/api-keys/x/rotate", {"overlap": -1}, "overlap"),
    ("/auth/tickets", {"purpose": SECRET}, "purpose"),
]


@pytest.fixture(params=["envelope", "plain"])
def site(request):
    made = make_site(TESSERA_COOKIES=True, TESSERA_RESPONSE_FORMAT=request.param)
    made.tessera.authenticator(lambda credentials: 7)
    made.app.register_blueprint(made.tessera.blueprint("login", "refresh", "api-keys", "tickets"))
    return made


@pytest.mark.parametrize(("path", "body", "member"), WRONG)
def test_the_member_that_is_wrong_is_named_and_nothing_of_what_was_sent(site, path, body, member):
    token = None if path in ("/auth/login", "/auth/refresh") else site.login().access_token
    texts = {"zh": f"参数错误：{member}", "en": f"The input is missing or malformed: {member}."}
    for language, text in texts.items():
        answer = site.post(path, token, json=body, headers={"Accept-Language": language})
        told = answer.get_json()
        assert (answer.status_code, told["code"], told["error"]) == (400, 4103, "input_malformed")
        assert told.get("msg", told.get("detail")) == text
        assert SECRET not in answer.text


def test_where_no_member_is_known_none_is_named(site):
    token = site.login().access_token
    answer = site.client.post(
        "/auth/tickets", data=f'{{"purpose": {SECRET}', content_type="application/json", headers={"z-token": token}
    )
    told = answer.get_json()
    assert (told["error"], told.get("msg", told.get("title"))) == ("input_malformed", "参数错误")
    assert "detail" not in told


def test_a_problem_of_one_type_has_one_title(site):
    """RFC 9457 §3.1.3."""
    told = site.post("/auth/tickets", site.login().access_token, json={"purpose": SECRET}).get_json()
    assert told.get("title", "参数错误") == "参数错误"
