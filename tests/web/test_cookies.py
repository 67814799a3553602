"""Browser mode: a session in cookies, and what other sites cannot do with them."""

from __future__ import annotations

import json
import re
from http.cookies import SimpleCookie

import pytest
from flask import Flask, jsonify
from hypothesis import given
from hypothesis import strategies as st

from flask_tessera import CredentialsError, Tessera
from flask_tessera.web import cookies
from flask_tessera.web.transports.cookie import cookie_of

HOST = "shop.example"
OWN = {"Origin": f"https://{HOST}", "Sec-Fetch-Site": "same-origin"}
ACCESS, REFRESH, CSRF = "__Host-tessera", "__Secure-tessera-refresh", "__Host-tessera-csrf"


class Browser:
    """Keeps cookies as a browser does, as far as these tests need it: by name, value and path."""

    def __init__(self, app, host=HOST):
        self.client = app.test_client(use_cookies=False)
        self.host = host
        self.jar = {}
        self.attributes = {}

    def send(self, method, path, body=None, *, headers=OWN, csrf=True, **how):
        sent = dict(headers)
        cookies = [f"{name}={value}" for name, (value, place) in self.jar.items() if path.startswith(place)]
        if cookies:
            sent["Cookie"] = "; ".join(cookies)
        if csrf is True and CSRF in self.jar:
            sent["X-CSRF-Token"] = self.jar[CSRF][0]
        elif isinstance(csrf, str):
            sent["X-CSRF-Token"] = csrf
        if body is not None:
            how["json"] = body
        answer = self.client.open(path, method=method, base_url=f"https://{self.host}", headers=sent, **how)
        for line in answer.headers.getlist("Set-Cookie"):
            self._keep(line)
        return answer

    def _keep(self, line):
        (morsel,) = SimpleCookie(line).values()
        self.attributes[morsel.key] = dict(morsel)
        if morsel["max-age"] == "0":
            self.jar.pop(morsel.key, None)
        else:
            self.jar[morsel.key] = (morsel.value, morsel["path"])

    def login(self, **more):
        credentials = {"phone": "13800000007", "password": "right", "transport": "cookie"}
        return self.send("POST", "/auth/login", {**credentials, **more})


def make(new_site, **config):
    site = new_site(**{"TESSERA_COOKIES": True, **config})

    @site.tessera.authenticator
    def check(credentials):
        if credentials.get("password") != "right":
            raise CredentialsError
        site.credentials = credentials
        return site.users[7]

    @site.tessera.user_view
    def view(user):
        return {"name": user.name}

    changes = []

    @site.app.route("/orders", methods=["GET", "POST", "PUT", "DELETE", "PATCH"])
    @site.tessera.login_required
    def orders():
        changes.append(site.tessera.current_identity.session_id)
        return jsonify(len(changes))

    @site.app.post("/signout")
    @site.tessera.login_required
    def signout():
        site.tessera.logout()
        return "out"

    def is_known():
        return str(bool(site.tessera.current_identity))

    lenient = site.tessera.login_required(optional="invalid")(is_known)
    cached = site.tessera.login_required(lambda: ("x", 200, {"Cache-Control": "max-age=9"}))
    site.app.add_url_rule("/lenient", "lenient", lenient, methods=["GET", "POST"])
    site.app.add_url_rule("/bare", "bare", lambda: str(bool(site.tessera.current_identity)), methods=["GET", "POST"])
    site.app.add_url_rule("/cached", "cached", cached)
    site.app.register_blueprint(site.tessera.blueprint())
    site.changes = changes
    return site


@pytest.fixture
def shop(new_site):
    return make(new_site)


@pytest.fixture
def browser(shop):
    made = Browser(shop.app)
    assert made.login().status_code == 200
    return made


def told(answer):
    return answer.status_code, answer.get_json().get("error")


# -- The cookies -------------------------------------------------------------------------------------------------------


