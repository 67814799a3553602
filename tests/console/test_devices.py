"""The page with one's own devices."""

from __future__ import annotations

import pytest
from flask import Blueprint

from flask_tessera import Tessera
from tests.web.conftest import make_site

from .sites import ACCESS, CSRF, OWN, Browser, Page, make

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Mobile/15E148 Safari/604.1"
END_OTHERS = "/console/devices/end-others"
ONCE = "/console/static/once.js"
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "' onfocus=alert(1) autofocus='",
    "</title><svg onload=alert(1)>",
    "\u202eevil\u202c\u200f",
    "=cmd|' /C calc'!A0",
    "x" * 10_000,
    "javascript:alert(1)",
)


def end_of(sid):
    return f"/console/devices/{sid}/end"


def test_the_devices_of_a_user_are_shown_this_one_first(shop, browser):
    shop.clock.advance(100)
    other = Browser(shop.app, **{"User-Agent": PHONE})
    other.sign_in()
    page = browser.devices()
    assert page.text.index("This device") < page.text.index("Safari · iOS")
    assert page.text.count("This device") == 1
    assert "Signed in as user 7" in " ".join(page.text.split())
    assert "password" in page.text
    assert "127.0.0.1" in page.text
    moments = [each["datetime"] for each in page.all("time")]
    assert len(moments) == 4
    assert all(each.endswith("Z") for each in moments)


def test_one_is_ended_and_told_why_at_its_next_page(shop, browser):
    other = Browser(shop.app, **{"User-Agent": PHONE, "Accept-Language": "zh"})
    other.sign_in()
    (action,) = [each for each in browser.devices().forms if each.endswith("/end")]
    answer = browser.press(action)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/devices?ended=1")
    assert Page(browser.get("/console/devices?ended=1")).all("p", id="ended")
    assert "No other device" in browser.devices().text
    led = other.get("/console/devices").headers["Location"]
    assert led == "/console/sign-in?next=%2Fconsole%2Fdevices&reason=session_kick"
    assert "您已被踢下线" in other.get(led).text


def test_S02_the_others_end_and_this_one_stays(shop, browser):
    others = [Browser(shop.app) for _ in range(3)]
    for each in others:
        each.sign_in()
    assert browser.press(END_OTHERS).status_code == 303
    assert len(browser.devices().all("li")) == 1
    assert {each.get("/console/devices").status_code for each in others} == {302}


def test_signing_out_ends_the_session_and_clears_the_cookies(shop, browser):
    token = browser.jar[ACCESS][0]
    answer = browser.press("/console/sign-out")
    assert (answer.status_code, browser.jar) == (303, {})
    assert "This session was logged out." in browser.get(answer.headers["Location"]).text
    assert shop.get("/auth/sessions", token).get_json()["error"] == "session_logout"


def test_signing_out_works_when_the_access_token_has_expired_and_when_the_session_is_over(shop, browser):
    form = browser.devices().forms["/console/sign-out"]
    shop.clock.advance(1000)
    assert browser.send("POST", "/console/sign-out", data=form).status_code == 303
    assert browser.jar == {}
    assert browser.send("POST", "/console/sign-out", data=form).headers["Location"].startswith("/console/sign-in")


