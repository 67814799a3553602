"""The page on which people keep their accounts, and the proof that some of it needs."""

from __future__ import annotations

import re

import pytest

from tests.authenticator import Authenticator
from tests.web.people import Person

from .accounts import PASSWORD, PHONE, PagesApp, Visitor, text_of
from .sites import Browser, Page
from .test_entering import NEW, options_of

SECURITY, STEP_UP = "/console/security", "/console/step-up"
TOTP, CONFIRM, CODES = f"{SECURITY}/totp", f"{SECURITY}/totp/confirm", f"{SECURITY}/recovery-codes"
NEW_PASSKEY, PASSKEYS = f"{SECURITY}/passkeys/new", f"{SECURITY}/passkeys"
CHANGE = f"{SECURITY}/password"
ORIGIN = "https://shop.example"
HOSTILE = '"><img src=x onerror=alert(1)>'


def test_nobody_else_sees_it(home):
    assert Visitor(home).open(SECURITY).path == "/console/sign-in?next=%2Fconsole%2Fsecurity"


def test_a_password_is_changed_and_other_devices_are_signed_out(ada, home):
    other = Visitor(home).login()
    ada.open(SECURITY).submit(CHANGE, old="wrong", new=NEW)
    assert (ada.status, ada.error) == (403, "The old password is wrong.")
    assert ada.page.forms[CHANGE]["new"] == ""
    ada.submit(CHANGE, old=PASSWORD, new=NEW)
    assert (ada.path, ada.by_id("done")) == (
        f"{SECURITY}?done=password",
        "The password was changed; other devices are signed out.",
    )
    assert other.open("/console/devices").now_at() == "/console/sign-in"
    assert Visitor(home).login(password=NEW).path == "/console/devices"


@pytest.mark.parametrize(("new", "told"), [("x", "too short"), ("password", "Too many people"), ("", "")])
def test_what_is_wrong_with_a_new_password_is_said_at_its_form(ada, new, told):
    ada.open(SECURITY).submit(CHANGE, old=PASSWORD, new=new)
    assert ada.status == 400
    assert told in ada.error


def test_who_has_no_password_sets_one_while_the_login_is_fresh(home):
    home.register(password=None)
    home.clock.advance(3600)
    visitor = Visitor(home).open("/console/sign-in/code").submit("/console/sign-in/code", step="send", recipient=PHONE)
    visitor.submit("/console/sign-in/code", code=home.last()["code"])
    home.clock.advance(400)
    visitor.open(SECURITY)
    assert visitor.page.forms[CHANGE].keys() == {"csrf_token", "new"}
    visitor.submit(CHANGE, new=NEW)
    # There is nothing by which he could prove who he is but a code.
    assert visitor.path == f"{STEP_UP}?next=%2Fconsole%2Fsecurity%3Fundone%3D1"
    assert visitor.page.forms[STEP_UP].keys() == {"csrf_token", "next", "recipient"}
    visitor.submit(STEP_UP, step="send")
    assert visitor.by_id("sent").endswith(PHONE)
    visitor.submit(STEP_UP, code=f" {home.last()['code']} ")
    assert visitor.path == f"{SECURITY}?undone=1"
    visitor.submit(CHANGE, new=NEW)
    assert visitor.path == f"{SECURITY}?done=password"
    assert Visitor(home).login(password=NEW).path == "/console/devices"


def test_a_generator_is_set_up_confirmed_and_removed(ada, home):
    ada.open(SECURITY).submit(TOTP)
    secret = ada.by_id("secret")
    assert re.fullmatch("[A-Z2-7]{32}", secret)
    (image,) = ada.page.all("img")
    assert image["src"].startswith("data:image/svg+xml,%3Csvg")
    assert "style" not in ada.answer.text.replace("stylesheet", "")
    ada.submit(CONFIRM, code="000000")
    assert (ada.status, ada.by_id("secret")) == (401, secret)
    assert ada.error == "The code is wrong, used or expired."
    ada.submit(CONFIRM, code=home.digits(secret))
    codes = re.findall("<li><code>(.*?)</code>", ada.answer.text)
    assert (ada.status, len(set(codes))) == (200, 10)
    assert ada.answer.headers["Cache-Control"] == "no-store"
    ada.open(SECURITY)
    assert "10 codes are left" in ada.answer.text
    assert not set(codes) & set(ada.answer.text.split())
    ada.submit(CODES)
    renewed = re.findall("<li><code>(.*?)</code>", ada.answer.text)
    assert len(set(codes + renewed)) == 20
    ada.open(SECURITY).submit(f"{TOTP}/remove")
    assert ada.path == f"{SECURITY}?done=totp_removed"
    assert CODES not in ada.page.forms
    assert Visitor(home).login().path == "/console/devices"