def test_B01_a_login_sets_three_cookies_and_its_body_holds_no_token(shop):
    browser = Browser(shop.app)
    answer = browser.login(device={"type": "web"})
    assert sorted(answer.get_json()["data"]) == ["csrf_token", "expires_in", "refresh_expires_in", "session_id"]
    assert answer.get_json()["data"]["csrf_token"] == browser.jar[CSRF][0]
    assert "eyJ" not in answer.text
    assert "tsr_" not in answer.text
    for name, path, httponly in ((ACCESS, "/", True), (REFRESH, "/auth", True), (CSRF, "/", "")):
        kept = browser.attributes[name]
        assert (kept["path"], kept["secure"], kept["httponly"], kept["samesite"]) == (path, True, httponly, "Lax")
        assert kept["domain"] == ""
        assert int(kept["max-age"]) == 30 * 86_400
    assert answer.headers["Cache-Control"] == "no-store"
    assert shop.credentials == {"phone": "13800000007", "password": "right"}


def test_B10_answers_vary_by_the_cookie(browser):
    assert "Cookie" in browser.send("GET", "/cached").headers["Vary"]
    assert browser.send("GET", "/orders").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("remember", [True, False])
def test_a_session_that_is_not_remembered_ends_with_the_browser_also_after_a_refresh(shop, remember):
    browser = Browser(shop.app)
    browser.login(remember=remember)
    for _ in range(2):
        assert [bool(browser.attributes[name]["max-age"]) for name in (ACCESS, REFRESH, CSRF)] == [remember] * 3
        shop.clock.advance(60)
        assert browser.send("POST", "/auth/refresh", {}).status_code == 200


def test_a_refresh_by_cookie_gives_new_cookies_and_no_token_in_the_body(shop, browser):
    before = dict(browser.jar)
    shop.clock.advance(1000)
    assert told(browser.send("GET", "/orders")) == (401, "token_expired")
    answer = browser.send("POST", "/auth/refresh", {})
    assert sorted(answer.get_json()["data"]) == ["csrf_token", "expires_in", "refresh_expires_in", "session_id"]
    assert browser.jar[ACCESS] != before[ACCESS]
    assert browser.jar[REFRESH] != before[REFRESH]
    assert browser.jar[CSRF] == before[CSRF]
    assert browser.send("POST", "/orders").status_code == 200


def test_a_pair_from_the_body_moves_into_cookies_where_that_is_asked_for(shop):
    pair = shop.login()
    browser = Browser(shop.app)
    answer = browser.send("POST", "/auth/refresh", {"refresh_token": pair.refresh_token, "transport": "cookie"})
    assert "refresh_token" not in answer.get_json()["data"]
    assert browser.send("GET", "/auth/me").get_json()["data"] == {"name": "user 7"}


def test_a_view_of_the_hosts_own_hands_cookies_out(shop):
    @shop.app.post("/signin")
    def signin():
        return shop.tessera.login(7).to_response(transport="cookie", remember=False)

    browser = Browser(shop.app)
    assert browser.send("POST", "/signin").status_code == 200
    assert browser.send("GET", "/orders").status_code == 200
    assert browser.attributes[ACCESS]["max-age"] == ""
    foreign = {"Origin": "https://evil.example"}
    assert told(Browser(shop.app).send("POST", "/signin", headers=foreign)) == (403, "csrf_failed")


def test_the_refresh_cookie_is_sent_below_the_prefix_of_the_blueprint_only(new_site):
    site = new_site(TESSERA_COOKIES=True)
    site.tessera.authenticator(lambda credentials: site.users[7])
    site.app.register_blueprint(site.tessera.blueprint(url_prefix="/api/v1/session"))
    browser = Browser(site.app)
    credentials = {"phone": "1", "transport": "cookie"}
    browser.send("POST", "/api/v1/session/login", credentials)
    assert browser.jar[REFRESH][1] == "/api/v1/session"
    browser = Browser(site.app)
    browser.send("POST", "/api/v1/session/login", credentials, environ_overrides={"SCRIPT_NAME": "/shop"})
    assert browser.jar[REFRESH][1] == "/shop/api/v1/session"


@pytest.mark.parametrize("realm", ["csrf", "refresh", "staff", "员工", ""])
def test_no_two_cookies_of_any_realms_have_one_name(realm):
    names = [*cookies.cookie_names("", is_secure=False), *cookies.cookie_names(realm or "x", is_secure=False)]
    assert len(set(names)) == 6


def test_without_a_prefix_the_refresh_cookie_is_sent_everywhere(new_site):
    site = new_site(TESSERA_COOKIES=True)
    site.tessera.authenticator(lambda credentials: site.users[7])
    site.app.register_blueprint(site.tessera.blueprint(url_prefix=""))
    browser = Browser(site.app)
    browser.send("POST", "/login", {"phone": "1", "transport": "cookie"})
    assert browser.jar[REFRESH][1] == "/"


