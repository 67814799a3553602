"""What strangers can do to the owner of an account by requests that need no login: little."""

from __future__ import annotations

import itertools

import pytest

from flask_tessera.accounts.recipients import parse_recipient
from flask_tessera.testing.contract.moving import read_all

from .people import EMAIL, PASSWORD, PHONE, AccountsApp

UNKNOWN = "13700137000"
HOME, TRAIN = "203.0.113.7", "198.51.100.1"
MINUTE, HOUR, DAY = 60, 3600, 86_400
OWNER, TWIN = "ada@example.com", "ada@exam-ple.com"
LAPTOP = {"id": "laptop of the owner"}


@pytest.fixture
def town(tmp_path):
    """An application that believes one proxy; the owner has registered at home, and is known there since then."""
    town = AccountsApp(tmp_path, TRUSTED_PROXIES=1)
    body = {"recipient": PHONE, "code": town.code(PHONE, "register"), "password": PASSWORD, "device": LAPTOP}
    assert town.post("/register", body, **at(HOME)).status_code == 200
    return town


def at(address):
    return {"X-Forwarded-For": address}


def guess(town, credentials, times=12):
    """Status of each of so many logins by strangers, each from another network."""
    return [town.post("/login", credentials, **at(f"10.1.{number}.1")).status_code for number in range(times)]


def ask(town, address, path="/codes", recipient=PHONE, **more):
    """Status of a request for a code or a link, by default to log in."""
    return town.post(path, {"recipient": recipient, "purpose": "login", **more}, **at(address)).status_code


def spend_the_day(town, recipient=PHONE):
    """Strangers ask for all that there is, each time from another network; how many messages that gave."""
    networks = (f"10.0.{number}.1" for number in itertools.count())
    sent = 0
    for _ in range(3):
        town.clock.advance(HOUR)
        for _ in range(12):
            town.clock.advance(MINUTE)
            sent += ask(town, next(networks), recipient=recipient) == 200
    return sent


def test_L13_strangers_who_have_spent_a_days_messages_keep_no_code_from_the_owner(town):
    # One of the twenty was asked for when the owner registered.
    assert spend_the_day(town) == 19
    assert spend_the_day(town) == 0
    assert (ask(town, TRAIN), ask(town, TRAIN, device={"id": "of a stranger"})) == (429, 429)
    assert ask(town, HOME) == 200
    code = town.messages()[-1]["code"]
    assert town.post("/login", {"recipient": PHONE, "code": code}, **at(HOME)).status_code == 200
    # Nor does he let them ask for more by that.
    assert ask(town, TRAIN) == 429


@pytest.mark.parametrize("path", ["/codes", "/links"])
def test_L13_a_device_that_is_known_gets_messages_in_any_network(town, path):
    spend_the_day(town)
    assert ask(town, TRAIN, path) == 429
    assert ask(town, TRAIN, path, device=LAPTOP) == 200


def test_L13_a_network_is_known_to_the_recipient_that_has_logged_in_there(town):
    """It is the name that counts, since whose a recipient is must not be looked up for those that are unknown."""
    (person,) = town.people.rows.values()
    town.people.bind(person, parse_recipient(EMAIL))
    spend_the_day(town, EMAIL)
    assert ask(town, HOME, recipient=EMAIL) == 429
    assert town.post("/login", {"email": EMAIL, "password": PASSWORD}, **at(HOME)).status_code == 200
    assert ask(town, HOME, recipient=EMAIL) == 200


def test_L13_strangers_are_answered_alike_for_known_and_unknown_recipients(town):
    town.clock.advance(DAY)
    told = [(spend_the_day(town, recipient), ask(town, TRAIN, recipient=recipient)) for recipient in (PHONE, UNKNOWN)]
    assert told == [(20, 429)] * 2


def by_code(town):
    return "/login", {"recipient": PHONE, "code": code(town, "login")}


def by_link(town):
    return "/links/redeem", {"ticket": sent(town, "/links", "login")["link"].rpartition("/")[2]}


def by_a_new_password(town):
    return "/password/reset", {"recipient": PHONE, "code": code(town, "reset"), "password": "eleven green otters"}


def code(town, purpose):
    return sent(town, "/codes", purpose)["code"]


def sent(town, path, purpose):
    """What is sent to the owner, on the train."""
    town.clock.advance(MINUTE)
    assert ask(town, TRAIN, path, purpose=purpose) == 200
    return next(each for each in reversed(town.messages()) if each["purpose"] == purpose)


@pytest.mark.parametrize("way", [by_code, by_link, by_a_new_password])
def test_L09_who_guesses_at_a_password_closes_neither_codes_nor_links_to_the_owner_in_a_new_network(town, way):
    password = {"phone": PHONE, "password": "wrong password"}
    assert guess(town, password) == [401] * 10 + [429] * 2
    path, body = way(town)
    assert guess(town, password) == [429] * 12
    assert town.post(path, body, **at(TRAIN)).status_code == 200