@pytest.mark.parametrize("secret", ["", "x", "<b>", "A" * 33, "0" * 32])
def test_only_a_secret_is_shown_again(ada, secret):
    ada.open(SECURITY).submit(TOTP)
    assert ada.submit(CONFIRM, secret=secret, code="000000").status == 400
    assert not ada.page.all("img")


def add_passkey(visitor, device, name="key"):
    visitor.open(SECURITY).submit(NEW_PASSKEY)
    made = device.make(options_of(visitor.page), origin=ORIGIN)
    return visitor.submit(PASSKEYS, passkey=text_of(made), name=name)


def test_passkeys_are_added_listed_and_removed(ada, home):
    add_passkey(ada, Authenticator(), HOSTILE)
    assert (ada.status, ada.path) == (200, f"{SECURITY}?done=passkey_added")
    assert "No codes are left" in ada.answer.text
    assert not ada.page.all("img")
    assert HOSTILE in ada.page.text
    (action,) = [each for each in ada.page.forms if each.endswith("/remove")]
    ada.submit(action)
    assert ada.path == f"{SECURITY}?done=passkey_removed"
    assert HOSTILE not in ada.page.text
    again = ada.send("POST", action, data=ada.page.forms["/console/sign-out"])
    assert again.status_code == 404


def test_a_passkey_that_was_not_made_with_these_options_is_refused_at_its_form(ada):
    device = Authenticator()
    ada.open(SECURITY).submit(NEW_PASSKEY)
    made = device.make({**options_of(ada.page), "challenge": "AAAA"}, origin=ORIGIN)
    ada.submit(PASSKEYS, passkey=text_of(made), name="my key")
    assert (ada.status, ada.page.forms[PASSKEYS]["name"]) == (401, "my key")
    assert ada.submit(PASSKEYS, passkey="{}").status in (400, 401)
    # The page that says so has options that are good.
    made = device.make(options_of(ada.page), origin=ORIGIN)
    assert ada.submit(PASSKEYS, passkey=text_of(made)).path == f"{SECURITY}?done=passkey_added"


@pytest.mark.parametrize("action", [TOTP, NEW_PASSKEY])
def test_S12_what_changes_a_factor_needs_a_new_proof_and_comes_back(ada, home, action):
    home.clock.advance(301)
    ada.open(SECURITY).submit(action)
    assert ada.path == f"{STEP_UP}?next=%2Fconsole%2Fsecurity"
    ada.submit(STEP_UP, password="wrong")
    assert (ada.status, ada.error) == (401, "Wrong password.")
    assert ada.page.forms[STEP_UP]["password"] == ""
    ada.submit(STEP_UP, password=PASSWORD)
    assert (ada.path, ada.status) == (SECURITY, 200)
    ada.submit(action)
    assert (ada.status, ada.path) == (200, action)


def test_S12_codes_and_removals_need_a_new_proof_too(ada, home):
    home.totp()
    add_passkey(ada, Authenticator())
    home.clock.advance(301)
    ada.open(SECURITY)
    removals = [each for each in ada.page.forms if each.endswith("/remove")]
    assert len(removals) == 2
    for action in (CODES, *removals):
        ada.open(SECURITY).submit(action)
        assert ada.path == f"{STEP_UP}?next=%2Fconsole%2Fsecurity", action


def test_a_proof_is_a_password_a_code_or_a_passkey(ada, home):
    device = Authenticator()
    add_passkey(ada, device)
    secret, _ = home.totp()
    for proof in ("totp", "passkey", "password"):
        home.clock.advance(301)
        ada.open(f"{STEP_UP}?next=/console/devices")
        assert ada.page.forms[STEP_UP].keys() == {"csrf_token", "next", "password", "totp", "passkey"}
        used = {
            "totp": lambda: home.digits(secret),
            "password": lambda: PASSWORD,
            "passkey": lambda: text_of(device.made[0].use(options_of(ada.page), origin=ORIGIN)),
        }[proof]()
        ada.submit(STEP_UP, **{proof: used})
        assert ada.path == "/console/devices", proof
        ada.open(SECURITY).submit(TOTP)
        assert ada.path == TOTP


