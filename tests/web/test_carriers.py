"""Every kind of credential by every transport to every endpoint; docs/carriers.md shows what is let in."""

from __future__ import annotations

import pytest

from .carriers import CREDENTIALS, ROUTES, TRANSPORTS, Shop, accepted, request_of

SESSION_ROUTES = {route for route in ROUTES if "/auth/" in route} - {"`GET /auth/me`", "`GET /auth/verify`"}


@pytest.mark.slow
def test_A04_an_api_key_opens_no_route_of_sessions():
    opened = {route for transport in TRANSPORTS for route in accepted()["API key", transport]}
    assert opened & SESSION_ROUTES == set()
    assert {"guarded view, GET", "`GET /auth/me`", "`GET /auth/verify`"} <= opened


@pytest.mark.slow
def test_Q02_a_ticket_opens_the_one_route_that_names_its_purpose_and_only_by_the_query():
    opened = {(transport, route) for transport in TRANSPORTS for route in accepted()["ticket", transport]}
    assert opened == {("`?ticket=`", 'view with `ticket="download"`, GET')}


@pytest.mark.slow
def test_Q02_H02_nothing_but_a_ticket_is_read_from_a_query():
    others = [credential for credential in CREDENTIALS if credential != "ticket"]
    assert [accepted()[each, place] for each in others for place in ("`?ticket=`", "`?token=`")] == [[]] * 8


def test_a_refresh_token_opens_what_renews_and_ends_its_session():
    opened = {route for transport in TRANSPORTS for route in accepted()["refresh token", transport]}
    assert opened == {"`POST /auth/refresh`", "`POST /auth/logout`", "`POST /auth/logout` of all"}
    assert accepted()["refresh token", "cookie"] == []


def test_only_our_own_access_token_is_taken_out_of_its_cookie():
    assert [accepted()[each, "cookie"] for each in CREDENTIALS if each != "access token"] == [[]] * 4
    assert set(accepted()["access token", "cookie"]) == set(accepted()["access token", "`z-token`"]) - {
        'view with `transports="header"`'
    } | {"`GET /auth/csrf`"}


def test_B03_without_its_csrf_token_a_cookie_changes_nothing():
    shop = Shop()
    for route in ROUTES:
        text, names, _ = shop.make("access token")
        method, path, body = request_of(route, names)
        client = shop.app.test_client(use_cookies=False)
        headers = {"Cookie": f"__Host-tessera={text}"}
        answer = client.open(path, method=method, json=body, headers=headers)
        expected = (403, 401) if method != "GET" else (200, 204, 401)
        assert answer.status_code in expected, (route, answer.status)


def test_A04_factors_are_changed_and_proved_by_the_token_of_a_session_alone():
    """In a header or in its cookie; of an old application's token there is no fresh login, and no session to go on."""
    wanted = {f"`POST /auth/{name}`" for name in ("totp", "totp/confirm", "recovery-codes", "step-up")}
    wanted |= {"`DELETE /auth/totp`", "`POST /auth/password`", "`POST /auth/bind`"}
    carried = {pair for pair, routes in accepted().items() if wanted & set(routes)}
    in_session = {("access token", transport) for transport in ("`Authorization`", "`z-token`", "cookie")}
    old = {("old token", transport) for transport in ("`Authorization`", "`z-token`")}
    assert carried == in_session | old
    assert all(wanted <= set(accepted()[pair]) for pair in in_session)
    assert all(wanted & set(accepted()[pair]) == {"`POST /auth/totp/confirm`"} for pair in old)
