"""Registering, and logging in with what one has registered: by code, by password, by link."""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack, contextmanager

import pytest

from flask_tessera.accounts.hash_slots import claiming, network_claim
from flask_tessera.accounts.recipients import Recipient, parse_recipient
from flask_tessera.errors import ConfigError, SendingError
from flask_tessera.services.account_passwords import AccountPasswords
from flask_tessera.testing import race
from flask_tessera.web.host_users import HostUsers

from .people import EMAIL, PASSWORD, PHONE, SITE, AccountsApp, People, Person


@pytest.fixture
def town(tmp_path):
    return AccountsApp(tmp_path)


def error_of(answer):
    return answer.status_code, answer.json.get("error")


def is_live(town, pair):
    return town.post("/me", method="GET", token=pair["access_token"]).status_code == 200


# -- registering -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("recipient", "way"), [(PHONE, "sms"), (EMAIL, "otp"), ("+1 650 253 0000", "sms")])
def test_who_has_received_a_code_registers_and_is_logged_in(town, recipient, way):
    pair = town.register(recipient, name="Ada")
    me = town.post("/me", method="GET", token=pair["access_token"]).json["data"]
    assert parse_recipient(recipient).address in (me["phone"], me["email"])
    assert me["name"] == "Ada"
    with town.app.app_context():
        assert town.tessera.verify(pair["access_token"]).amr == (way,)


def test_what_is_sent_and_what_is_told(town):
    answer = town.post("/codes", {"recipient": "138 0013 8000", "purpose": "register"})
    assert answer.json["data"] == {"expires_in": 300, "resend_in": 60}
    (sent,) = town.messages()
    assert (sent["to"], sent["purpose"]) == ("+8613800138000", "register")
    assert sent["code"] in sent["text"]
    assert sent["code"] not in answer.text


def test_L15_a_taken_recipient_is_told_to_who_has_received_its_code(town):
    town.register()
    body = {"recipient": PHONE, "code": town.code(PHONE, "register")}
    assert error_of(town.post("/register", body)) == (409, "already_exists")


def test_a_registration_that_races_itself_makes_one_account(tmp_path):
    town = AccountsApp(tmp_path)
    for number in range(5):
        recipient = f"1380013800{number}"
        code = town.code(recipient, "register")
        answers = race(8, lambda _n, r=recipient, c=code: town.post("/register", {"recipient": r, "code": c}))
        assert sorted({each.status_code for each in answers} - {429}) in ([200], [200, 401])
        assert [each.status_code for each in answers].count(200) == 1
        assert len(town.people.rows) == number + 1


@pytest.mark.parametrize(
    ("password", "slug"),
    [("short", "password_too_short"), ("password1", "password_common"), (PHONE, "password_common")],
)
def test_L04_a_weak_password_is_refused_before_the_code_is_used(town, password, slug):
    code = town.code(PHONE, "register")
    body = {"recipient": PHONE, "code": code, "password": password}
    assert error_of(town.post("/register", body)) == (400, slug)
    assert town.post("/register", {**body, "password": PASSWORD}).status_code == 200


@pytest.mark.parametrize("password", [EMAIL, EMAIL.upper(), "ada.example", "AdaExample123"])
def test_L04_the_own_email_address_is_refused_at_registration_reset_and_change(town, password):
    body = {"recipient": EMAIL, "code": town.code(EMAIL, "register"), "password": password}
    assert error_of(town.post("/register", body)) == (400, "password_common")
    token = town.post("/register", {**body, "password": PASSWORD}).json["data"]["access_token"]
    changed = town.post("/password", {"old": PASSWORD, "new": password}, token)
    assert error_of(changed) == (400, "password_common")
    town.clock.advance(3600)
    by_code = {"recipient": EMAIL, "code": town.code(EMAIL, "reset"), "password": password}
    assert error_of(town.post("/password/reset", by_code)) == (400, "password_common")
    assert error_of(town.post("/password/reset", {"ticket": link(town, "reset"), "password": password})) == (
        400,
        "password_common",
    )


# -- logging in --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phone", [PHONE, "138 0013 8000", "+8613800138000"])
def test_L10_every_spelling_of_a_phone_number_logs_in(town, phone):
    town.register()
    assert town.post("/login", {"phone": phone, "password": PASSWORD}).status_code == 200


