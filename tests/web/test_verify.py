"""GET /verify: what proxies ask before they let a request through."""

from __future__ import annotations

import pytest

from tests.web.test_cookies import OWN, Browser, make, told


@pytest.fixture
def shop(new_site):
    site = make(new_site)
    site.app.register_blueprint(site.tessera.blueprint("verify", "api-keys", name="more"))
    return site


def ask(site, token, path="/auth/verify", **headers):
    return site.get(path, token, headers=headers)


def test_who_may_pass_is_told_in_headers_of_an_empty_answer(shop):
    pair = shop.login(scope="orders:write orders:read")
    answer = ask(shop, pair.access_token)
    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["X-Tessera-User"] == "7"
    assert answer.headers["X-Tessera-Session"] == pair.session_id
    assert answer.headers["X-Tessera-Scopes"] == "orders:read orders:write"
    assert answer.headers["Cache-Control"] == "no-store"


def test_H06_what_the_client_says_of_itself_does_not_count(shop):
    forged = {"X-Tessera-User": "1", "X-Tessera-Session": "x", "X-Tessera-Scopes": "admin"}
    assert told(ask(shop, None, **forged)) == (401, "token_missing")
    answer = ask(shop, shop.login().access_token, **forged)
    assert [answer.headers.getlist(name) for name in forged][0::2] == [["7"], [""]]


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"])
def test_a_proxy_that_asks_by_the_method_of_the_request_is_answered_alike(shop, method):
    token = shop.login().access_token
    answer = shop.request(method, "/auth/verify", token)
    assert (answer.status_code, answer.headers["X-Tessera-User"]) == (204, "7")
    assert shop.request(method, "/auth/verify?scope=a", token).status_code == 403
    assert [shop.request(method, "/auth/verify", bad).status_code for bad in (None, "x")] == [401, 401]


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND"])
def test_a_method_that_is_not_known_lets_nobody_pass(shop, method):
    assert shop.request(method, "/auth/verify", shop.login().access_token).status_code == 405


def test_B03_a_proxy_that_asks_by_post_lets_no_other_site_use_a_cookie(shop):
    browser = Browser(shop.app)
    browser.login()
    assert told(browser.send("POST", "/auth/verify", headers=OWN, csrf=False)) == (403, "csrf_failed")
    assert told(browser.send("POST", "/auth/verify", headers={"Origin": "https://evil.example"})) == (
        403,
        "csrf_failed",
    )
    assert browser.send("POST", "/auth/verify", headers=OWN).status_code == 204


@pytest.mark.parametrize("query", ["scope=a+b", "scope=a&scope=b", "scope=a%20b&x=1", "scope=", ""])
def test_scopes_that_the_proxy_needs_are_named_in_the_query(shop, query):
    path = f"/auth/verify?{query}"
    assert ask(shop, shop.login(scope="a b").access_token, path).status_code == 204
    answer = ask(shop, shop.login(scope="a").access_token, path)
    assert answer.status_code == (403 if "b" in query else 204)


@pytest.mark.parametrize("status", ["semantic", "always_200"])
def test_a_bad_token_is_refused_by_the_status_itself(new_site, status):
    site = new_site(TESSERA_HTTP_STATUS=status)
    site.app.register_blueprint(site.tessera.blueprint("verify"))
    pair = site.login()
    assert told(ask(site, None)) == (401, "token_missing")
    assert told(ask(site, "x")) == (401, "token_invalid")
    with site.app.app_context():
        site.tessera.revoke_user(7)
    assert told(ask(site, pair.access_token)) == (401, "session_kick")
    gone = site.login(8)
    del site.users[8]
    assert told(ask(site, gone.access_token)) == (401, "user_gone")
    assert "WWW-Authenticate" in ask(site, None).headers