def test_the_refresh_cookie_goes_where_the_refresh_is_whatever_is_registered_after_it(new_site):
    site = new_site(TESSERA_COOKIES=True)
    site.tessera.authenticator(lambda credentials: site.users[7])
    site.app.register_blueprint(site.tessera.blueprint())
    site.app.register_blueprint(site.tessera.blueprint("verify", name="proxies", url_prefix="/fa"))
    browser = Browser(site.app)
    browser.send("POST", "/auth/login", {"phone": "1", "transport": "cookie"})
    assert browser.jar[REFRESH][1] == "/auth"


def test_the_refresh_cookie_goes_where_the_refresh_is_though_it_was_registered_before_init_app():
    app, tessera = Flask("late"), Tessera(user_id_type=int)
    app.config.update(SECRET_KEY="hQ5vT2rB8nX0kW7yL3cM9dF6gJ1pZ4sA", TESSERA_STORE_URL="memory:", TESSERA_COOKIES=True)
    tessera.authenticator(lambda credentials: 7)
    app.register_blueprint(tessera.blueprint(url_prefix="/api/auth"))
    tessera.init_app(app)
    browser = Browser(app)
    browser.send("POST", "/api/auth/login", {"phone": "1", "transport": "cookie"})
    assert browser.jar[REFRESH][1] == "/api/auth"


def test_two_realms_have_cookies_of_their_own(new_site):
    site = new_site(TESSERA_COOKIES=True)
    staff = Tessera(realm="staff", clock=site.clock)
    staff.init_app(site.app)

    @site.app.post("/signin/<realm>")
    def signin(realm):
        tessera = staff if realm == "staff" else site.tessera
        return tessera.login(7).to_response(transport="cookie")

    site.app.add_url_rule("/staff", "staff", staff.login_required(lambda: "staff"))
    site.app.add_url_rule("/users", "users", site.tessera.login_required(lambda: "users"))
    browser = Browser(site.app)
    browser.send("POST", "/signin/users")
    assert told(browser.send("GET", "/staff")) == (401, "token_missing")
    browser.send("POST", "/signin/staff")
    assert browser.send("GET", "/staff").text == "staff"
    assert browser.send("GET", "/users").text == "users"
    staff_cookie = browser.jar["__Host-tessera.staff"]
    browser.jar[ACCESS] = staff_cookie
    assert told(browser.send("GET", "/users")) == (401, "token_invalid")


def test_B02_a_token_that_does_not_fit_a_cookie_is_an_error_where_it_is_issued(shop):
    @shop.app.post("/signin")
    def signin():
        return shop.tessera.login(7, scope="x" * 2000, claims={"c": "y" * 1900}).to_response(transport="cookie")

    shop.app.testing = True
    with pytest.raises(ValueError, match="does not fit a cookie"):
        Browser(shop.app).send("POST", "/signin")
    with shop.app.app_context():
        assert shop.tessera.sessions(7) == [], "nobody has the tokens of the session that was begun"


def test_B02_a_session_whose_next_token_does_not_fit_a_cookie_goes_on(shop):
    """Its claims may be fewer with the next try."""

    @shop.app.post("/signin")
    def signin():
        return shop.tessera.login(7, scope="x" * 1500).to_response(transport="cookie")

    more = {}
    shop.tessera.claims_loader(lambda user: more)
    browser = Browser(shop.app)
    browser.send("POST", "/signin")
    more["c"] = "y" * 1900
    shop.app.testing = True
    with pytest.raises(ValueError, match="does not fit a cookie"):
        browser.send("POST", "/auth/refresh", {})
    more.clear()
    assert browser.send("POST", "/auth/refresh", {}).status_code == 200


# -- Development -------------------------------------------------------------------------------------------------------