def test_S09_nobody_ends_or_sees_what_is_anothers(shop, browser):
    stranger = Browser(shop.app)
    stranger.sign_in("13800000008")
    sid = stranger.get("/auth/sessions").get_json()["data"][0]["session_id"]
    answer = browser.send("POST", end_of(sid), data=browser.devices().forms["/console/sign-out"])
    assert answer.status_code == 404
    assert sid not in browser.devices().text
    assert stranger.get("/console/devices").status_code == 200
    for name in ("x", sid[:-1], sid + "A", "..%2f..", "%00", "你" * 22):
        answer = browser.send("POST", end_of(name), data=browser.devices().forms["/console/sign-out"])
        assert answer.status_code in (308, 404), name


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "https://shop.example.evil.example"},
        {"Origin": "https://evilshop.example"},
        {"Origin": "http://shop.example"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_B03_another_site_ends_nothing_even_with_the_token_of_the_form(shop, browser, headers):
    Browser(shop.app).sign_in()
    page = browser.devices()
    for action, form in page.forms.items():
        assert browser.send("POST", action, headers, data=form).status_code == 403, action
    assert browser.devices().forms == page.forms


@pytest.mark.parametrize("token", ["", "x", "x" * 32, "你", "A" * 15_000])
def test_B03_a_form_without_its_token_ends_nothing(shop, browser, token):
    Browser(shop.app).sign_in()
    page = browser.devices()
    for action in page.forms:
        answer = browser.send(
            "POST", action, data={"csrf_token": token}, headers={**OWN, "X-CSRF-Token": browser.jar[CSRF][0]}
        )
        assert answer.status_code == 403, action
        assert browser.send("POST", action).status_code == 415
    assert browser.devices().forms == page.forms


def test_B03_the_token_of_another_session_is_none(shop, browser):
    other = Browser(shop.app)
    other.sign_in()
    assert browser.press(END_OTHERS, csrf_token=other.jar[CSRF][0]).status_code == 403


def test_B04_reading_changes_nothing(shop, browser):
    Browser(shop.app).sign_in()
    page = browser.devices()
    for action in page.forms:
        for method in ("PUT", "DELETE"):
            assert browser.send(method, action).status_code == 405, action
        for method in ("GET", "HEAD"):
            answer = browser.send(method, action)
            assert (answer.status_code, answer.headers["Location"]) == (303, "/console/devices"), action
    assert browser.devices().forms == page.forms


def test_an_expired_access_token_is_answered_by_a_page_that_renews_it(shop, browser):
    Browser(shop.app).sign_in()
    page = browser.devices()
    shop.clock.advance(1000)
    answer = browser.get("/console/devices")
    resume = Page(answer)
    assert (answer.status_code, resume.forms) == (200, {})
    assert [each["src"] for each in resume.all("script")] == [ONCE, "/auth/tessera.js", "/console/static/resume.js"]
    assert resume.all("main")[0]["data-sign-in"] == "/console/sign-in?next=%2Fconsole%2Fdevices"
    # A form comes again by itself: what has been pressed must not be pressed twice.
    again = Page(browser.press(END_OTHERS, page))
    assert again.forms == {END_OTHERS: page.forms[END_OTHERS]}
    assert browser.press(END_OTHERS, page, csrf_token="x").status_code == 403
    assert (
        browser.send("POST", END_OTHERS, {"Origin": "https://evil.example"}, data=page.forms[END_OTHERS]).status_code
        == 403
    )
    assert (
        browser.send("POST", "/auth/refresh", {**OWN, "X-CSRF-Token": browser.jar[CSRF][0]}, json={}).status_code == 200
    )
    assert browser.press(END_OTHERS, again).status_code == 303
    assert len(browser.devices().all("li")) == 1


def test_a_form_comes_again_to_the_address_that_it_was_sent_to(shop, browser):
    form = browser.devices().forms["/console/sign-out"]
    shop.clock.advance(1000)
    again = Page(browser.send("POST", "/console/devices/a%0a%22%3Cb/end", data=form))
    assert again.forms == {"/console/devices/a%0A%22%3Cb/end": form}


def test_A04_a_token_in_a_header_opens_no_page(shop, browser):
    answer = Browser(shop.app, **{"z-token": browser.jar[ACCESS][0]}).get("/console/devices")
    assert answer.status_code == 302
    with shop.app.app_context():
        key = shop.tessera.api_keys.create(7, name="robot").key
    assert Browser(shop.app, Authorization=f"Bearer {key}").get("/console/devices").status_code == 302


def test_B05_two_tokens_that_differ_open_none(browser):
    browser.headers["z-token"] = "another"
    assert browser.get("/console/devices").status_code == 400


def test_a_user_who_is_gone_is_told_so(shop, browser):
    del shop.users[7]
    assert browser.get("/console/devices").headers["Location"].endswith("reason=user_gone")


def test_S08_an_old_login_sees_no_addresses_and_ends_nothing(new_shop):
    site = new_shop(TESSERA_DEVICES_FRESH=300)
    browser, other = Browser(site.app), Browser(site.app)
    browser.sign_in()
    other.sign_in()
    assert "127.0.0.1" in browser.devices().text
    site.clock.advance(301)
    page = browser.devices()
    assert "127.0.0.1" not in page.text
    assert page.all("a", href="/console/sign-in?next=%2Fconsole%2Fdevices&reason=step_up_required")
    for action in page.forms.keys() - {"/console/sign-out"}:
        answer = browser.press(action, page)
        assert (answer.status_code, answer.headers["Location"]) == (
            303,
            "/console/sign-in?next=%2Fconsole%2Fdevices&reason=step_up_required",
        )
    assert len(browser.devices().all("li")) == 2
    assert browser.sign_in().status_code == 303
    assert browser.press(END_OTHERS).status_code == 303


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_B08_whatever_a_client_says_of_itself_is_printed_as_text(shop, browser, hostile):
    plain = [tag for tag, _ in browser.devices().tags]
    shop.users[7].name = hostile
    agent = hostile.encode("utf-8").decode("latin-1")
    device = {"name": hostile, "type": hostile[:99], "id": hostile[:99]}
    told = {"phone": "13800000007", "password": "right", "device": device}
    assert shop.client.post("/auth/login", json=told, headers={"User-Agent": agent}).status_code == 200
    page = browser.devices()
    assert {tag for tag, _ in page.tags} <= {*plain, "form", "button", "details", "summary", "path", "circle"}
    assert not [given for _, given in page.tags for name in given if name.startswith("on")]
    assert "\u202e" not in page.text.replace(shop.users[7].name[:64], "")
    failed = Page(browser.sign_in(hostile, "wrong"))
    assert failed.forms["/console/sign-in"]["account"] == hostile.replace("\x00", "\ufffd")
    assert [given.get("src") for tag, given in failed.tags if tag in ("script", "svg", "img")] == [ONCE]


def test_B07_the_headers_of_every_page(shop, browser):
    Browser(shop.app).sign_in()
    answers = [
        browser.get("/console/devices"),
        browser.get("/console/"),
        Browser(shop.app).get("/console/sign-in"),
        Browser(shop.app).sign_in(password="wrong"),
        browser.send("POST", END_OTHERS, data={}, content_type="application/x-www-form-urlencoded"),
        browser.press(END_OTHERS),
    ]
    for answer in answers:
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert "unsafe" not in str(policy)
        assert "http" not in str(policy)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cache-Control"] == "no-store"
        assert {"Cookie", "Accept-Language"} <= set(answer.headers["Vary"].split(", "))
    sources = [given.get(name, "") for _, given in Page(answers[0]).tags for name in ("src", "href", "action", "style")]
    assert all(each.startswith(("/", "data:,")) or not each for each in sources)


def test_B07_no_token_is_on_a_page_or_in_an_address(shop, browser):
    page = browser.get("/console/devices").text
    for value, _ in (browser.jar[name] for name in browser.jar if name != CSRF):
        assert value not in page
        assert value.split(".")[-1] not in page


def test_B09_a_page_shows_no_secret_and_takes_no_order(shop, browser):
    (session,) = shop.app.extensions["tessera"].running[""].sessions.list("7")
    page = browser.get("/console/devices?sort=gen&filter=user_stamp").text
    assert page == browser.get("/console/devices").text
    assert session.issued_for not in page


def test_an_application_puts_a_template_of_its_own_in_the_place_of_ours(tmp_path, monkeypatch):
    (tmp_path / "tessera").mkdir()
    own = '{% extends "layout.html" %}{% block main %}[[{{ words.devices }}]] {{ devices|length }}{% endblock %}'
    (tmp_path / "tessera" / "devices.html").write_text(own)
    (tmp_path / "layout.html").write_text("<nav>{{ shop_name }}</nav>{% block main %}{% endblock %}")
    site = make()
    site.app.template_folder = str(tmp_path)
    site.app.context_processor(lambda: {"shop_name": "<Shop>"})
    browser = Browser(site.app)
    browser.sign_in()
    assert browser.get("/console/devices").text == "<nav>&lt;Shop&gt;</nav>[[My devices]] 1"


def test_B08_an_application_with_other_delimiters_and_no_escaping_of_its_own_changes_nothing():
    site = make()
    site.app.jinja_options = {"variable_start_string": "[[", "variable_end_string": "]]", "autoescape": False}
    site.users[7].name = "<b>"
    browser = Browser(site.app)
    browser.sign_in()
    page = browser.get("/console/devices").text
    assert "{{" not in page
    assert "&lt;b&gt;" in page


def test_the_pages_stand_beside_a_guard_over_the_whole_application():
    site = make()
    site.tessera.protect(site.app)
    site.app.add_url_rule("/orders", "orders", lambda: "orders")
    browser = Browser(site.app)
    assert browser.get("/orders").status_code == 401
    assert browser.get("/console/sign-in").status_code == 200
    with browser.get("/console/static/console.css") as style:
        assert style.status_code == 200
    assert browser.sign_in().status_code == 303
    assert browser.get("/console/devices").status_code == 200
    assert browser.press("/console/sign-out").status_code == 303


def test_the_pages_stand_below_another_blueprint_and_a_prefix_of_the_server(shop):
    site = make_site(TESSERA_COOKIES=True)
    site.tessera.authenticator(lambda credentials: site.users[7])
    outer = Blueprint("outer", "outer", url_prefix="/account")
    outer.register_blueprint(site.tessera.console(account="phone"))
    site.app.register_blueprint(outer)
    site.app.register_blueprint(site.tessera.blueprint())
    below = {"SCRIPT_NAME": "/shop"}
    client = site.app.test_client()
    page = client.get("/account/console/sign-in", environ_overrides=below)
    assert Page(page).forms.keys() == {"/shop/account/console/sign-in"}
    form = {"account": "1", "password": "right"}
    answer = client.post("/account/console/sign-in", data=form, environ_overrides=below)
    assert answer.headers["Location"] == "/shop/account/console/devices"


def test_two_realms_have_their_own_pages(tmp_path):
    site = make_site(TESSERA_COOKIES=True)
    admin: Tessera = Tessera(realm="admin", user_id_type=int)
    for tessera, prefix in ((site.tessera, "/console"), (admin, "/admin/console")):
        tessera.authenticator(lambda credentials: site.users[7])
        if tessera is admin:
            tessera.init_app(site.app)
        site.app.register_blueprint(tessera.console(url_prefix=prefix))
    browser = Browser(site.app)
    browser.sign_in()
    assert browser.get("/console/devices").status_code == 200
    assert browser.get("/admin/console/devices").headers["Location"].startswith("/admin/console/sign-in")
