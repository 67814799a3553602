"""The pages that lead to an account: by a code, by a link, by a passkey; registering, and a new password."""

from __future__ import annotations

import pytest

from flask_tessera.errors import REGISTRY
from tests.web.people import EMAIL, AccountsApp

from .accounts import PASSWORD, PHONE, PagesApp, Visitor, text_of
from .sites import ACCESS, Browser, Page

HOSTILE = "<script>alert(1)</script>@x.example"
BY_CODE, BY_LINK, REGISTER, RESET = (
    "/console/sign-in/code",
    "/console/sign-in/link",
    "/console/register",
    "/console/reset",
)
NEW = "eleven quiet otters"


@pytest.fixture
def visitor(home):
    home.register()
    home.clock.advance(3600)
    return Visitor(home)


def test_the_sign_in_page_leads_to_every_way_that_the_application_has(home):
    page = Visitor(home).open("/console/sign-in?next=/orders").page
    places = {each["href"] for each in page.all("a")}
    query = "?next=/orders"
    assert places == {BY_CODE + query, BY_LINK, RESET + query, REGISTER + query}
    assert "/console/sign-in/passkey" in page.forms
    # Without a script nobody is shown a button that does nothing.
    (button,) = page.all("button", type="button")
    assert "hidden" in button


def test_ways_that_the_application_has_not_are_not_there(tmp_path, shop):
    silent = PagesApp(tmp_path, SENDER="", PUBLIC_URL="")
    without_links = PagesApp(tmp_path, PUBLIC_URL="")
    assert {each["href"] for each in Visitor(without_links).open("/console/sign-in").page.all("a")} == {
        *(BY_CODE, RESET, REGISTER)
    }
    for app, paths in (
        (silent.app, (BY_CODE, BY_LINK, REGISTER, RESET)),
        (without_links.app, (BY_LINK,)),
        (shop.app, (BY_CODE, BY_LINK, REGISTER, RESET)),
    ):
        for path in paths:
            browser = Browser(app)
            assert (browser.get(path).status_code, browser.send("POST", path, data={}).status_code) == (404, 404)
    assert Browser(shop.app).send("POST", "/console/sign-in/passkey", data={}).status_code == 404
    assert not Page(Browser(shop.app).get("/console/sign-in")).all("a")


@pytest.mark.parametrize("typed", [PHONE, "138 0013 8000", "+86 138-0013-8000"])
def test_the_one_field_takes_a_phone_number_as_it_is_typed(visitor, typed):
    assert visitor.login(account=typed).path == "/console/devices"


def test_the_one_field_takes_an_e_mail_address(home):
    home.register(EMAIL)
    assert Visitor(home).login(account=EMAIL.upper()).path == "/console/devices"


def test_a_code_signs_in_by_two_forms(visitor, home):
    visitor.open(f"{BY_CODE}?next=/console/security")
    visitor.submit(BY_CODE, step="send", recipient=PHONE)
    assert visitor.page.forms[BY_CODE] == {"next": "/console/security", "recipient": PHONE, "code": "", "remember": "1"}
    visitor.submit(BY_CODE, code="000000")
    assert (visitor.status, visitor.error) == (401, "The code is wrong, used or expired.")
    assert visitor.page.forms[BY_CODE]["code"] == ""
    visitor.submit(BY_CODE, code=f" {home.last()['code']} ")
    assert (visitor.path, visitor.status) == ("/console/security", 200)
    (session,) = [each for each in sessions(home) if each.device_type == "web"]
    assert session.amr == "sms"


def sessions(home, user_id=1):
    with home.app.app_context():
        return home.tessera.sessions(user_id)


@pytest.mark.parametrize(("path", "step"), [(BY_CODE, "send"), (BY_LINK, None), (RESET, "send"), (RESET, "link")])
def test_nobody_is_told_whether_there_is_an_account(home, path, step):
    home.register(EMAIL)
    answers = []
    for recipient in (EMAIL, "ida@example.com"):
        home.clock.advance(3600)
        visitor = Visitor(home).open(path).submit(path, step=step, recipient=recipient)
        answers.append((visitor.status, visitor.answer.text.replace(recipient, "…")))
    assert answers[0] == answers[1]
    assert answers[0][0] == 200
    assert home.last()["purpose"] == "no_account"