def test_B01_without_secure_cookies_go_to_localhost_only_and_the_log_says_so(new_site, caplog):
    site = make(new_site, TESSERA_COOKIE_SECURE=False)
    assert "TESSERA_COOKIE_SECURE is off" in caplog.text
    browser = Browser(site.app, "localhost:8000")
    assert browser.login().status_code == 403, "https://shop.example is another origin"
    own = {"Origin": "https://localhost:8000"}
    credentials = {"phone": "1", "password": "right", "transport": "cookie"}
    assert browser.send("POST", "/auth/login", credentials, headers=own).status_code == 200
    assert sorted(browser.jar) == ["tessera", "tessera-csrf", "tessera-refresh"]
    assert not any(kept["secure"] for kept in browser.attributes.values())
    cookies._tell_to_secure.cache_clear()
    for host in ("shop.example", "localhost.example", "127.0.0.1.example"):
        elsewhere = Browser(site.app, host)
        assert told(elsewhere.send("POST", "/auth/login", credentials, headers={})) == (400, "input_malformed")
        assert elsewhere.jar == {}
    assert "serve the application over HTTPS" in caplog.text
    site.app.debug = True
    assert Browser(site.app, "192.168.0.7").send("POST", "/auth/login", credentials, headers={}).status_code == 200


@pytest.mark.parametrize(
    ("origin", "is_told"),
    [("http://shop.example", True), ("https://shop.example", False), ("http://localhost:8000", False), ("", False)],
)
def test_B01_the_log_says_that_browsers_drop_what_a_page_of_plain_http_gets(new_site, caplog, origin, is_told):
    """The login itself is answered with success: a proxy may speak plain HTTP to us, and TLS to the browser."""
    site = make(new_site)
    cookies._tell_of_plain_http.cache_clear()
    body = {"phone": "13800000007", "password": "right", "transport": "cookie"}
    headers, base_url = ({"Origin": origin} if origin else {}), origin or "http://shop.example"
    for _ in range(2):
        answer = site.client.post("/auth/login", json=body, headers=headers, base_url=base_url)
        assert answer.status_code == 200, answer.text
    told = [each for each in caplog.messages if "browsers drop cookies with Secure" in each]
    assert len(told) == is_told


def test_without_the_setting_no_cookie_is_read_or_set(new_site, caplog):
    site = make(new_site, TESSERA_COOKIES=False)
    browser = Browser(site.app)
    cookies._tell_to_switch_on.cache_clear()
    assert told(browser.login()) == (400, "input_malformed")
    assert "TESSERA_COOKIES is off" in caplog.text
    assert browser.jar == {}
    browser.jar[ACCESS] = (site.login().access_token, "/")
    assert told(browser.send("GET", "/orders")) == (401, "token_missing")
    assert told(browser.send("GET", "/auth/csrf")) == (404, "not_found")


# -- Other sites -------------------------------------------------------------------------------------------------------


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": f"http://{HOST}"},
    {"Origin": f"https://{HOST}.evil.example"},
    {"Origin": f"https://evil{HOST}"},
    {"Origin": f"https://{HOST}:8443"},
    {"Origin": f"https://{HOST}@evil.example"},
    {"Origin": f"https://evil.example#{HOST}"},
    {"Origin": f"https://evil.example/{HOST}"},
    {"Origin": f"https://{HOST}/"},
    {"Origin": f"https://user@{HOST}"},
    {"Origin": f"javascript://{HOST}"},
    {"Origin": f"https://{HOST}:x"},
    {"Origin": "https://[::1"},
    {"Origin": f"https://{HOST}", "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": ""},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_B03_a_page_of_another_origin_changes_nothing_even_with_the_csrf_token(shop, browser, headers, method):
    assert told(browser.send(method, "/orders", headers=headers)) == (403, "csrf_failed")
    assert shop.changes == []


@pytest.mark.parametrize("headers", FOREIGN)
def test_B04_a_page_of_another_origin_can_neither_log_in_nor_out_nor_refresh(shop, browser, headers):
    before = dict(browser.jar)
    for path, body in (
        ("/auth/login", {"phone": "1", "password": "right", "transport": "cookie"}),
        ("/auth/refresh", {}),
        ("/auth/logout", {}),
        ("/auth/logout", {"which": "all"}),
    ):
        assert told(browser.send("POST", path, body, headers=headers)) == (403, "csrf_failed")
    assert browser.jar == before
    assert browser.send("GET", "/orders").status_code == 200


