"""What is recorded of an application's authentication events: to the signal, to the log, and to the storage."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_tessera import Device, Tessera, signals
from flask_tessera.accounts.recipients import parse_recipient
from flask_tessera.accounts.shown_account import shown_account
from flask_tessera.errors import (
    REGISTRY,
    LoginRefusedError,
    SecondFactorRequiredError,
    StorageUnavailableError,
    TesseraError,
)
from flask_tessera.services.audit import history
from flask_tessera.services.audit_data import END_REASONS, EVENTS, AuditEvent
from flask_tessera.services.ports import EVENTS as SESSION_EVENTS
from flask_tessera.services.ports import ClientInfo
from flask_tessera.sessions.model import EndReason
from tests.services.factors import WRONG, code_at

from .people import EMAIL, PASSWORD, PHONE, AccountsApp

SOURCE = Path(__file__).resolve().parents[2] / "src" / "flask_tessera"
RECORDED = re.compile(r'(?:\brecord|_listener|_log\(service|_audit)\w*\(?(?:service)?,?\s*"([a-z_]+)"')
GARBAGE = "tsr_" + "A" * 48


class Users:
    """The application's users: one, of every phone number that ends in 0."""

    def __init__(self):
        self.asked, self.fails = [], None

    def by_id(self, user_id):
        return user_id

    def by_recipient(self, recipient):
        self.asked.append(recipient)
        if self.fails:
            raise self.fails
        return 7 if recipient.address.endswith("0") else None

    def password_hash(self, user):
        return None

    def set_password_hash(self, user, new, old):
        return False

    def is_disabled(self, user):
        return False


class Trail:
    """A site, and the events that were recorded in it."""

    def __init__(self, site):
        self.site, self.app, self.tessera = site, site.app, site.tessera
        self.heard = []
        signals.audit_recorded.connect(self.hear, sender=site.app)

    def hear(self, app, event):
        self.heard.append(event)

    def told(self):
        """The events since the last call, without their members that are alike in all tests."""
        heard, self.heard = self.heard, []
        return [(each.event, each.result, each.reason) for each in heard]

    def stored(self, user_id="7", realm=""):
        with self.app.app_context():
            values = self.tessera.runtime.storage.values
            return [each for _, each in history(values, (realm, user_id), most=999, at=self.site.clock())][::-1]


@pytest.fixture
def users():
    return Users()


@pytest.fixture
def trail(new_site, users):
    made = new_site(tessera={"audit": True, "users": users, "ticket_purposes": ("download",)}, loader=False)
    made.app.register_blueprint(made.tessera.blueprint("login", "refresh", "logout", "exchange", "tickets", "api-keys"))
    return Trail(made)


def test_G01_a_login_a_refresh_and_a_logout_are_recorded_and_kept(trail):
    pair = trail.site.login(device=Device("phone", "d-1", "Ada's phone"))
    told = {"User-Agent": "browser", "X-Request-Id": "r-1", "z-token": pair.access_token}
    trail.site.post("/auth/refresh", json={"refresh_token": pair.refresh_token}, headers=told)
    trail.site.post("/auth/logout", headers=told)
    assert [each.event for each in trail.heard] == ["session_started", "session_refreshed", "session_ended"]
    assert trail.heard[-1] == AuditEvent(
        event="session_ended",
        at=trail.site.clock(),
        reason="logout",
        user_id="7",
        session_id=pair.session_id,
        device=Device("phone", "d-1", "Ada's phone"),
        ip="127.0.0.1",
        user_agent="browser",
        request_id="r-1",
    )
    assert trail.stored() == trail.heard


