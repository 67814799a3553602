"""The page to sign in."""

from __future__ import annotations

import pytest

from flask_tessera import ConfigError, Tessera
from flask_tessera.console.error_words import ERROR_WORDS, wait_text
from flask_tessera.errors import REGISTRY
from tests.web.conftest import make_site

from .sites import ACCESS, CSRF, HOST, REFRESH, Browser, Page

FORM = {"account": "13800000007", "password": "right"}


def test_whoever_is_not_signed_in_is_led_to_the_page_and_back(shop):
    browser = Browser(shop.app)
    led = browser.get("/console/devices?ended=1")
    assert (led.status_code, led.headers["Location"]) == (302, "/console/sign-in?next=%2Fconsole%2Fdevices%3Fended%3D1")
    (form,) = Page(browser.get(led.headers["Location"])).forms.items()
    assert form == (
        "/console/sign-in",
        {"next": "/console/devices?ended=1", "account": "", "password": "", "remember": "1"},
    )
    answer = browser.sign_in(next=form[1]["next"])
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/devices?ended=1")
    assert sorted(browser.jar) == sorted((ACCESS, REFRESH, CSRF))
    assert shop.credentials == {"phone": "13800000007", "password": "right"}


def test_the_cookies_live_as_long_as_the_browser_where_nobody_is_to_be_remembered(shop):
    browser = Browser(shop.app)
    browser.send("POST", "/console/sign-in", data=FORM)
    assert browser.max_age == ""
    browser.sign_in()
    assert browser.max_age == str(30 * 86_400)


def test_whoever_is_signed_in_goes_on_unless_there_is_a_reason_to_sign_in_again(browser):
    assert browser.get("/console/sign-in?next=/orders").headers["Location"] == "/orders"
    assert browser.get("/console/").headers["Location"] == "/console/devices"
    again = browser.get("/console/sign-in?next=/orders&reason=step_up_required")
    assert "Log in again to do this." in again.text


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(
    ("fields", "status", "zh", "en"),
    [
        ({"password": "wrong"}, 401, "账号或密码错误", "Wrong account or password."),
        ({"password": ""}, 400, "请填写账号和密码。", "Enter your account and your password."),
        ({"account": " "}, 400, "请填写账号和密码。", "Enter your account and your password."),
        ({"account": "x" * 17_000}, 413, "参数错误", "The body is too large."),
    ],
)
def test_what_is_wrong_is_said_on_the_page(shop, fields, status, zh, en, language):
    browser = Browser(shop.app, **{"Accept-Language": language})
    answer = browser.sign_in(**fields)
    assert (answer.status_code, browser.jar) == (status, {})
    assert {"zh": zh, "en": en}[language] in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    if status == 401:
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert Page(answer).forms["/console/sign-in"]["account"] == "13800000007"
        assert Page(answer).forms["/console/sign-in"]["password"] == ""


def test_too_many_wrong_passwords_are_told_with_how_long_to_wait(shop):
    browser = Browser(shop.app)
    for _ in range(10):
        browser.sign_in(password="wrong")
    answer = browser.sign_in()
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "300")
    assert "Too many requests. Try again in 5 minutes." in answer.text
    assert Page(answer).forms["/console/sign-in"]["account"] == "13800000007"


@pytest.mark.parametrize(
    ("seconds", "zh", "en"),
    [
        (1, "请在 2 秒后重试。", "Try again in 2 seconds."),
        (120, "请在 120 秒后重试。", "Try again in 120 seconds."),
        (121, "请在 3 分钟后重试。", "Try again in 3 minutes."),
        (7201, "请在 3 小时后重试。", "Try again in 3 hours."),
        (86_400, "请在 24 小时后重试。", "Try again in 24 hours."),
    ],
)
def test_how_long_to_wait_is_told_in_a_unit_of_people_and_never_too_short(seconds, zh, en):
    assert (wait_text(seconds, "zh"), wait_text(seconds, "en")) == (zh, en)


def test_what_pages_say_of_errors_is_said_of_errors_that_there_are():
    assert ERROR_WORDS.keys() <= REGISTRY.keys()


def test_a_suspended_user_is_told_so(shop):
    with shop.app.app_context():
        shop.tessera.suspend(7)
    answer = Browser(shop.app).sign_in()
    assert answer.status_code == 403
    assert "This account may not log in." in answer.text