def test_L09_who_guesses_at_codes_closes_no_password_to_the_owner_in_a_new_network(town):
    code(town, "login")
    assert guess(town, {"recipient": PHONE, "code": "no code"}) == [401] * 5 + [429] * 7
    assert town.post("/login", {"phone": PHONE, "password": PASSWORD}, **at(TRAIN)).status_code == 200


def test_L07_strangers_have_five_guesses_at_each_of_twenty_codes_a_day(town):
    """However many they are, the one who has asked for the code among them."""
    town.clock.advance(DAY)
    codes = checked = 0
    for _ in range(3):
        town.clock.advance(HOUR)
        for _ in range(12):
            town.clock.advance(MINUTE)
            if ask(town, TRAIN) == 200:
                codes += 1
                wrong = {"recipient": PHONE, "code": "no code"}
                checked += guess(town, wrong, times=7).count(401)
                checked += [town.post("/login", wrong, **at(TRAIN)).status_code for _ in range(7)].count(401)
    assert (codes, checked) == (20, 100)


def test_L13_a_second_request_at_once_does_not_tell_that_a_network_is_known(town):
    town.clock.advance(MINUTE)
    assert [ask(town, HOME), ask(town, TRAIN)] == [200, 429]
    assert [ask(town, HOME, recipient=UNKNOWN), ask(town, TRAIN, recipient=UNKNOWN)] == [200, 429]


def test_L13_a_link_that_is_refused_leaves_nothing_in_the_storage(town):
    town.clock.advance(MINUTE)
    assert ask(town, TRAIN, "/links", recipient=EMAIL, purpose="reset") == 200
    kept = len(values(town))
    assert {ask(town, TRAIN, "/links", recipient=EMAIL, purpose="reset") for _ in range(5)} == {429}
    assert len(values(town)) == kept


def values(town):
    with town.app.app_context():
        return read_all(town.tessera.runtime.shared.storage, 1_000)[2]


def test_L07_who_tries_a_code_that_is_spent_is_counted(town):
    """Else he could wait for the next one, and end it too."""
    code(town, "login")
    stranger, spent = "10.3.0.1", {"recipient": PHONE, "code": "no code"}
    told = [town.post("/login", spent, **at(stranger)) for _ in range(101)]
    assert [each.status_code for each in told] == [401] * 5 + [429] * 96
    # His network, not the code, keeps him from anybody's account now.
    assert town.post("/login", {"recipient": UNKNOWN, "code": "no code"}, **at(stranger)).status_code == 429
    assert town.post("/login", {"recipient": UNKNOWN, "code": "no code"}, **at(TRAIN)).status_code == 401


@pytest.fixture
def twins(tmp_path):
    """The owner of one mailbox, and a stranger of another that is spelled alike where passwords are guessed."""
    town = AccountsApp(tmp_path, TRUSTED_PROXIES=1, LOGIN_LIMIT_SUCCESS="30/hour")
    for address, network in ((OWNER, HOME), (TWIN, TRAIN)):
        body = {"recipient": address, "code": town.code(address, "register"), "password": PASSWORD}
        assert town.post("/register", body, **at(network)).status_code == 200
    return town


def log_in(town, email, network, password=PASSWORD, **more):
    body = {"email": email, "password": password, **more}
    return town.post("/login", body, **at(network)).status_code


def test_L07_who_is_known_at_an_account_that_is_spelled_alike_gets_no_guesses_at_this_one(twins):
    devices = [{"id": f"device {number}"} for number in range(3)]
    for device in devices:
        assert log_in(twins, TWIN, TRAIN, device=device) == 200
    told = [log_in(twins, OWNER, TRAIN, "wrong password", device=each) for each in devices for _ in range(10)]
    assert told == [401] * 10 + [429] * 20
    assert log_in(twins, OWNER, HOME) == 200


def test_L13_who_is_known_at_an_account_that_is_spelled_alike_uses_up_no_messages_of_this_one(twins):
    twins.clock.advance(DAY)
    assert log_in(twins, TWIN, TRAIN) == 200
    assert spend_the_day(twins, OWNER) == 20
    assert ask(twins, TRAIN, recipient=OWNER) == 429
    assert ask(twins, HOME, recipient=OWNER) == 200


def test_L09_logins_of_an_account_that_is_spelled_alike_do_not_count_for_this_one(twins):
    assert [log_in(twins, TWIN, TRAIN) for _ in range(31)].count(429) > 0
    assert log_in(twins, OWNER, HOME) == 200


def test_L07_of_an_attempt_that_names_two_accounts_spelled_alike_neither_is_known(twins):
    """Which one it was, only the application knows."""
    stranger = next(each for each in twins.people.rows.values() if each.email == TWIN)
    with twins.app.test_request_context(), twins.tessera.login_attempt([OWNER, TWIN], device_id="a") as attempt:
        attempt.login(stranger)
    told = [log_in(twins, OWNER, "10.8.8.8", "wrong password", device={"id": each}) for each in "a" * 10 + "b"]
    assert told == [401] * 10 + [429]