def test_G01_each_ending_is_recorded_with_its_reason(trail):
    for reason, end in (
        ("kick", lambda pair: trail.tessera.revoke_session(pair.session_id)),
        ("password_change", lambda pair: trail.tessera.revoke_user(7, "password_change")),
        ("suspension", lambda pair: trail.tessera.suspend(7)),
    ):
        pair = trail.site.login()
        trail.told()
        with trail.app.app_context():
            end(pair)
            trail.tessera.unsuspend(7)
        assert trail.told()[0] == ("session_ended", "success", reason)
    assert [each.event for each in trail.stored()[-2:]] == [
        "user_suspended",
        "user_unsuspended",
    ]


def test_G01_a_session_that_another_login_has_ended_is_recorded(new_site):
    trail = Trail(new_site(tessera={"audit": True}, TESSERA_MAX_SESSIONS=1))
    first, second = trail.site.login(), trail.site.login()
    found = [(each.event, each.session_id, each.reason) for each in trail.stored()]
    assert found == [
        ("session_started", first.session_id, ""),
        ("session_ended", first.session_id, "limit"),
        ("session_started", second.session_id, ""),
    ]


@pytest.mark.parametrize(
    ("body", "account", "reason"),
    [
        ({"phone": "138 0013-8000", "password": "x"}, "13800138000", "credentials_wrong"),
        ({"email": "Ada@Example.org", "password": "x"}, "ada@example.org", "credentials_wrong"),
    ],
)
def test_G01_a_refused_login_is_recorded_with_the_account_that_was_typed(trail, body, account, reason):
    trail.site.post("/auth/login", json=body)
    (event,) = trail.heard
    assert (event.event, event.result, event.account, event.reason) == ("login_failed", "failure", account, reason)
    assert [each.user_id for each in trail.stored()] == (["7"] if account.endswith("0") else [])


def test_G01_a_lock_out_a_suspension_and_a_second_factor_are_recorded(trail):
    login = {"account": "13800138000"}
    with trail.app.test_request_context():
        trail.tessera.suspend(7)
        trail.told()
        with pytest.raises(LoginRefusedError), trail.tessera.login_attempt(**login) as attempt:
            attempt.login(7)
        trail.tessera.unsuspend(7)
        with pytest.raises(SecondFactorRequiredError), trail.tessera.login_attempt(**login):
            raise SecondFactorRequiredError({"ticket": "secret ticket"})
        for _ in range(11):
            with pytest.raises(TesseraError), trail.tessera.login_attempt(**login) as attempt:
                attempt.fail()
    told = trail.told()
    assert told[0] == ("login_failed", "failure", "login_refused")
    assert told[2] == ("second_factor_required", "success", "")
    assert told[3:] == [("login_failed", "failure", "credentials_wrong")] * 10 + [
        ("login_failed", "failure", "too_many_requests")
    ]
    assert [(each.reason, each.count) for each in trail.stored() if each.event == "login_failed"] == [
        ("login_refused", 1),
        ("credentials_wrong", 10),
        ("too_many_requests", 1),
    ]


@pytest.mark.parametrize("body", [{}, {"phone": "", "password": "x"}, {"password": "x"}, {"phone": [1]}])
def test_what_names_nobody_is_not_recorded(trail, body):
    trail.site.post("/auth/login", json=body)
    assert trail.heard == []


def test_G01_a_refused_refresh_is_recorded_with_the_session_of_a_genuine_token(trail):
    pair = trail.site.login()
    trail.site.post("/auth/logout", pair.access_token)
    trail.told()
    for token in (pair.refresh_token, GARBAGE):
        trail.site.post("/auth/refresh", json={"refresh_token": token})
    genuine, garbage = trail.heard
    assert (genuine.reason, genuine.user_id, genuine.session_id) == ("session_logout", "7", pair.session_id)
    assert (garbage.event, garbage.reason, garbage.user_id) == ("refresh_failed", "token_invalid", "")
    assert trail.stored()[-1] == genuine