def test_F02_a_storage_that_is_away_is_told_with_503(new_shop, broken_storage):
    site = new_shop(storage=broken_storage)
    browser = Browser(site.app)
    broken_storage.is_broken = True
    answer = browser.sign_in()
    assert (answer.status_code, answer.headers["Retry-After"], browser.jar) == (503, "1", {})
    assert "This cannot be done just now" in answer.text
    assert Page(answer).forms["/console/sign-in"]["account"] == "13800000007"
    broken_storage.is_broken = False
    assert browser.sign_in().status_code == 303
    broken_storage.is_broken = True
    site.clock.advance(10)
    devices = browser.get("/console/devices?x=1")
    assert (devices.status_code, devices.headers["Retry-After"]) == (503, "1")
    assert "This cannot be done just now" in devices.text
    assert Page(devices).all("a", href="/console/devices?x=1")
    chinese = Browser(site.app, **{"Accept-Language": "zh"})
    chinese.jar = browser.jar
    form = chinese.send("POST", "/console/security/totp", data={"csrf_token": browser.jar[CSRF][0]})
    assert (form.status_code, form.headers["Retry-After"]) == (503, "1")
    assert "暂时无法处理，请稍后重试。" in form.text
    assert Page(form).all("a", href="/console/security")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
        {"Origin": f"https://{HOST}.evil.example"},
        {"Origin": f"https://evil{HOST}"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": f"https://{HOST}@evil.example"},
    ],
)
def test_B04_another_site_signs_nobody_in(shop, headers):
    browser = Browser(shop.app)
    answer = browser.send("POST", "/console/sign-in", headers, data=FORM)
    assert (answer.status_code, browser.jar) == (403, {})
    assert "comes from another site" in answer.text
    assert not hasattr(shop, "credentials")


@pytest.mark.parametrize("mimetype", ["text/plain", "application/json", "multipart/form-data; boundary=x", ""])
def test_B03_only_a_form_is_a_form(shop, browser, mimetype):
    for path in ("/console/sign-in", "/console/devices/end-others", "/console/sign-out"):
        answer = browser.send("POST", path, data="account=1&password=right", content_type=mimetype)
        assert answer.status_code == 415, path
    assert len(browser.devices().all("li")) == 1


def test_S05_a_sign_in_begins_a_new_session_and_ends_the_one_that_the_browser_had(shop, browser):
    before = browser.jar[ACCESS][0]
    assert browser.sign_in().status_code == 303
    assert browser.jar[ACCESS][0] != before
    assert len(browser.devices().all("li")) == 1
    old = shop.get("/auth/sessions", before)
    assert (old.status_code, old.get_json()["error"]) == (401, "session_logout")


@pytest.mark.parametrize(
    "reason", ["session_kick", "session_replaced", "session_suspension", "user_gone", "token_expired"]
)
def test_the_reason_of_an_ending_is_told(shop, reason):
    page = Browser(shop.app).get(f"/console/sign-in?reason={reason}")
    assert page.status_code == 200
    assert REGISTRY[reason].en in page.text


def test_the_reason_is_told_to_every_tab_that_opens_the_page_while_the_browser_has_the_cookies(shop, browser):
    with shop.app.app_context():
        shop.tessera.revoke_user(7, "suspension")
    led = browser.get("/console/devices").headers["Location"]
    for tab in (led, "/console/sign-in", "/console/sign-in?next=/orders"):
        assert "This account is suspended." in browser.get(tab).text


@pytest.mark.parametrize("reason", ["internal_error", "csrf_failed", "<b>", "session_x", "session_kick\n"])
def test_nothing_else_of_the_query_is_shown(shop, reason):
    page = Page(Browser(shop.app).get("/console/sign-in", query_string={"reason": reason}))
    assert not page.all("p", id="reason")


