"""A mini program from the first code to a second step, a refresh, a trusted device and a step-up."""

from __future__ import annotations

import threading
from collections import Counter

import pyotp
import pytest
from werkzeug.serving import make_server

from tests.web.people import PASSWORD, PHONE, AccountsApp

from .test_frontends import NODE, FrontEnd

pytestmark = pytest.mark.skipif(NODE is None, reason="there is no Node.js")
NEW_SECRET = ["/auth/totp", {"method": "POST", "data": {}}]
"""What asks for a login that is at most five minutes old."""


class ServedTown(AccountsApp):
    """The application on a port; counts the requests by path."""

    def __init__(self, folder):
        super().__init__(folder)
        self.asked, self.secret = Counter(), ""
        self.app.before_request(self._count)
        self.server = make_server("127.0.0.1", 0, self.app, threaded=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _count(self):
        from flask import request

        self.asked[request.path] += 1

    def shown_code(self):
        """The next code of the app on the person's phone: each is good once."""
        self.clock.advance(30)
        return pyotp.TOTP(self.secret).at(self.clock())


@pytest.fixture
def town(tmp_path):
    made = ServedTown(tmp_path)
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(params=["wx", "uni"])
def program(request, town, tmp_path):
    made = FrontEnd(request.param, town.server.port, tmp_path)
    yield made
    made.close()


def registered(program, town):
    """Register by a code, as the mini program does."""
    assert program("sendCode", {"recipient": PHONE, "purpose": "register"}) == ["ok"]
    person = {"recipient": PHONE, "code": town.messages()[-1]["code"], "password": PASSWORD}
    assert program("register", person) == ["ok"]


def with_generator(program, town):
    """Register, set up a generator of codes, and log out."""
    registered(program, town)
    (answer,) = program("request", NEW_SECRET, whole=True)
    town.secret = answer["data"]["secret"]
    confirmation = ["/auth/totp/confirm", {"method": "POST", "data": {"code": town.shown_code()}}]
    assert program("request", confirmation) == ["ok"]
    assert program("logout") == ["ok"]


def ticket_of(program, credentials):
    (answer,) = program("login", credentials, whole=True)
    assert (answer["code"], answer["error"]) == (4107, "second_factor_required")
    return answer["next"]["ticket"]


@pytest.mark.repeats("program")
def test_a_code_registers_and_another_one_logs_in_again(program, town):
    registered(program, town)
    assert program("request", "/auth/me") == ["ok"]
    assert program("logout") == ["ok"]
    town.clock.advance(60)
    assert program("sendCode", {"recipient": PHONE, "purpose": "login"}) == ["ok"]
    assert program("login", {"recipient": PHONE, "code": town.messages()[-1]["code"]}) == ["ok"]
    assert program("request", "/auth/me") == ["ok"]


@pytest.mark.repeats("program")
@pytest.mark.parametrize("way", ["password", "code"])
def test_the_second_step_goes_on_from_the_ticket_of_the_first(program, town, way):
    with_generator(program, town)
    by_code = {"recipient": PHONE, "code": town.code(PHONE, "login")}
    ticket = ticket_of(program, {"phone": PHONE, "password": PASSWORD} if way == "password" else by_code)
    assert program("request", "/auth/me") == ["token_missing"], "half a login keeps no pair"
    assert program("secondFactor", {"ticket": ticket, "totp": "000000"}) == ["code_wrong"]
    assert program("secondFactor", {"ticket": ticket, "totp": town.shown_code()}) == ["ok"]
    assert program("request", "/auth/me") == ["ok"]


@pytest.mark.repeats("program")
def test_what_was_got_in_two_steps_is_refreshed_once_for_all_who_need_it(program, town):
    with_generator(program, town)
    ticket = ticket_of(program, {"phone": PHONE, "password": PASSWORD})
    assert program("secondFactor", {"ticket": ticket, "totp": town.shown_code()}) == ["ok"]
    town.clock.advance(1000)
    assert program("request", "/auth/me", times=8) == ["ok"] * 8
    assert town.asked["/auth/refresh"] == 1


@pytest.mark.repeats("program")
def test_a_trusted_device_is_not_asked_again_even_after_a_logout(program, town):
    with_generator(program, town)
    ticket = ticket_of(program, {"phone": PHONE, "password": PASSWORD})
    assert program("secondFactor", {"ticket": ticket, "totp": town.shown_code(), "trust": True}) == ["ok"]
    assert program("logout") == ["ok"]
    assert program("login", {"phone": PHONE, "password": PASSWORD}) == ["ok"]
    assert town.asked["/auth/second-factor"] == 1


@pytest.mark.repeats("program")
@pytest.mark.parametrize("way", ["totp", "password", "code"])
def test_a_step_up_lets_through_what_was_refused_for_an_old_login(program, town, way):
    with_generator(program, town)
    ticket = ticket_of(program, {"phone": PHONE, "password": PASSWORD})
    assert program("secondFactor", {"ticket": ticket, "totp": town.shown_code()}) == ["ok"]
    town.clock.advance(1000)
    assert program("request", NEW_SECRET) == ["step_up_required"]
    assert program("stepUp", {"totp": "000000"}) == ["code_wrong"]
    assert program("request", NEW_SECRET) == ["step_up_required"]
    if way == "code":
        assert program("sendCode", {"recipient": PHONE, "purpose": "login"}) == ["ok"]
    proofs = {
        "totp": {"totp": town.shown_code()},
        "password": {"password": PASSWORD},
        "code": {"recipient": PHONE, "code": town.messages()[-1].get("code")},
    }
    assert program("stepUp", proofs[way]) == ["ok"]
    assert program("request", NEW_SECRET) == ["ok"]
    assert program("ended") == []