def test_R05_a_spent_token_is_recorded_before_the_end_of_its_session(trail):
    pair = trail.site.login()
    for _ in range(2):
        answer = trail.site.post("/auth/refresh", json={"refresh_token": pair.refresh_token}).json
        trail.site.get("/auth/api-keys", answer["data"]["access_token"])
    trail.site.clock.advance(60)
    trail.told()
    trail.site.post("/auth/refresh", json={"refresh_token": pair.refresh_token})
    told = [
        ("token_reused", "failure", "reuse"),
        ("session_ended", "success", "reuse"),
        ("refresh_failed", "failure", "session_reuse"),
    ]
    assert trail.told() == told
    assert [(each.event, each.result, each.reason) for each in trail.stored()[-3:]] == told


def test_G01_what_is_done_with_an_api_key_is_recorded(trail):
    token = trail.site.login().access_token
    key = trail.site.post("/auth/api-keys", token, json={"name": "cron"}).json["data"]
    trail.site.request("PATCH", f"/auth/api-keys/{key['id']}", token, json={"name": "other"})
    trail.site.post(f"/auth/api-keys/{key['id']}/rotate", token, json={})
    trail.site.request("DELETE", f"/auth/api-keys/{key['id']}", token)
    assert [(each.event, each.subject) for each in trail.stored()[1:]] == [
        (f"api_key_{what}", key["id"]) for what in ("created", "renamed", "rotated", "revoked")
    ]
    assert key["key"] not in repr(trail.heard)


def test_G01_a_refused_ticket_and_a_refused_exchange_are_recorded(new_site):
    legacy = {"secret": "an older application's secret, 40 bytes!", "until": 4_000_000_000}
    trail = Trail(new_site(tessera={"audit": True}, TESSERA_LEGACY=legacy))
    trail.app.register_blueprint(trail.tessera.blueprint("exchange"))
    trail.app.add_url_rule("/file", "file", trail.tessera.login_required(ticket="download")(lambda: "file"))
    assert trail.site.get("/file?ticket=tst_garbage").status_code == 401
    assert trail.told() == [("ticket_failed", "failure", "ticket_invalid")]
    assert trail.site.post("/auth/exchange", "garbage").status_code == 401
    assert trail.told() == [("exchange_failed", "failure", "token_invalid")]
    assert trail.site.post("/auth/exchange").status_code == 401
    assert trail.told() == []


def test_without_audit_nothing_is_kept_and_the_signal_is_sent_all_the_same(site):
    trail = Trail(site)
    site.login()
    assert trail.told() == [("session_started", "success", "")]
    assert trail.stored() == []


def test_of_two_realms_that_is_kept_which_is_asked_for(new_site):
    trail = Trail(new_site(tessera={"audit": True}))
    staff = Tessera(trail.app, realm="staff", user_id_type=int, clock=trail.site.clock)
    with trail.app.app_context():
        trail.tessera.login(7)
        staff.login(7)
    assert [each.realm for each in trail.heard] == ["", "staff"]
    assert [len(trail.stored(realm=realm)) for realm in ("", "staff")] == [1, 0]


def test_whose_account_it_is_may_be_unknown_and_its_application_may_fail(trail, users, caplog):
    trail.site.post("/auth/login", json={"phone": "13800138001", "password": "x"})
    users.fails = RuntimeError("the host's database")
    trail.site.post("/auth/login", json={"phone": "13800138000", "password": "x"})
    assert trail.stored() == []
    assert parse_recipient("13800138001") in users.asked


def test_F02_users_that_are_out_of_reach_are_told_without_a_traceback(trail, users, caplog):
    users.fails = StorageUnavailableError("the users' database: no answer in time")
    trail.site.post("/auth/login", json={"phone": "13800138000", "password": "wrong"})
    (told,) = [each for each in caplog.records if "missing in the history" in each.getMessage()]
    assert told.exc_info is None
    assert told.getMessage().endswith(": the users' database: no answer in time")


