"""DEVICES_FRESH: how recent a login must be to end other devices and see where they are."""

from __future__ import annotations

import datetime as dt

import pytest


@pytest.fixture(params=[300, dt.timedelta(minutes=5)])
def shop(new_site, request):
    site = new_site(TESSERA_DEVICES_FRESH=request.param)
    site.app.register_blueprint(site.tessera.blueprint())
    site.app.add_url_rule("/signin", "signin", lambda: site.tessera.login(7).to_response(), methods=["POST"])
    return site


def signin(site):
    return site.post("/signin").get_json()["data"]


def told(answer):
    return answer.status_code, answer.get_json()["error"]


def live(site):
    with site.app.app_context():
        return len(site.tessera.sessions(7))


def requests_of(mine, other):
    """Those that end another device, as method, path, token and body."""
    return [
        ("DELETE", f"/auth/sessions/{other['session_id']}", mine["access_token"], None),
        ("POST", "/auth/logout", mine["access_token"], {"which": "others"}),
        ("POST", "/auth/logout", mine["access_token"], {"which": "all"}),
        ("POST", "/auth/logout", None, {"which": "others", "refresh_token": mine["refresh_token"]}),
        ("POST", "/auth/logout", None, {"which": "all", "refresh_token": mine["refresh_token"]}),
    ]


@pytest.mark.parametrize("number", range(5))
def test_S08_a_recent_login_ends_other_devices_up_to_the_last_second(shop, number):
    mine, other = signin(shop), signin(shop)
    shop.clock.advance(300)
    method, path, token, body = requests_of(mine, other)[number]
    assert shop.request(method, path, token, json=body).status_code == 200
    assert live(shop) == (0 if body and body["which"] == "all" else 1)


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("refreshed", [False, True])
def test_S08_an_older_login_ends_no_other_device_and_a_refresh_makes_it_no_younger(shop, number, refreshed):
    mine, other = signin(shop), signin(shop)
    shop.clock.advance(301)
    if refreshed:
        mine = shop.post("/auth/refresh", json={"refresh_token": mine["refresh_token"]}).get_json()["data"]
    method, path, token, body = requests_of(mine, other)[number]
    answer = shop.request(method, path, token, json=body)
    assert told(answer) == (401, "step_up_required")
    assert "insufficient_user_authentication" in answer.headers["WWW-Authenticate"]
    assert live(shop) == 2


def test_S08_an_older_login_still_ends_itself(shop):
    for path in ("session", "logout", "by refresh token"):
        mine, _ = signin(shop), signin(shop)
        shop.clock.advance(301)
        if path == "session":
            answer = shop.request("DELETE", f"/auth/sessions/{mine['session_id']}", mine["access_token"])
        elif path == "logout":
            answer = shop.post("/auth/logout", mine["access_token"])
        else:
            answer = shop.post("/auth/logout", json={"refresh_token": mine["refresh_token"]})
        assert answer.get_json()["data"]["ended"] == [mine["session_id"]]


def test_S08_an_older_login_sees_no_addresses(shop):
    mine, _ = signin(shop), signin(shop)

    def addresses():
        return [each["ip"] for each in shop.get("/auth/sessions", mine["access_token"]).get_json()["data"]]

    shop.clock.advance(300)
    assert addresses() == ["127.0.0.1", "127.0.0.1"]
    shop.clock.advance(1)
    assert addresses() == ["", ""]
    assert shop.get("/auth/sessions", mine["access_token"]).get_json()["data"][0]["session_id"] == mine["session_id"]


def test_by_default_the_age_of_a_login_does_not_matter(new_site):
    site = new_site()
    site.app.register_blueprint(site.tessera.blueprint())
    mine, other = site.login(), site.login()
    site.clock.advance(800)
    answer = site.request("DELETE", f"/auth/sessions/{other.session_id}", mine.access_token)
    assert answer.get_json()["data"]["ended"] == [other.session_id]


def test_S08_a_stale_refresh_token_tells_nothing_of_the_session_but_its_age(shop):
    mine = signin(shop)
    shop.clock.advance(301)
    shop.request("DELETE", f"/auth/sessions/{mine['session_id']}", mine["access_token"])
    answer = shop.post("/auth/logout", json={"which": "all", "refresh_token": mine["refresh_token"]})
    assert told(answer) == (401, "session_kick")