def test_a_code_logs_in_once(town):
    town.register(password=None)
    body = {"recipient": PHONE, "code": town.code(PHONE, "login")}
    assert town.post("/login", body).status_code == 200
    assert error_of(town.post("/login", body)) == (401, "code_wrong")


def test_L13_an_unknown_recipient_is_answered_alike_and_told_that_there_is_no_account(town):
    town.register(EMAIL)
    answers = []
    for recipient in (EMAIL, "bob@example.com"):
        town.clock.advance(3600)
        answers.append(town.post("/codes", {"recipient": recipient, "purpose": "login"}))
    known, unknown = answers
    assert (known.status_code, known.data, sorted(known.headers)) == (
        unknown.status_code,
        unknown.data,
        sorted(unknown.headers),
    )
    told = town.messages()[-1]
    assert told["to"] == "bob@example.com"
    assert "code" not in told
    guessed = {"recipient": "bob@example.com", "code": "000000"}
    assert error_of(town.post("/login", guessed)) == (401, "code_wrong")


def test_L11_the_sixth_try_is_refused_though_the_code_is_right(town):
    town.register()
    code = town.code(PHONE, "login")
    wrong = f"{(int(code) + 1) % 10**6:06}"
    tried = [error_of(town.post("/login", {"recipient": PHONE, "code": wrong})) for _ in range(5)]
    assert tried == [(401, "code_wrong")] * 5
    assert error_of(town.post("/login", {"recipient": PHONE, "code": code})) == (429, "too_many_requests")


def test_L05_who_is_disabled_is_told_so_only_after_the_right_code(town):
    town.register()
    (person,) = town.people.rows.values()
    code = town.code(PHONE, "login")
    town.people.update(person, {"disabled": True})
    assert error_of(town.post("/login", {"recipient": PHONE, "code": "x"})) == (401, "code_wrong")
    assert error_of(town.post("/login", {"recipient": PHONE, "code": code})) == (403, "login_refused")


def test_L02_who_would_find_no_place_for_his_password_is_refused_before_anything_is_counted(town):
    town.register()
    runtime = town.app.extensions["tessera"].running[""]
    passwords = town.app.extensions["tessera"].passwords
    before = runtime.storage.values.read("", most=1000).values
    with ExitStack() as stack:
        for _ in range(passwords._slots._most):
            place = passwords._slots._enter(())
            stack.callback(passwords._slots._leave, place)
        refused = town.post("/login", {"phone": PHONE, "password": PASSWORD})
    assert (error_of(refused), refused.headers["Retry-After"]) == ((429, "too_many_requests"), "1")
    assert runtime.storage.values.read("", most=1000).values == before
    assert town.post("/login", {"phone": PHONE, "password": PASSWORD}).status_code == 200


# -- sending -----------------------------------------------------------------------------------------------------------


def test_a_sender_that_fails_is_told_and_the_code_before_stays_good(tmp_path):
    class Failing:
        is_down = False

        def send(self, message):
            if self.is_down:
                raise SendingError("away")
            self.code = message.code

    sender = Failing()
    town = AccountsApp(tmp_path, tessera={"sender": sender})
    asked = {"recipient": PHONE, "purpose": "register"}
    assert town.post("/codes", asked).status_code == 200
    town.clock.advance(61)
    sender.is_down = True
    for _ in range(10):
        # None of them counts.
        answer = town.post("/codes", asked)
        assert (answer.status_code, answer.json["code"], answer.json["error"]) == (502, 4301, "sending_failed")
    assert town.post("/register", {"recipient": PHONE, "code": sender.code}).status_code == 200


def test_L13_a_second_code_within_a_minute_is_refused(town):
    assert town.post("/codes", {"recipient": PHONE, "purpose": "login"}).status_code == 200
    refused = town.post("/codes", {"recipient": PHONE, "purpose": "login"})
    assert error_of(refused) == (429, "too_many_requests")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60


def test_a_code_for_another_address_needs_a_login(town):
    asked = {"recipient": EMAIL, "purpose": "bind"}
    assert error_of(town.post("/codes", asked)) == (401, "token_missing")
    assert town.post("/codes", asked, token=town.register()["access_token"]).status_code == 200