def test_G01_a_failure_to_write_fails_no_request_and_is_logged(new_site, broken_storage, caplog):
    trail = Trail(new_site(storage=broken_storage, tessera={"audit": True}))
    with trail.app.app_context():
        record = trail.tessera.runtime.record
        broken_storage.is_broken = True
        record("user_suspended", user_id="7")
        broken_storage.is_broken = False
    assert "audit events could not be written, trying again" in caplog.text
    trail.site.login()
    assert [each.event for each in trail.stored()] == ["user_suspended", "session_started"]


def test_a_receiver_that_fails_fails_no_login(trail, caplog):
    def fail(app, event):
        raise RuntimeError("the host's")

    with signals.audit_recorded.connected_to(fail, sender=trail.app):
        trail.site.login()
    assert [each.event for each in trail.stored()] == ["session_started"]
    assert "a receiver of the signal audit-recorded failed" in caplog.text


def test_an_event_that_is_in_no_table_fails_no_request(trail):
    with trail.app.app_context():
        trail.tessera.runtime.record("something")
    assert trail.told() == [("something", "success", "")]


def test_in_an_application_the_log_is_written_to_if_somebody_listens_and_has_no_handler_of_ours(trail, caplog):
    log = logging.getLogger("flask_tessera.audit")
    # The service of another test may have changed it, which is one for all applications of a process.
    log.setLevel(logging.NOTSET)
    log.handlers = []
    trail.site.login()
    assert (log.level, log.handlers, caplog.records) == (logging.NOTSET, [], [])
    with caplog.at_level(logging.INFO, "flask_tessera.audit"):
        trail.site.login()
    (record,) = caplog.records
    assert (record.levelno, json.loads(record.getMessage())["event"]) == (logging.INFO, "session_started")


TEXTS = st.text(st.characters(), max_size=40)
FORGERIES = ("a\r\nb", "\x1b[2J", "\x9b2J", "\u202egnp", "\u2028", '"}\n{"', "\udcff", "\0")
HOSTILE = st.one_of(TEXTS, st.sampled_from([*FORGERIES, "\x7f"]))


@given(
    st.builds(dict, **dict.fromkeys(("user_id", "account", "session_id", "reason", "subject"), HOSTILE)),
    HOSTILE,
    HOSTILE,
    HOSTILE,
    HOSTILE,
)
def test_G02_no_text_in_any_member_forges_a_line(members, ip, user_agent, request_id, device):
    event = AuditEvent(
        event="login_failed",
        at=0,
        result="failure",
        **members,
        ip=ip,
        user_agent=user_agent,
        request_id=request_id,
        device=Device(device, device, device),
    )
    line = event.to_line()
    assert line.isascii()
    assert line.isprintable()
    found = json.loads(line)
    known = {**members, "ip": ip, "user_agent": user_agent, "request_id": request_id}
    assert {name: found.get(name, "") for name in known} == known
    assert (found["at"], found["event"], found["result"]) == ("1970-01-01T00:00:00Z", "login_failed", "failure")


@pytest.mark.parametrize("hostile", FORGERIES)
def test_G02_hostile_text_that_is_recorded_is_kept_and_logged_in_one_line(trail, caplog, hostile):
    caplog.set_level(logging.INFO, "flask_tessera.audit")
    with trail.app.app_context():
        trail.tessera.runtime.record(
            "login_failed",
            user_id="7",
            account=hostile,
            subject=hostile,
            device=Device(name="x"),
            caller=ClientInfo("192.0.2.1", "browser"),
        )
    (record,) = caplog.records
    assert record.getMessage().isprintable()
    (event,) = trail.stored()
    assert event.account == ""
    assert not re.search("[\r\n\x1b\x9b\u202e\u2028\udcff\0]", event.subject)


