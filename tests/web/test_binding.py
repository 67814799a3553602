"""Another phone number or e-mail address: for a code that was received there, and told to the one before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from .people import EMAIL, PASSWORD, PHONE, AccountsApp

NEW = "13900139000"


@pytest.fixture
def town(tmp_path):
    return AccountsApp(tmp_path)


def error_of(answer):
    return answer.status_code, answer.json.get("error")


def bound(town, token, recipient, code=None):
    if code is None:
        asked = town.post("/codes", {"recipient": recipient, "purpose": "bind"}, token=token)
        assert asked.status_code == 200, asked.text
        code = town.messages()[-1]["code"]
    return town.post("/bind", {"recipient": recipient, "code": code}, token=token)


def test_a_new_number_takes_the_place_of_the_old_one_which_is_told(town):
    token = town.register()["access_token"]
    answer = bound(town, token, NEW)
    assert answer.json["data"] == {"id": 1, "phone": "+8613900139000", "email": "", "name": ""}
    told = town.messages()[-1]
    assert (told["to"], told["purpose"]) == ("+8613800138000", "recipient_changed")
    assert "13900139000" not in told["text"]
    assert town.post("/login", {"phone": NEW, "password": PASSWORD}).status_code == 200
    assert error_of(town.post("/login", {"phone": PHONE, "password": PASSWORD})) == (401, "credentials_wrong")


def test_an_address_beside_the_number_is_told_to_the_number(town):
    token = town.register()["access_token"]
    assert bound(town, token, EMAIL).json["data"]["email"] == EMAIL
    told = town.messages()[-1]
    assert (told["to"], told["purpose"]) == ("+8613800138000", "recipient_changed")
    assert town.post("/login", {"email": EMAIL, "password": PASSWORD}).status_code == 200


def test_a_recipient_that_is_his_already_is_no_news(town):
    token = town.register()["access_token"]
    town.clock.advance(61)
    assert bound(town, token, PHONE).status_code == 200
    assert town.messages()[-1]["purpose"] == "bind"


def test_L15_a_taken_recipient_is_told_to_who_has_received_its_code(town):
    town.register(NEW)
    token = town.register()["access_token"]
    town.clock.advance(61)
    assert error_of(bound(town, token, NEW, "000000")) == (401, "code_wrong")
    assert error_of(bound(town, token, NEW)) == (409, "already_exists")
    assert town.people.rows[2].phone == "+8613800138000"


def test_S12_it_needs_a_fresh_login_and_a_session(town):
    token = town.register()["access_token"]
    assert error_of(town.post("/bind", {"recipient": NEW, "code": "123456"})) == (401, "token_missing")
    town.clock.advance(301)
    assert error_of(bound(town, token, NEW, "123456")) == (401, "step_up_required")


def test_L11_guesses_are_counted_for_the_user_whatever_the_recipient(town):
    token = town.register()["access_token"]
    guessed = [error_of(bound(town, token, f"1390013900{number}", "000000")) for number in range(6)]
    assert guessed == [*[(401, "code_wrong")] * 5, (429, "too_many_requests")]


def test_a_code_of_another_purpose_or_recipient_is_wrong(town):
    token = town.register()["access_token"]
    code = town.code(NEW, "register")
    pair = town.post("/login", {"phone": PHONE, "password": PASSWORD}).json["data"]
    assert error_of(bound(town, pair["access_token"], NEW, code)) == (401, "code_wrong")
    assert token != pair["access_token"]


@pytest.mark.parametrize("recipient", ["nonsense", "12", "ada@"])
def test_what_is_no_recipient_is_refused(town, recipient):
    token = town.register()["access_token"]
    answer = bound(town, token, recipient, "123456")
    assert (answer.status_code, answer.json["error"]) in ((400, "phone_malformed"), (400, "email_malformed"))


def test_a_link_that_confirms_another_address_is_told_too(town):
    token = town.register()["access_token"]
    town.clock.advance(61)
    town.post("/links", {"recipient": EMAIL, "purpose": "confirm"}, token=token)
    ticket = town.messages()[-1]["link"].rpartition("/")[2]
    assert town.post("/links/redeem", {"ticket": ticket}).status_code == 200
    told = town.messages()[-1]
    assert (told["to"], told["purpose"]) == ("+8613800138000", "recipient_changed")


@pytest.mark.parametrize("purpose", ["login", "reset"])
def test_Q04_a_link_that_was_sent_to_a_recipient_of_before_is_good_for_nothing(town, purpose):
    token = town.register(EMAIL)["access_token"]
    town.post("/links", {"recipient": EMAIL, "purpose": purpose})
    ticket = town.messages()[-1]["link"].rpartition("/")[2]
    assert bound(town, token, "grace@example.com").status_code == 200
    path = "/links/redeem" if purpose == "login" else "/password/reset"
    answer = town.post(path, {"ticket": ticket, **({"password": "seven green owls"} if purpose == "reset" else {})})
    assert error_of(answer) == (401, "ticket_invalid")
    assert town.post("/login", {"email": "grace@example.com", "password": PASSWORD}).status_code == 200


def confirm_link(town, recipient, token=None):
    assert town.post("/links", {"recipient": recipient, "purpose": "confirm"}, token=token).status_code == 200
    return {"ticket": town.messages()[-1]["link"].rpartition("/")[2]}


def test_Q04_a_link_that_confirms_an_address_of_before_does_not_bring_it_back(town):
    token = town.register(EMAIL)["access_token"]
    link = confirm_link(town, EMAIL)
    assert bound(town, token, "grace@example.com").status_code == 200
    assert error_of(town.post("/links/redeem", link)) == (401, "ticket_invalid")
    assert town.people.rows[1].email == "grace@example.com"


@pytest.mark.parametrize("then", ["another address", "logout"])
def test_Q04_a_link_to_a_mistyped_address_dies_with_what_follows(town, then):
    token = town.register()["access_token"]
    town.clock.advance(61)
    link = confirm_link(town, "mistyped@example.com", token)
    if then == "logout":
        assert town.post("/logout", token=token).status_code == 200
    else:
        assert bound(town, token, EMAIL).status_code == 200
    assert error_of(town.post("/links/redeem", link)) == (401, "ticket_invalid")
    assert town.people.rows[1].email == ("" if then == "logout" else EMAIL)


def test_a_disabled_user_sets_no_password_by_a_code(town):
    town.register()
    code = town.code(PHONE, "reset")
    town.people.rows[1] = replace(town.people.rows[1], disabled=True)
    body = {"recipient": PHONE, "code": code, "password": "seven green owls"}
    assert error_of(town.post("/password/reset", body)) == (401, "code_wrong")


def test_who_is_disabled_is_so_whatever_loads_the_user(tmp_path):
    town = AccountsApp(tmp_path)
    town.tessera.user_loader(town.people.by_id)
    pair = town.register()
    town.people.rows[1] = replace(town.people.rows[1], disabled=True)
    assert error_of(town.post("/refresh", {"refresh_token": pair["refresh_token"]})) == (401, "user_gone")


def test_L15_a_code_to_reset_a_password_dies_when_it_is_changed(town):
    token = town.register()["access_token"]
    code = town.code(PHONE, "reset")
    assert town.post("/password", {"old": PASSWORD, "new": "seven green owls"}, token=token).status_code == 200
    body = {"recipient": PHONE, "code": code, "password": "eleven red foxes"}
    assert error_of(town.post("/password/reset", body)) == (401, "code_wrong")