def test_a_registration_tells_who_has_the_address_only_to_its_owner(visitor, home):
    visitor.open(REGISTER).submit(REGISTER, step="send", recipient=PHONE)
    assert visitor.status == 200
    visitor.submit(REGISTER, code="000000")
    assert visitor.status == 401
    visitor.submit(REGISTER, code=home.last()["code"])
    assert (visitor.status, visitor.error) == (409, "There is an account with it already: sign in.")


def test_somebody_registers_and_is_signed_in(home):
    visitor = Visitor(home).open("/console/sign-in")
    visitor.open(REGISTER).submit(REGISTER, step="send", recipient=EMAIL)
    visitor.submit(REGISTER, code=home.last()["code"], name="Ada <b>", password="short")
    assert (visitor.status, visitor.error) == (400, "The password is too short.")
    assert visitor.page.forms[REGISTER] == {
        "recipient": EMAIL,
        "code": "",
        "name": "Ada <b>",
        "password": "",
        "remember": "1",
    }
    visitor.submit(REGISTER, code=home.last()["code"], password=PASSWORD)
    assert (visitor.path, visitor.status) == ("/console/devices", 200)
    assert "Ada &lt;b&gt;" in visitor.answer.text
    assert Visitor(home).login(account=EMAIL).path == "/console/devices"


def test_who_registers_without_a_password_signs_in_by_code(home):
    visitor = Visitor(home).open(REGISTER).submit(REGISTER, step="send", recipient=PHONE)
    visitor.submit(REGISTER, code=home.last()["code"])
    assert visitor.path == "/console/devices"
    assert home.people.by_id(1).hash is None


@pytest.mark.parametrize("path", [BY_CODE, REGISTER, RESET])
def test_what_is_wrong_with_the_recipient_is_said_and_what_was_typed_stays(home, path):
    visitor = Visitor(home).open(path).submit(path, step="send", recipient=HOSTILE)
    assert (visitor.status, visitor.error) == (400, "This is not an e-mail address.")
    assert visitor.page.forms[path]["recipient"] == HOSTILE
    assert [each["src"] for each in visitor.page.all("script")] == ["/console/static/once.js"]
    assert home.messages() == []


def test_who_asks_again_too_soon_can_type_the_code_that_has_come(visitor, home):
    visitor.open(BY_CODE).submit(BY_CODE, step="send", recipient=PHONE)
    visitor.submit(BY_CODE, step="send")
    assert visitor.status == 429
    assert visitor.error == "Too many requests. Try again in 60 seconds."
    # A code is on its way to nobody.
    assert visitor.by_id("sent") == f"No new code was sent. One of the last 5 minutes is still good; it went to {PHONE}"
    visitor.submit(BY_CODE, code=home.last()["code"])
    assert visitor.path == "/console/devices"


def test_a_link_is_mailed(home):
    home.register(EMAIL)
    home.clock.advance(3600)
    visitor = Visitor(home).open(BY_LINK).submit(BY_LINK, recipient=EMAIL)
    assert (visitor.status, BY_LINK in visitor.page.forms) == (200, False)
    link = home.last()["link"].removeprefix("https://shop.example")
    visitor.open(link)
    answer = visitor.send("POST", link, data={})
    assert answer.status_code == 200
    assert visitor.open("/console/devices").path == "/console/devices"


def test_the_page_of_a_link_looks_like_the_others_and_leads_to_them(home):
    home.register(EMAIL)
    home.clock.advance(3600)
    Visitor(home).open(BY_LINK).submit(BY_LINK, recipient=EMAIL)
    link = home.last()["link"].removeprefix("https://shop.example")
    before, after, over = (Page(Browser(home.app).send(method, link)) for method in ("GET", "POST", "GET"))
    assert [[each["href"] for each in page.all("a")] for page in (before, after, over)] == [
        [],
        ["/console/"],
        ["/console/"],
    ]
    (style,) = (each["href"] for each in before.all("link", rel="stylesheet"))
    browser = Browser(home.app)
    with browser.get(style) as sheet:
        assert sheet.mimetype == "text/css"
    assert "style-src 'self';" in browser.get(link).headers["Content-Security-Policy"]