def test_G02_no_secret_is_recorded(trail, caplog):
    caplog.set_level(logging.INFO, "flask_tessera.audit")
    secret = "mistakenly-typed@home"
    trail.site.post("/auth/login", json={"phone": "13800138000", "password": secret})
    pair = trail.site.login()
    answer = trail.site.post("/auth/refresh", json={"refresh_token": pair.refresh_token}).json["data"]
    trail.site.post("/auth/refresh", json={"refresh_token": pair.refresh_token + "x"})
    token = answer["access_token"]
    ticket = trail.site.post("/auth/tickets", token, json={"purpose": "download"}).json["data"]["ticket"]
    key = trail.site.post("/auth/api-keys", token, json={"name": "cron"}).json["data"]["key"]
    with trail.app.app_context(), pytest.raises(TesseraError):
        trail.tessera.redeem_ticket(ticket, "other")
    secrets = [secret, ticket, key, trail.app.config["SECRET_KEY"]]
    secrets += [each for each in (*answer.values(), pair.access_token, pair.refresh_token) if len(str(each)) > 30]
    kept = msgspec.json.encode(trail.stored()).decode() + caplog.text + repr(trail.heard)
    assert [each for each in secrets if str(each) in kept] == []
    assert len(trail.heard) >= 6


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("13800138000", "13800138000"),
        (13800138000, "13800138000"),
        ("+86 138-0013-8000", "13800138000"),
        ("+4930901820", "+4930901820"),
        ("Ada@Example.ORG", "ada@example.org"),
        ("p@ssword", ""),
        ("p@ss.w0", ""),
        ("correct horse", ""),
        ("12345678", ""),
        ("02161234567", ""),
        ("+12", ""),
        ("", ""),
        (None, ""),
        (True, ""),
        (7, ""),
        (10**30, ""),
        ("a@b.example\n", ""),
        ("13800138000\n", ""),
    ],
)
def test_G02_of_an_account_only_what_can_be_no_password_is_shown(typed, shown):
    assert shown_account(typed) == shown


def test_every_event_that_is_recorded_is_in_the_table_and_every_row_is_recorded():
    found = set(SESSION_EVENTS)
    for path in SOURCE.rglob("*.py"):
        found.update(RECORDED.findall(path.read_text("utf-8")))
    assert found == set(EVENTS)


def test_every_reason_for_which_a_session_ends_has_words():
    assert {f"session_{reason}" for reason in END_REASONS} <= set(REGISTRY)
    assert set(END_REASONS) == set(get_args(EndReason))


def told_of(town):
    """The events in the history of the one who has registered, each with what it is about, oldest first."""
    with town.app.app_context():
        runtime = town.tessera.runtime
        found = history(runtime.storage.values, ("", "1"), most=999, at=runtime.clock())
    return [(event.event, event.reason or event.subject) for _, event in reversed(found)]


def test_G01_registering_codes_and_passwords_are_recorded(tmp_path):
    town = AccountsApp(tmp_path, tessera={"audit": True})
    token = town.register()["access_token"]
    town.post("/password", {"old": "another one of mine", "new": "a new one that is long"}, token)
    town.post("/password", {"old": PASSWORD, "new": "a new one that is long"}, token)
    town.code(PHONE, "reset")
    town.post("/password/reset", {"recipient": PHONE, "code": "000000", "password": "yet another of mine"})
    found = told_of(town)
    assert found[:3] == [
        ("user_registered", ""),
        ("session_started", "sms"),
        ("password_change_failed", "old_password_wrong"),
    ]
    assert found[3:] == [("password_changed", ""), ("code_sent", "reset"), ("password_reset_failed", "code_wrong")]
    code = town.code(PHONE, "register")
    town.post("/register", {"recipient": PHONE, "code": code, "password": PASSWORD})
    assert told_of(town)[-2:] == [("code_sent", "register"), ("registration_failed", "already_exists")]