@pytest.mark.parametrize("user_id", ["用户", "a b%", " a", "é"])
def test_a_user_id_that_no_header_can_hold_is_percent_encoded(new_site, user_id):
    from urllib.parse import unquote

    site = new_site(tessera={"user_id_type": str}, loader=False)
    site.app.register_blueprint(site.tessera.blueprint("verify"))
    sent = ask(site, site.login(user_id).access_token).headers["X-Tessera-User"]
    assert sent.isascii()
    assert sent != user_id
    assert unquote(sent) == user_id


def test_a_proxy_that_asks_why_is_never_told_that_all_is_well(shop):
    token = shop.login().access_token
    answer = ask(shop, token, **{"X-Tessera-Refused": "1"})
    assert told(answer) == (503, "storage_read_failed")
    assert answer.headers["Retry-After"] == "1"
    assert told(ask(shop, "x", **{"X-Tessera-Refused": "1"})) == (401, "token_invalid")


def test_a_scope_that_no_header_can_hold_is_percent_encoded(shop):
    answer = ask(shop, shop.login(scope="订单:读 a%b c").access_token)
    assert (answer.status_code, answer.headers["X-Tessera-Scopes"]) == (204, "%E8%AE%A2%E5%8D%95%3A%E8%AF%BB a%25b c")


def test_B03_where_the_proxy_does_not_say_the_method_a_page_of_another_origin_passes_nothing(shop):
    browser = Browser(shop.app)
    browser.login()
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert told(browser.send("GET", "/auth/verify", headers=foreign)) == (403, "csrf_failed")
    assert browser.send("GET", "/auth/verify", headers={"Sec-Fetch-Site": "cross-site"}, csrf=False).status_code == 204


def test_an_api_key_may_pass_with_its_scopes(shop):
    token = shop.login(scope="a b").access_token
    key = shop.post("/auth/api-keys", token, json={"name": "cron", "scope": "a"}).get_json()["data"]["key"]
    answer = ask(shop, key, "/auth/verify?scope=a")
    assert (answer.status_code, answer.headers["X-Tessera-Session"]) == (204, "")
    assert told(ask(shop, key, "/auth/verify?scope=b")) == (403, "scope_missing")


@pytest.mark.parametrize("header", ["X-Forwarded-Method", "X-Original-Method"])
def test_B03_what_changes_something_under_a_cookie_needs_its_csrf_token_here_too(shop, header):
    browser = Browser(shop.app)
    browser.login()
    assert browser.send("GET", "/auth/verify", csrf=False).status_code == 204
    for method in ("POST", "delete", "PATCH", ""):
        headers = {**OWN, header: method}
        assert told(browser.send("GET", "/auth/verify", headers=headers, csrf=False)) == (403, "csrf_failed")
        assert browser.send("GET", "/auth/verify", headers=headers).status_code == 204
        foreign = {"Origin": "https://evil.example", header: method}
        assert told(browser.send("GET", "/auth/verify", headers=foreign)) == (403, "csrf_failed")
    assert browser.send("GET", "/auth/verify", headers={**OWN, header: "GET"}, csrf=False).status_code == 204


@pytest.mark.parametrize("sent", [{"Sec-Fetch-Mode": "websocket"}, {"Upgrade": "websocket"}])
def test_B03_a_page_of_another_origin_opens_no_socket_behind_the_proxy(shop, sent):
    """Browsers let any page open one, and send the cookies of a neighbouring host with it."""
    browser = Browser(shop.app)
    assert browser.login().status_code == 200
    asked = {"X-Forwarded-Method": "GET", **sent}
    foreign = {**asked, "Origin": "https://evil.shop.example", "Sec-Fetch-Site": "same-site"}
    assert told(browser.send("GET", "/auth/verify", headers=foreign)) == (403, "csrf_failed")
    own = {**asked, "Origin": OWN["Origin"], "Sec-Fetch-Site": "same-origin"}
    assert browser.send("GET", "/auth/verify", headers=own).status_code == 204