def test_the_challenge_of_the_application_is_asked_before_a_code_is_sent_or_a_login_checked(town, tmp_path):
    from flask import request

    @town.tessera.challenge
    def challenge(action):
        return request.headers.get("X-Captcha") == action

    assert error_of(town.post("/codes", {"recipient": PHONE, "purpose": "login"})) == (403, "challenge_failed")
    assert error_of(town.post("/login", {"phone": PHONE, "password": PASSWORD})) == (403, "challenge_failed")
    assert town.messages() == []
    asked = {"recipient": PHONE, "purpose": "login"}
    assert town.post("/codes", asked, **{"X-Captcha": "code"}).status_code == 200


# -- another password --------------------------------------------------------------------------------------------------


def test_S04_a_changed_password_ends_the_other_sessions_and_the_old_password(town):
    mine = town.register()
    other = town.post("/login", {"phone": PHONE, "password": PASSWORD}).json["data"]
    changed = town.post("/password", {"old": PASSWORD, "new": "eleven green otters"}, token=mine["access_token"])
    assert changed.json["data"] == {"effective_by": town.clock() + 0}
    assert is_live(town, mine)
    assert not is_live(town, other)
    assert error_of(town.post("/login", {"phone": PHONE, "password": PASSWORD})) == (401, "credentials_wrong")
    assert town.post("/login", {"phone": PHONE, "password": "eleven green otters"}).status_code == 200


def test_L15_a_change_asks_for_the_old_password_and_wrong_ones_are_counted(town):
    token = town.register()["access_token"]
    assert error_of(town.post("/password", {"new": "eleven green otters"}, token=token)) == (400, "input_malformed")
    body = {"old": "wrong", "new": "eleven green otters"}
    assert [error_of(town.post("/password", body, token=token)) for _ in range(6)] == [
        *[(403, "old_password_wrong")] * 5,
        (429, "too_many_requests"),
    ]


def test_who_has_no_password_gets_one_by_a_fresh_login(town):
    token = town.register(password=None)["access_token"]
    town.clock.advance(301)
    body = {"new": PASSWORD}
    assert error_of(town.post("/password", body, token=token)) == (401, "step_up_required")
    code = {"recipient": PHONE, "code": town.code(PHONE, "login")}
    token = town.post("/login", code).json["data"]["access_token"]
    assert town.post("/password", body, token=token).status_code == 200
    assert town.post("/login", {"phone": PHONE, "password": PASSWORD}).status_code == 200


def test_L15_a_reset_by_code_ends_all_sessions_and_is_good_once(town):
    pair = town.register()
    body = {"recipient": PHONE, "code": town.code(PHONE, "reset"), "password": "eleven green otters"}
    assert town.post("/password/reset", body).status_code == 200
    assert not is_live(town, pair)
    assert error_of(town.post("/password/reset", body)) == (401, "code_wrong")
    assert town.post("/login", {"phone": PHONE, "password": "eleven green otters"}).status_code == 200


class NobodyWaits(deque):
    """The queue for places: who is not refused at once is served at once."""

    def append(self, place):
        place.turn.set()


@contextmanager
def busy(town):
    """All places for hashing that this client may have are taken; there are others."""
    with town.app.app_context():
        slots = town.tessera.runtime.accounts.passwords._passwords._slots
    slots._queue = NobodyWaits()
    with claiming(network_claim("127.0.0.1")), slots.acquire():
        yield


@pytest.mark.parametrize("way", ["code", "link"])
def test_L02_a_reset_that_finds_no_place_to_be_hashed_can_be_tried_again(tmp_path, way):
    town = AccountsApp(tmp_path, HASH_SLOTS=1)
    town.register(EMAIL)
    proof = (
        {"ticket": link(town, "reset")} if way == "link" else {"recipient": EMAIL, "code": town.code(EMAIL, "reset")}
    )
    body = {**proof, "password": "eleven green otters"}
    with busy(town):
        assert error_of(town.post("/password/reset", body)) == (429, "too_many_requests")
    assert town.post("/password/reset", body).status_code == 200
    assert town.post("/password/reset", body).status_code == 401


def test_L02_a_user_who_is_logged_in_has_a_share_of_the_places_for_hashing_too(tmp_path):
    town = AccountsApp(tmp_path, HASH_SLOTS=1)
    token = town.register()["access_token"]
    change = {"old": PASSWORD, "new": "eleven green otters"}
    with busy(town):
        assert error_of(town.post("/step-up", {"password": PASSWORD}, token=token)) == (429, "too_many_requests")
        assert error_of(town.post("/password", change, token=token)) == (429, "too_many_requests")
    assert town.post("/step-up", {"password": PASSWORD}, token=token).status_code == 200