def test_a_proof_is_a_code_that_is_sent_to_ones_own_recipients_only(ada, home):
    home.register("13900139000")
    home.clock.advance(301)
    ada.open(f"{STEP_UP}?next=/console/devices")
    assert [each["value"] for each in ada.page.all("input", name="recipient")] == [PHONE]
    sent = len(home.messages())
    for stranger in ("13900139000", "", "<b>"):
        assert ada.open(STEP_UP).submit(STEP_UP, step="send", recipient=stranger).status == 400
    assert len(home.messages()) == sent
    ada.open(f"{STEP_UP}?next=/console/devices").submit(STEP_UP, step="send", recipient=PHONE)
    ada.submit(STEP_UP, code="000000")
    assert (ada.status, ada.error) == (401, "The code is wrong, used or expired.")
    assert ada.page.forms[STEP_UP] == {**ada.page.forms[STEP_UP], "recipient": PHONE, "code": ""}
    ada.submit(STEP_UP, step="send")
    assert (ada.status, ada.by_id("sent")[:22]) == (429, "No new code was sent. ")
    ada.submit(STEP_UP, code=home.last()["code"])
    assert ada.path == "/console/devices"
    assert ada.open(SECURITY).submit(TOTP).path == TOTP


def test_without_a_sender_no_code_is_offered_as_a_proof(tmp_path):
    home = PagesApp(tmp_path, SENDER="")
    with home.app.app_context():
        hashed = home.tessera.passwords.hash(PASSWORD)
    home.people.rows[1] = Person(1, phone="+8613800138000", hash=hashed)
    visitor = Visitor(home).login().open(STEP_UP)
    assert (visitor.status, visitor.page.forms[STEP_UP].keys()) == (200, {"csrf_token", "password"})
    assert visitor.page.all("input", name="recipient") == []
    assert visitor.submit(STEP_UP, step="send", recipient=PHONE).status == 400


def test_Q06_guesses_at_the_password_of_a_session_are_limited(ada):
    ada.open(STEP_UP)
    for _ in range(5):
        ada.submit(STEP_UP, password="wrong")
    assert ada.submit(STEP_UP, password=PASSWORD).status == 429


def test_B04_no_form_of_the_page_is_sent_by_another_site(ada, home):
    home.totp()
    add_passkey(ada, Authenticator())
    ada.open(SECURITY)
    for action in [*ada.page.forms, CONFIRM, PASSKEYS, STEP_UP]:
        for fields in ({}, {"csrf_token": "x"}):
            answer = ada.send("POST", action, data={**fields, "password": PASSWORD})
            assert answer.status_code == 403, action
    assert ada.open(SECURITY).status == 200


def test_a_person_cannot_remove_what_is_somebody_elses(home):
    for number in (PHONE, "13900139000"):
        home.register(number)
    ada = Visitor(home).login()
    add_passkey(ada, Authenticator())
    (action,) = [each for each in ada.page.forms if each.endswith("/remove")]
    ida = Visitor(home).login(account="13900139000").open(SECURITY)
    assert ida.send("POST", action, data=ida.page.forms["/console/sign-out"]).status_code == 404
    assert action in ada.open(SECURITY).page.forms


def test_a_form_with_something_typed_into_it_is_not_sent_again_after_an_expiry(ada, home):
    ada.open(SECURITY)
    home.clock.advance(1000)
    answer = ada.send("POST", CHANGE, data={**ada.page.forms[CHANGE], "old": PASSWORD, "new": NEW})
    page = Page(answer)
    assert page.all("main")[0]["data-back"] == f"{SECURITY}?undone=1"
    assert page.forms == {}
    assert NEW not in answer.text
    assert ada.send("POST", CHANGE, data={"old": PASSWORD, "new": NEW}).status_code == 403


def test_an_application_that_checks_credentials_itself_has_the_page_without_a_password(browser):
    page = Page(browser.get(SECURITY))
    assert CHANGE not in page.forms
    assert TOTP in page.forms
    assert isinstance(browser, Browser)