def test_G01_codes_that_were_refused_are_recorded_and_who_asks_for_one_to_bind(tmp_path):
    town = AccountsApp(tmp_path, tessera={"audit": True})
    pair = town.register()
    session_id = pair["session_id"]
    heard = []
    with signals.audit_recorded.connected_to(lambda _app, event: heard.append(event), sender=town.app):
        for _ in range(2):
            town.post("/codes", {"recipient": EMAIL, "purpose": "bind"}, pair["access_token"])
        for path in ("/codes", "/codes", "/links"):
            town.post(path, {"recipient": EMAIL, "purpose": "login"})
    told = [(each.event, each.reason, each.subject, each.account, each.user_id, each.session_id) for each in heard]
    assert told == [
        ("code_sent", "", "bind", EMAIL, "1", session_id),
        ("code_refused", "too_many_requests", "bind", EMAIL, "1", session_id),
        ("code_sent", "", "login", EMAIL, "", ""),
        ("code_refused", "too_many_requests", "login", EMAIL, "", ""),
        ("link_refused", "too_many_requests", "login", EMAIL, "", ""),
    ]


def test_G01_links_are_recorded_when_sent_used_and_refused(tmp_path):
    town = AccountsApp(tmp_path, tessera={"audit": True})
    town.register()
    heard = []
    with signals.audit_recorded.connected_to(lambda _app, event: heard.append(event), sender=town.app):
        for purpose, path in (("login", "/links/redeem"), ("reset", "/password/reset")):
            town.clock.advance(61)
            town.post("/links", {"recipient": PHONE, "purpose": purpose})
            link = re.search(r"https://\S+", town.messages()[-1]["text"])[0]
            body = {"ticket": link.rpartition("/")[2]}
            if purpose == "reset":
                body["password"] = "yet another of mine"
            for _ in range(2):
                town.post(path, body)
        town.post("/second-factor", {"ticket": "no ticket", "totp": WRONG})
    told = [(each.event, each.reason, each.subject, each.user_id) for each in heard if each.event != "session_ended"]
    assert told == [
        ("link_sent", "", "login", ""),
        ("link_used", "", "login", "1"),
        ("session_started", "", "sms", "1"),
        ("ticket_failed", "ticket_invalid", "link", ""),
        ("link_sent", "", "reset", ""),
        ("link_used", "", "reset", "1"),
        ("password_changed", "", "reset", "1"),
        ("ticket_failed", "ticket_invalid", "link reset", ""),
        ("ticket_failed", "ticket_invalid", "second-factor", ""),
    ]


def test_G01_second_factors_are_recorded(tmp_path):
    town = AccountsApp(tmp_path, tessera={"audit": True})
    token = town.register()["access_token"]
    secret = town.post("/totp", None, token).get_json()["data"]["secret"]
    town.post("/totp/confirm", {"code": code_at(secret, town.clock())}, token)
    town.post("/recovery-codes", None, token)
    town.post("/step-up", {"totp": WRONG}, token)
    heard, login = [], {"phone": PHONE, "password": PASSWORD}
    with signals.audit_recorded.connected_to(lambda _app, event: heard.append(event), sender=town.app):
        asked = town.post("/login", login).get_json()
    # Also an application that gives no users= finds it in the history.
    assert [each.user_id for each in heard] == ["1"]
    town.post("/second-factor", {"ticket": asked["next"]["ticket"], "totp": WRONG})
    town.clock.advance(30)
    proof = {"ticket": asked["next"]["ticket"], "totp": code_at(secret, town.clock()), "trust": True}
    trusted = town.post("/second-factor", proof).get_json()["data"]["trust_token"]
    town.post("/login", {**login, "trust_token": trusted})
    town.clock.advance(30)
    town.post("/step-up", {"totp": code_at(secret, town.clock())}, token)
    town.post("/totp", None, token, method="DELETE")
    assert told_of(town)[2:] == [
        ("factor_added", "totp"),
        ("recovery_codes_renewed", "recovery"),
        ("step_up_failed", "code_wrong"),
        ("second_factor_required", ""),
        ("second_factor_failed", "code_wrong"),
        ("session_started", "pwd otp mfa"),
        ("trusted_device_used", ""),
        ("session_started", "pwd"),
        ("session_stepped_up", "otp mfa"),
        ("factor_removed", "totp"),
    ]
