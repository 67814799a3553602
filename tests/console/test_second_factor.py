"""The page of the second step, and devices that are trusted there."""

from __future__ import annotations

import pytest

from tests.authenticator import Authenticator
from tests.web.people import EMAIL

from .accounts import PHONE, Visitor, text_of
from .sites import ACCESS
from .test_entering import BY_CODE, BY_LINK, options_of, sessions

ACTION = "/console/second-factor"


@pytest.fixture
def secret(home):
    home.register()
    secret, home.codes = home.totp()
    return secret


def test_who_has_a_second_factor_is_asked_for_it_by_a_ticket_in_no_address(home, secret):
    visitor = Visitor(home).login(next="/console/security")
    assert (visitor.status, visitor.path) == (200, "/console/sign-in")
    form = visitor.page.forms[ACTION]
    assert form.keys() == {"ticket", "next", "remember", "totp", "recovery", "trust"}
    assert form["ticket"] not in str(visitor.answer.headers)
    assert ACCESS not in visitor.jar
    visitor.submit(ACTION, totp="000 000", trust=None)
    assert (visitor.status, visitor.error) == (401, "The code is wrong, used or expired.")
    assert visitor.page.forms[ACTION]["totp"] == ""
    digits = home.digits(secret)
    visitor.submit(ACTION, totp=f"{digits[:3]} {digits[3:]}", trust=None)
    assert (visitor.path, visitor.status) == ("/console/security", 200)
    assert visitor.max_age == str(30 * 86_400)
    (session,) = [each for each in sessions(home) if each.device_type == "web"]
    assert session.amr == "pwd otp mfa"


def test_the_choice_to_be_remembered_goes_through_both_steps(home, secret):
    visitor = Visitor(home).login(remember=None)
    assert "remember" not in visitor.page.forms[ACTION]
    visitor.submit(ACTION, totp=home.digits(secret), trust=None)
    assert (visitor.path, visitor.max_age) == ("/console/devices", "")


def test_a_code_that_was_sent_is_a_first_factor_too(home, secret):
    home.clock.advance(3600)
    visitor = Visitor(home).open(BY_CODE).submit(BY_CODE, step="send", recipient=PHONE)
    visitor.submit(BY_CODE, code=home.last()["code"])
    visitor.submit(ACTION, totp=home.digits(secret), trust=None)
    assert visitor.path == "/console/devices"


def test_a_link_is_a_first_factor_too(home):
    home.register(EMAIL)
    secret, _ = home.totp()
    home.clock.advance(3600)
    visitor = Visitor(home).open(BY_LINK).submit(BY_LINK, recipient=EMAIL)
    link = home.last()["link"].removeprefix("https://shop.example")
    visitor._take(visitor.send("POST", link, data={}))
    assert (visitor.status, ACCESS in visitor.jar) == (200, False)
    assert visitor.answer.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
    assert visitor.page.all("link", href="/console/static/console.css")
    visitor.submit(ACTION, totp=home.digits(secret), trust=None)
    assert visitor.path == "/console/devices"


def test_a_recovery_code_stands_in_once(home, secret):
    first, second = (Visitor(home).login() for _ in range(2))
    first.submit(ACTION, recovery=home.codes[0], trust=None)
    assert first.path == "/console/devices"
    second.submit(ACTION, recovery=home.codes[0], trust=None)
    assert second.status == 401


def test_a_wrong_recovery_code_is_told_where_it_was_typed(home, secret):
    visitor = Visitor(home).login()
    assert "open" not in visitor.page.all("details")[0]
    visitor.submit(ACTION, recovery="xxxxx-xxxxx")
    assert visitor.status == 401
    assert "open" in visitor.page.all("details")[0]
    assert "autofocus" in visitor.page.all("input", id="recovery")[0]
    assert [each["id"] for each in visitor.page.all("input") if "error" in each.get("aria-describedby", "")] == [
        "recovery"
    ]


def test_a_trusted_device_is_not_asked_again_until_it_is_removed(home, secret):
    visitor = Visitor(home).login().submit(ACTION, totp=home.digits(secret))
    assert visitor.login().path == "/console/devices"
    page = visitor.open("/console/security").page
    (action,) = [each for each in page.forms if "trusted-devices" in each]
    visitor.submit(action)
    assert visitor.path == "/console/security?done=trusted_removed"
    assert ACTION in visitor.login().page.forms


def test_a_ticket_that_is_over_leads_back_to_the_sign_in(home, secret):
    visitor = Visitor(home).login(next="/orders")
    home.clock.advance(301)
    visitor.submit(ACTION, totp=home.digits(secret))
    assert visitor.path == "/console/sign-in?next=%2Forders&reason=token_expired"
    assert visitor.open(ACTION).now_at() == "/console/sign-in"
    visitor.send("POST", ACTION, data={"ticket": "x", "totp": "1"})
    assert ACCESS not in visitor.jar


def test_nothing_filled_in_is_told(home, secret):
    visitor = Visitor(home).login().submit(ACTION)
    assert (visitor.status, visitor.error) == (400, "Enter a code.")
    assert "checked" in visitor.page.all("input", id="trust")[0]


def test_Q06_too_many_wrong_ones_are_told_with_how_long_to_wait(home, secret):
    visitor = Visitor(home).login()
    for _ in range(5):
        visitor.submit(ACTION, totp="000000")
    # The ticket is over by then.
    assert visitor.now_at() == "/console/sign-in"
    assert visitor.login().submit(ACTION, totp=home.digits(secret)).status == 429
    assert "Try again in" in visitor.error


def test_a_passkey_is_a_second_factor(ada, home):
    device = Authenticator()
    ada.open("/console/security").submit("/console/security/passkeys/new")
    made = device.make(options_of(ada.page), origin="https://shop.example")
    ada.submit("/console/security/passkeys", passkey=text_of(made), name="")
    assert ada.path == "/console/security?done=passkey_added"
    visitor = Visitor(home).login()
    assert visitor.page.forms[ACTION].keys() == {"ticket", "remember", "trust", "passkey"}
    used = device.made[0].use(options_of(visitor.page), origin="https://shop.example")
    visitor.submit(ACTION, passkey=text_of(used), trust=None)
    assert visitor.path == "/console/devices"