@pytest.mark.parametrize("csrf", [False, "", "x", "é", "A" * 32, "0" * 10_000])
def test_B03_a_request_without_the_token_of_its_session_changes_nothing(shop, browser, csrf):
    for headers in (OWN, {}, {"Sec-Fetch-Site": "none"}):
        assert told(browser.send("POST", "/orders", headers=headers, csrf=csrf)) == (403, "csrf_failed")
        assert told(browser.send("POST", "/auth/refresh", {}, headers=headers, csrf=csrf)) == (403, "csrf_failed")
        assert told(browser.send("POST", "/auth/logout", {}, headers=headers, csrf=csrf)) == (403, "csrf_failed")
    assert shop.changes == []


def test_B03_the_csrf_token_of_another_session_is_none(shop, browser):
    other = Browser(shop.app)
    other.login()
    assert other.jar[CSRF] != browser.jar[CSRF]
    assert told(browser.send("POST", "/orders", csrf=other.jar[CSRF][0])) == (403, "csrf_failed")
    # Naive double submit would take what somebody has planted in both places.
    browser.jar[CSRF] = other.jar[CSRF]
    assert told(browser.send("POST", "/orders")) == (403, "csrf_failed")


@pytest.mark.parametrize("headers", [{"Origin": f"https://{HOST}:443"}, {"Origin": f"HTTPS://{HOST.upper()}"}, {}, OWN])
def test_an_own_page_may_spell_its_origin_as_it_likes(browser, headers):
    assert browser.send("POST", "/orders", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("named", "sent"),
    [
        ("https://app.example", "https://app.example"),
        ("https://app.example:443", "https://app.example"),
        ("http://App.Example:80", "http://app.example"),
        ("https://app.example:80", "https://app.example:80"),
        ("http://[2001:DB8::1]:80", "http://[2001:db8::1]"),
    ],
)
def test_pages_of_other_origins_that_are_named_may_send_requests(new_site, named, sent):
    site = make(new_site, TESSERA_CSRF_ORIGINS=[named])
    browser = Browser(site.app)
    browser.login()
    named = {"Origin": sent, "Sec-Fetch-Site": "cross-site"}
    assert browser.send("POST", "/orders", headers=named).status_code == 200
    assert told(browser.send("POST", "/orders", headers=named, csrf=False)) == (403, "csrf_failed")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_request_that_changes_nothing_needs_no_csrf_token(browser, method):
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert browser.send(method, "/orders", headers=cross, csrf=False).status_code == 200


@pytest.mark.parametrize("override", [{"X-HTTP-Method-Override": "GET"}, {"X-Method-Override": "GET"}])
def test_H05_a_method_override_is_ignored(shop, browser, override):
    assert told(browser.send("POST", "/orders?_method=GET", headers=override, csrf=False)) == (403, "csrf_failed")
    assert shop.changes == []


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
@pytest.mark.parametrize("path", ["/auth/login", "/auth/refresh", "/auth/logout"])
def test_B03_forms_and_plain_text_are_refused_on_json_routes(browser, content_type, path):
    body = json.dumps({"phone": "1", "password": "right", "transport": "cookie"})
    answer = browser.send("POST", path, data=body, content_type=content_type)
    assert told(answer) == (415, "media_type_unsupported")


def test_a_lenient_view_takes_a_forged_request_for_nobodys(browser):
    for path in ("/lenient", "/bare"):
        assert browser.send("POST", path).text == "True"
        assert browser.send("POST", path, csrf=False).text == "False"
        assert browser.send("GET", path, csrf=False).text == "True"


# -- Headers beside cookies --------------------------------------------------------------------------------------------


def test_B05_a_header_and_a_cookie_that_differ_are_refused(shop, browser):
    token = shop.login().access_token
    assert told(browser.send("GET", "/orders", headers={"z-token": token})) == (400, "token_ambiguous")
    for bad in ("", "x", "Bearer x"):
        answer = browser.send("GET", "/orders", headers={"Authorization": bad} if bad[:1] == "B" else {"z-token": bad})
        assert told(answer) == (400, "token_ambiguous")
    same = {"z-token": browser.jar[ACCESS][0]}
    assert browser.send("POST", "/orders", headers=same, csrf=False).status_code == 200, "no other site sets a header"


def test_B05_a_refresh_token_in_the_body_and_another_in_the_cookie_are_refused(shop, browser):
    other = shop.login()
    body = {"refresh_token": other.refresh_token}
    assert told(browser.send("POST", "/auth/refresh", body)) == (400, "token_ambiguous")
    body = {"refresh_token": browser.jar[REFRESH][0]}
    assert "refresh_token" in browser.send("POST", "/auth/refresh", body).get_json()["data"]