def test_why_a_passkey_did_not_come_is_told_by_what_was_asked(ada, home):
    assert "none on this device" in Visitor(home).open("/console/sign-in").by_id("passkey-failed")
    assert "is there already" in ada.open(SECURITY).submit(NEW_PASSKEY).by_id("passkey-failed")


def test_what_was_done_is_told_and_nothing_else_of_the_query(ada):
    assert ada.open(f"{SECURITY}?done=<b>").by_id("done") is None
    assert ada.open(f"{SECURITY}?done=totp").by_id("done") is None


def test_what_was_typed_and_is_lost_is_told(ada, home):
    assert ada.open(SECURITY).by_id("undone") is None
    ada.open(f"{STEP_UP}?next=/console/security")
    home.clock.advance(1000)
    page = Page(ada.send("POST", STEP_UP, data={**ada.page.forms[STEP_UP], "password": PASSWORD}))
    back = page.all("main")[0]["data-back"]
    assert back == f"{STEP_UP}?next=%2Fconsole%2Fsecurity&undone=1"
    for place in (SECURITY, back):
        visitor = Visitor(home).login()
        assert "was not done" in visitor.open(f"{place}{'&' if '?' in place else '?'}undone=1").by_id("undone")
    assert visitor.page.forms[STEP_UP]["next"] == SECURITY


def test_S12_a_passkey_that_was_made_too_late_is_told_and_hardly_begun(ada, home):
    ada.open(SECURITY).submit(NEW_PASSKEY)
    made = Authenticator().make(options_of(ada.page), origin=ORIGIN)
    home.clock.advance(301)
    ada.submit(PASSKEYS, passkey=text_of(made), name="key")
    assert ada.path == f"{STEP_UP}?next=%2Fconsole%2Fsecurity%3Fundone%3D1"
    ada.submit(STEP_UP, password=PASSWORD)
    assert "was not done" in ada.by_id("undone")
    home.clock.advance(241)
    ada.open(SECURITY).submit(NEW_PASSKEY)
    assert ada.path == f"{STEP_UP}?next=%2Fconsole%2Fsecurity"


def test_a_generator_that_was_begun_anew_or_is_over_is_told_at_the_form_that_begins(ada, home):
    other = Visitor(home).login()
    for visitor in (ada, other):
        visitor.open(SECURITY).submit(TOTP)
    old, new = ada.by_id("secret"), other.by_id("secret")
    ada.submit(CONFIRM, code=home.digits(old))
    assert (ada.status, "begun anew" in ada.error, TOTP in ada.page.forms) == (401, True, True)
    assert new not in ada.answer.text
    other.submit(CONFIRM, code=home.digits(new))
    assert other.status == 200


def test_who_asks_for_where_a_form_is_sent_to_sees_the_form(ada):
    for path in (CHANGE, TOTP, CONFIRM, f"{TOTP}/remove", CODES, NEW_PASSKEY, PASSKEYS, f"{PASSKEYS}/x/remove"):
        answer = ada.get(path)
        assert (answer.status_code, answer.headers["Location"]) == (303, SECURITY), path
    for path in ("passkey", "passkey-options"):
        assert ada.get(f"/console/sign-in/{path}").headers["Location"] == "/console/sign-in"
    assert ada.open("/console/sign-out").path == "/console/devices"


def test_a_passkey_that_was_removed_is_no_wrong_code(ada, home):
    device = Authenticator()
    add_passkey(ada, device)
    (action,) = [each for each in ada.page.forms if each.endswith("/remove")]
    ada.submit(action)
    options = ada.send("POST", "/console/sign-in/passkey-options").json
    ada.open(STEP_UP)
    ada.submit(STEP_UP, passkey=text_of(device.made[0].use(options, origin=ORIGIN)))
    assert (ada.status, ada.error.partition(".")[0].partition(":")[0]) == (401, "This passkey was not taken")


def test_how_one_has_signed_in_is_said_in_words(ada, home):
    device = Authenticator()
    add_passkey(ada, device)
    home.clock.advance(301)
    ada.open(STEP_UP)
    ada.submit(STEP_UP, passkey=text_of(device.made[0].use(options_of(ada.page), origin=ORIGIN)))
    said = ada.open("/console/devices").page.text
    assert "passkey, two factors" in " ".join(said.split())
    assert "user" not in said.split()