@pytest.mark.parametrize("more", [{}, {"recipient": PHONE}, {"recipient": PHONE, "code": "1", "ticket": "t"}])
def test_a_reset_needs_a_code_or_a_ticket_and_not_both(town, more):
    assert error_of(town.post("/password/reset", {"password": PASSWORD, **more})) == (400, "input_malformed")


# -- links -------------------------------------------------------------------------------------------------------------


def link(town, purpose, recipient=EMAIL, **more):
    """The ticket of a link that was sent."""
    town.clock.advance(61)
    assert town.post("/links", {"recipient": recipient, "purpose": purpose}, **more).status_code == 200
    sent = town.messages()[-1]
    assert sent["link"].startswith(f"{SITE}/auth/links/tst_")
    return sent["link"].rpartition("/")[2]


def test_Q04_a_link_that_was_fetched_fifty_times_is_good_for_one_login(town):
    town.register(EMAIL)
    ticket = link(town, "login")
    client = town.app.test_client()
    for _ in range(25):
        assert client.get(f"/auth/links/{ticket}").status_code == 200
        assert client.head(f"/auth/links/{ticket}").status_code == 200
    assert "access_token" in town.post("/links/redeem", {"ticket": ticket}).json["data"]
    assert error_of(town.post("/links/redeem", {"ticket": ticket})) == (401, "ticket_invalid")
    assert client.get(f"/auth/links/{ticket}").status_code == 401