def test_B05_a_cookie_that_comes_twice_is_refused(shop):
    token, client = shop.login().access_token, shop.app.test_client(use_cookies=False)

    def get(cookie):
        return client.get("/orders", headers={"Cookie": cookie}).status_code

    assert get(f"{ACCESS}={token}; {ACCESS}={token}") == 200
    assert get(f"{ACCESS}={token}; {ACCESS}=x") == 400
    assert get(f"x{ACCESS}={token}") == 401
    assert get(f"a=b; {ACCESS}={token};") == 200


@pytest.mark.parametrize("blank", ["\xa0", "\x85", "\x0b", "\x0c", "\x1c", "\x1f"])
def test_B01_S05_a_cookie_that_another_host_of_the_domain_could_set_is_not_ours(shop, blank):
    """To browsers such a character is part of the name, for which the rules of __Host- do not hold."""
    token, client = shop.login().access_token, shop.app.test_client(use_cookies=False)
    for cookie in (f"{blank}{ACCESS}={token}", f"{ACCESS}{blank}={token}"):
        answer = client.get("/orders", environ_overrides={"HTTP_COOKIE": cookie})
        assert told(answer) == (401, "token_missing")
    for cookie in (f"{ACCESS}={blank}{token}", f"{ACCESS}={token}{blank}"):
        answer = client.get("/orders", environ_overrides={"HTTP_COOKIE": cookie})
        assert told(answer) == (401, "token_invalid")
    assert client.get("/orders", environ_overrides={"HTTP_COOKIE": f"a=b;\t{ACCESS} = {token} "}).status_code == 200


# -- The end -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["this", "all"])
def test_B11_a_logout_clears_the_cookies_with_the_attributes_they_were_set_with(shop, browser, which):
    set_with = dict(browser.attributes)
    assert browser.send("POST", "/auth/logout", {"which": which}).status_code == 200
    assert browser.jar == {}
    for name, attributes in browser.attributes.items():
        for each in ("path", "secure", "httponly", "samesite", "domain"):
            assert attributes[each] == set_with[name][each]
    assert told(browser.send("GET", "/orders")) == (401, "token_missing")