def test_the_page_of_a_link_stands_alone_where_there_are_no_others(tmp_path):
    town = AccountsApp(tmp_path)
    page = Page(town.app.test_client().get("/auth/links/tst_none"))
    assert (page.all("a"), page.all("link")) == ([], [])


def test_a_password_is_set_anew_by_a_code_and_all_devices_are_signed_out(home):
    home.register()
    home.clock.advance(3600)
    other = Visitor(home).login()
    visitor = Visitor(home).open(RESET).submit(RESET, step="send", recipient=PHONE)
    code = home.last()["code"]
    visitor.submit(RESET, code=code, password="password")
    assert (visitor.status, visitor.page.forms[RESET]["recipient"]) == (400, PHONE)
    visitor.submit(RESET, code=code, password=NEW)
    assert visitor.path == "/console/sign-in?reason=session_password_change"
    assert REGISTRY["session_password_change"].en in visitor.answer.text
    assert Visitor(home).login(password=PASSWORD).status == 401
    assert Visitor(home).login(password=NEW).path == "/console/devices"
    assert other.open("/console/devices").now_at() == "/console/sign-in"


def test_a_password_is_set_anew_by_a_link(home):
    home.register(EMAIL)
    home.clock.advance(3600)
    visitor = Visitor(home).open(RESET).submit(RESET, step="link", recipient=EMAIL)
    link = home.last()["link"].removeprefix("https://shop.example")
    assert visitor.send("POST", link, data={"password": NEW}).status_code == 200
    assert Visitor(home).login(account=EMAIL, password=NEW).path == "/console/devices"


PASSKEY_REFUSED = (
    "This passkey was not taken: it was removed from the account, or the page was open too long. Try again, or use"
    " something else."
)


def test_a_passkey_signs_in_alone(ada, home):
    from tests.authenticator import Authenticator

    device = Authenticator()
    ada.open("/console/security").submit("/console/security/passkeys/new")
    made = device.make(options_of(ada.page), origin="https://shop.example")
    ada.submit("/console/security/passkeys", passkey=text_of(made), name="my <i>phone")
    visitor = Visitor(home).open("/console/sign-in?next=/console/security")
    options = visitor.send("POST", "/console/sign-in/passkey-options").json
    used = text_of(device.made[0].use(options, origin="https://shop.example"))
    visitor.submit("/console/sign-in/passkey", passkey=used)
    assert (visitor.path, visitor.status) == ("/console/security", 200)
    assert "my &lt;i&gt;phone" in visitor.answer.text
    again = Visitor(home).open("/console/sign-in").submit("/console/sign-in/passkey", passkey=used)
    assert (again.status, again.error) == (401, PASSKEY_REFUSED)
    for nonsense in ("", "[]", "{", "[" * 5000):
        assert again.submit("/console/sign-in/passkey", passkey=nonsense).status == 400


def options_of(page):
    import json

    (button,) = [each for each in page.all("button") if "data-options" in each]
    return json.loads(button["data-options"])


@pytest.mark.parametrize("path", [BY_CODE, BY_LINK, REGISTER, RESET])
def test_B04_another_site_sends_nobody_anything(visitor, home, path):
    before = home.messages()
    for step in ("send", "link"):
        headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        answer = visitor.send("POST", path, headers, data={"step": step, "recipient": PHONE})
        assert answer.status_code == 403
    assert home.messages() == before


@pytest.mark.parametrize("path", [BY_CODE, REGISTER])
def test_next_is_followed_to_paths_of_this_site_only(home, path):
    page = Visitor(home).open(f"{path}?next=//evil.example").page
    assert "next" not in page.forms[path]
    visitor = Visitor(home).open(path).submit(path, step="send", recipient=PHONE, next="https://evil.example")
    assert "evil" not in visitor.answer.text
    assert ACCESS not in visitor.jar