def test_L16_the_host_of_a_link_is_the_setting_whatever_the_request_says(town):
    town.register(EMAIL)
    link(town, "login", **{"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    assert "evil" not in str(town.messages())


def test_a_link_leads_to_its_page_wherever_that_is_registered(new_site):
    sent = []

    class Sender:
        def send(self, message):
            sent.append(message)

    users, sender = People({7: Person(7, email=EMAIL)}), Sender()
    site = new_site(tessera={"users": users, "sender": sender}, TESTING=True, TESSERA_PUBLIC_URL=SITE)
    site.app.register_blueprint(site.tessera.blueprint("login", "refresh"))
    site.app.register_blueprint(site.tessera.blueprint("links", name="links", url_prefix="/mail"))
    assert site.post("/mail/links", json={"recipient": EMAIL, "purpose": "login"}).status_code == 200
    page = sent[-1].link.removeprefix(SITE)
    assert page.startswith("/mail/links/tst_")
    assert site.get(page).status_code == 200


def test_L15_a_link_sets_a_password_and_is_no_login(town):
    pair = town.register(EMAIL)
    ticket = link(town, "reset")
    assert error_of(town.post("/links/redeem", {"ticket": ticket})) == (400, "input_malformed")
    assert error_of(town.post("/password/reset", {"ticket": ticket, "password": "123"})) == (400, "password_too_short")
    assert town.post("/password/reset", {"ticket": ticket, "password": "eleven green otters"}).status_code == 200
    assert not is_live(town, pair)
    assert error_of(town.post("/password/reset", {"ticket": ticket, "password": PASSWORD})) == (401, "ticket_invalid")


def reset_by(town, ticket):
    return error_of(town.post("/password/reset", {"ticket": ticket, "password": "eleven green otters"}))


@pytest.mark.parametrize("proof", ["login", "step-up"])
def test_L15_a_link_for_a_new_password_dies_when_its_owner_logs_in_and_the_next_one_is_good(town, proof):
    pair = town.register(EMAIL)
    ticket = link(town, "reset")
    town.clock.advance(1)
    body = {"email": EMAIL, "password": PASSWORD} if proof == "login" else {"password": PASSWORD}
    assert town.post(f"/{proof}", body, token=pair["access_token"]).status_code == 200
    assert town.app.test_client().get(f"/auth/links/{ticket}").status_code == 401
    assert reset_by(town, ticket) == (401, "ticket_invalid")
    assert reset_by(town, link(town, "reset")) == (200, None)


def test_L15_the_login_of_somebody_else_or_a_refresh_leaves_the_link_good(town):
    pair = town.register(EMAIL)
    ticket = link(town, "reset")
    town.register(PHONE)
    assert town.post("/refresh", {"refresh_token": pair["refresh_token"]}).status_code == 200
    assert reset_by(town, ticket) == (200, None)


def test_a_link_confirms_another_address_of_who_asked_for_it(town):
    pair = town.register()
    ticket = link(town, "confirm", Authorization=f"Bearer {pair['access_token']}")
    assert "valid for 24 hours" in town.messages()[-1]["text"]
    assert town.post("/links/redeem", {"ticket": ticket}).json["data"] == {"confirmed": EMAIL}
    assert town.post("/login", {"email": EMAIL, "password": PASSWORD}).status_code == 200


def test_S12_a_link_for_another_address_needs_a_fresh_login(town):
    pair = town.register()
    town.clock.advance(301)
    asked = {"recipient": EMAIL, "purpose": "confirm"}
    assert error_of(town.post("/links", asked, token=pair["access_token"])) == (401, "step_up_required")


def test_a_password_change_kills_the_links_that_were_sent_before(town):
    town.register(EMAIL)
    ticket = link(town, "login")
    body = {"recipient": EMAIL, "code": town.code(EMAIL, "reset"), "password": "eleven green otters"}
    assert town.post("/password/reset", body).status_code == 200
    assert error_of(town.post("/links/redeem", {"ticket": ticket})) == (401, "ticket_invalid")


def test_the_page_of_a_link_does_without_a_script_what_its_button_says(town):
    town.register(EMAIL)
    ticket = link(town, "reset")
    client = town.app.test_client()
    page = client.get(f"/auth/links/{ticket}", headers={"Accept-Language": "zh"})
    assert 'name="password"' in page.text
    assert ticket not in page.text
    weak = client.post(f"/auth/links/{ticket}", data={"password": "123"})
    assert (weak.status_code, 'role="alert"' in weak.text) == (400, True)
    done = client.post(f"/auth/links/{ticket}", data={"password": "eleven green otters"})
    assert (done.status_code, 'role="status"' in done.text) == (200, True)
    assert town.post("/login", {"email": EMAIL, "password": "eleven green otters"}).status_code == 200


# -- oneself -----------------------------------------------------------------------------------------------------------


def test_a_user_changes_his_name_and_nothing_that_is_not_his_to_change(town):
    token = town.register()["access_token"]
    changed = town.post("/me", {"name": "Ada\u202e\n L."}, token=token, method="PATCH")
    assert changed.json["data"]["name"] == "Ada L."
    assert town.post("/me", {"phone": "13900139000", "id": 9}, token=token, method="PATCH").status_code == 200
    (person,) = town.people.rows.values()
    assert (person.phone, person.id) == ("+8613800138000", 1)
    too_long = town.post("/me", {"name": "x" * 65}, token=token, method="PATCH")
    assert error_of(too_long) == (400, "input_malformed")


def test_the_words_of_a_person_are_those_that_name_him(town):
    town.register(name="Ada")
    (person,) = town.people.rows.values()
    assert list(AccountPasswords(town.people, None).words_of(person)) == [PHONE, "Ada"]


@pytest.mark.parametrize(
    "told",
    [
        *(Recipient("phone", PHONE), Recipient("phone", "+86 138 0013 8000"), Recipient("phone", None)),
        *(Recipient("email", "Ada@Example.com"), Recipient("email", PHONE), Recipient("sms", "+8613800138000")),
        *(("phone", "+8613800138000"), "+8613800138000", None),
    ],
)
def test_recipients_of_another_spelling_than_ours_are_a_fault_of_the_application(town, told):
    town.people.recipients = lambda _: [told]
    with pytest.raises(ConfigError, match="must return Recipients") as raised:
        HostUsers(town.people).recipients(None)
    assert "138" not in str(raised.value).replace("+8613800138000", "")


@pytest.mark.parametrize("text", [PHONE, "+1 650 253 0000", EMAIL, "a.b+c@x-y.example"])
def test_what_is_parsed_is_a_recipient_of_ours(town, text):
    town.people.recipients = lambda _: (parse_recipient(text) for _ in "a")
    assert HostUsers(town.people).recipients(None) == [parse_recipient(text)]


def test_recipients_of_another_spelling_are_logged_where_a_notice_would_go_nowhere(town, caplog):
    town.register(device={"id": "a"})
    town.people.recipients = lambda _: [Recipient("phone", PHONE)]
    town.post("/login", {"phone": PHONE, "password": PASSWORD, "device": {"id": "b"}})
    assert "must return Recipients" in caplog.text