@pytest.mark.parametrize("which", ["this", "all"])
def test_B05_a_logout_beside_two_refresh_cookies_ends_what_it_says(shop, which):
    pair, client = shop.login(), shop.app.test_client(use_cookies=False)
    headers = {"z-token": pair.access_token, "Cookie": f"{REFRESH}={pair.refresh_token}; {REFRESH}=planted"}
    answer = client.post("/auth/logout", json={"which": which}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert told(client.get("/orders", headers={"z-token": pair.access_token})) == (401, "session_logout")


def test_a_logout_of_another_session_keeps_the_cookies(shop, browser):
    """A header carries one session, a cookie that is sent below the prefix another one."""
    access = browser.jar.pop(ACCESS)
    other = {**OWN, "Authorization": f"Bearer {shop.login(8).access_token}"}
    for body in ({}, {"which": "all"}):
        assert browser.send("POST", "/auth/logout", body, headers=other).status_code in (200, 401)
    browser.jar[ACCESS] = access
    assert len(browser.jar) == 3
    assert browser.send("GET", "/orders").status_code == 200


def test_a_logout_of_the_others_keeps_the_cookies(shop, browser):
    other = Browser(shop.app)
    other.login()
    assert len(browser.send("POST", "/auth/logout", {"which": "others"}).get_json()["data"]["ended"]) == 1
    assert browser.send("GET", "/orders").status_code == 200
    assert told(other.send("GET", "/orders")) == (401, "session_logout")


def test_a_logout_works_when_only_the_refresh_cookie_is_left(shop, browser):
    access = browser.jar.pop(ACCESS)
    assert browser.send("POST", "/auth/logout", {}).status_code == 200
    assert browser.jar == {}
    browser.jar[ACCESS] = access
    assert told(browser.send("GET", "/orders")) == (401, "session_logout")


def test_ending_the_present_session_from_the_list_clears_the_cookies(browser):
    (session,) = browser.send("GET", "/auth/sessions").get_json()["data"]
    assert browser.send("DELETE", f"/auth/sessions/{session['session_id']}").status_code == 200
    assert browser.jar == {}


def test_the_hosts_own_logout_clears_the_cookies(browser):
    assert browser.send("POST", "/signout").text == "out"
    assert browser.jar == {}


def test_a_refresh_clears_the_cookies_of_a_session_that_is_over_and_of_no_other(shop, browser):
    kept = dict(browser.jar)
    browser.jar[REFRESH] = (kept[REFRESH][0][:-1] + "B", "/auth")
    assert told(browser.send("POST", "/auth/refresh", {})) == (401, "token_invalid")
    assert len(browser.jar) == 3
    browser.jar = dict(kept)
    with shop.app.app_context():
        shop.tessera.revoke_user(7)
    assert told(browser.send("POST", "/auth/refresh", {})) == (401, "session_kick")
    assert browser.jar == {}


def test_two_tabs_that_refresh_at_once_get_the_same_cookie(shop, browser):
    other = Browser(shop.app)
    other.jar = dict(browser.jar)
    for tab in (browser, other):
        assert tab.send("POST", "/auth/refresh", {}).status_code == 200
    assert other.jar[REFRESH] == browser.jar[REFRESH]
    assert all(tab.send("GET", "/orders").status_code == 200 for tab in (browser, other))


def test_S05_a_cookie_that_was_there_before_a_login_is_not_adopted(shop, browser):
    before = dict(browser.jar)
    victim = Browser(shop.app)
    victim.jar = dict(before)
    victim.login()
    assert victim.jar[ACCESS] != before[ACCESS]
    ids = [each.send("GET", "/orders") and shop.changes[-1] for each in (browser, victim)]
    assert ids[0] != ids[1]


# -- What else a cookie may hold ---------------------------------------------------------------------------------------


def test_the_csrf_token_can_be_asked_for_again(shop, browser):
    token = browser.jar.pop(CSRF)[0]
    assert browser.send("GET", "/auth/csrf").get_json()["data"] == {"csrf_token": token}
    shop.clock.advance(1000)
    assert browser.send("GET", "/auth/csrf").get_json()["data"] == {"csrf_token": token}


def test_S05_a_refresh_cookie_that_a_neighbouring_subdomain_has_planted_is_not_adopted(shop, browser):
    victim = Browser(shop.app)
    victim.jar[REFRESH] = browser.jar[REFRESH]
    answer = victim.send("GET", "/auth/csrf")
    assert told(answer) == (401, "token_missing"), "with the token that it gives, a page would refresh the session"
    assert told(victim.send("POST", "/auth/refresh", {})) == (403, "csrf_failed")
    assert list(victim.jar) == [REFRESH]


@pytest.mark.parametrize("bad", [{"transport": "query"}, {"transport": 1}, {"transport": "cookie", "remember": "no"}])
def test_another_transport_is_malformed(shop, bad):
    assert told(Browser(shop.app).login(**bad)) == (400, "input_malformed")


def test_a_refresh_without_any_token_says_so(shop):
    assert told(Browser(shop.app).send("POST", "/auth/refresh", {})) == (401, "token_missing")


@given(header=st.text(alphabet=st.sampled_from('ab=; \t,"é\x00'), max_size=60))
def test_any_cookie_header_is_read_or_refused(header):
    found = cookie_of({"HTTP_COOKIE": header}, "a") if header.count("a") < 2 else None
    assert found is None or re.search(r"(^|;)\s*a\s*=", header)


def test_A01_a_browser_makes_and_ends_an_api_key_which_needs_neither_cookie_nor_csrf_token(shop):
    shop.app.register_blueprint(shop.tessera.blueprint("api-keys", name="keys"))
    browser = Browser(shop.app)
    browser.login()
    assert told(browser.send("POST", "/auth/api-keys", {"name": "till"}, csrf=False)) == (403, "csrf_failed")
    made = browser.send("POST", "/auth/api-keys", {"name": "till"}).get_json()["data"]
    assert shop.post("/orders", made["key"]).get_json() == 1
    # One request speaks for one, whoever sends it.
    answer = browser.send("POST", "/orders", headers={**OWN, "z-token": made["key"]})
    assert told(answer) == (400, "token_ambiguous")
    assert browser.send("DELETE", f"/auth/api-keys/{made['id']}").status_code == 200
    assert told(shop.post("/orders", made["key"])) == (401, "token_invalid")