@pytest.mark.parametrize(
    ("host", "scheme", "headers", "is_told"),
    [
        ("shop.example", "http", {}, True),
        ("192.168.1.7:8000", "http", {"Origin": "http://192.168.1.7:8000"}, True),
        ("localhost.evil.example", "http", {}, True),
        ("localhost:8000", "http", {}, False),
        ("127.0.0.1:8000", "http", {}, False),
        ("[::1]:8000", "http", {}, False),
        ("shop.example", "https", {}, False),
        # Behind a proxy that ends TLS.
        ("shop.example", "http", {"Origin": "https://shop.example", "Sec-Fetch-Site": "same-origin"}, False),
    ],
)
def test_B01_it_is_told_where_the_browser_would_keep_no_cookies(shop, host, scheme, headers, is_told):
    browser = Browser(shop.app, host, scheme)
    page = Page(browser.send("GET", "/console/sign-in", headers))
    assert bool(page.all("p", id="insecure")) is is_told
    answer = browser.send("POST", "/console/sign-in", headers, data=FORM)
    assert answer.status_code == (400 if is_told else 303)
    assert bool(browser.jar) is not is_told


def test_B01_without_secure_only_this_machine_signs_in(new_shop, caplog):
    site = new_shop(TESSERA_COOKIE_SECURE=False)
    assert Browser(site.app, "shop.example", "http").sign_in().status_code == 400
    assert Browser(site.app, "localhost", "http").send("POST", "/console/sign-in", {}, data=FORM).status_code == 303


@pytest.mark.parametrize(
    ("named", "missing"), [((), ""), (("login", "refresh", "script"), "csrf"), (("login",), "refresh, csrf, script")]
)
def test_the_log_tells_which_endpoints_the_pages_lack(caplog, named, missing):
    site = make_site(TESSERA_COOKIES=True)
    site.tessera.authenticator(lambda credentials: None)
    site.app.register_blueprint(site.tessera.console())
    site.app.register_blueprint(site.tessera.blueprint(*named))
    for _ in range(2):
        assert Browser(site.app).get("/console/sign-in").status_code == 200
    told = [each.getMessage() for each in caplog.records if "console()" in each.getMessage()]
    assert len(told) == bool(missing)
    assert not missing or f"has no {missing}. " in told[0]


@pytest.mark.parametrize(
    ("declared", "asked", "typed", "member", "label"),
    [
        ((), (), "ada", "username", "User name"),
        ((), "email", "a@b.example", "email", "E-mail"),
        ("mobile", (), "13800000007", "mobile", "Phone number"),
        (("phone", "email"), (), "13800000007", "phone", "Phone number / E-mail"),
        (("phone", "email"), (), "a@b.example", "email", "Phone number / E-mail"),
        ("staff_no", (), "7", "staff_no", "Account"),
    ],
)
def test_the_account_goes_into_the_member_that_names_it(new_site_with, declared, asked, typed, member, label):
    site, seen = new_site_with(declared, asked)
    browser = Browser(site)
    assert label in browser.get("/console/sign-in").text
    assert browser.sign_in(typed).status_code == 303
    assert seen == [{member: typed, "password": "right"}]


@pytest.fixture
def new_site_with():
    def make(declared, asked):
        site, seen = make_site(TESSERA_COOKIES=True), []
        site.tessera.authenticator(account=declared)(lambda credentials: seen.append(credentials) or site.users[7])
        site.app.register_blueprint(site.tessera.blueprint())
        site.app.register_blueprint(site.tessera.console(account=asked))
        return site.app, seen

    return make


def test_an_application_may_have_its_own_page_to_sign_in():
    site = make_site(TESSERA_COOKIES=True)
    site.app.register_blueprint(site.tessera.console(sign_in="/signin"))
    led = Browser(site.app).get("/console/devices")
    assert led.headers["Location"] == "/signin?next=%2Fconsole%2Fdevices"
    assert Browser(site.app).get("/console/sign-in").status_code == 404
    below = Browser(site.app).get("/console/devices", environ_overrides={"SCRIPT_NAME": "/shop"})
    assert below.headers["Location"] == "/shop/signin?next=%2Fshop%2Fconsole%2Fdevices"


def test_what_the_pages_need_is_asked_for_when_they_are_made():
    with pytest.raises(ConfigError, match="authenticator"):
        Tessera().console()
    for wrong in ("//evil.example", "https://evil.example", "signin"):
        with pytest.raises(ConfigError, match="sign_in"):
            Tessera().console(sign_in=wrong)
    with pytest.raises(ConfigError, match="name"):
        Tessera().console(sign_in="/signin", name="a.b")
    with pytest.raises(ConfigError, match="secret"):
        Tessera().console(sign_in="/signin", account="password")
    site = make_site()
    with pytest.raises(ConfigError, match="TESSERA_COOKIES"):
        site.app.register_blueprint(site.tessera.console(sign_in="/signin"))
