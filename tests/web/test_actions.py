"""What an application does with a Tessera: ids, tokens, revoking, suspensions, signals."""

from __future__ import annotations

import time
import uuid
from enum import IntEnum, StrEnum

import pytest
from werkzeug.local import LocalProxy

from flask_tessera import (
    ConfigError,
    Device,
    LoginRefusedError,
    NotFoundError,
    SessionEndedError,
    StorageUnavailableError,
    TokenInvalidError,
    UserGoneError,
    current_user,
    login_required,
    signals,
)
from flask_tessera.errors import SessionLimitError
from flask_tessera.sessions.transitions import Changes
from flask_tessera.web.ending_actions import FOR_EVER
from flask_tessera.web.user_ids import id_of

from .conftest import User, age


class WithGetId:
    id = 1

    def get_id(self):
        return "7"


class WithoutId:
    pass


class Number(IntEnum):
    SEVEN = 7


class Word(StrEnum):
    ANNA = "anna"


UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize(
    ("user", "kind", "text"),
    [
        (7, int, "7"),
        ("7", int, "7"),
        (0, int, "0"),
        (-5, int, "-5"),
        (10**30, int, str(10**30)),
        (User(7), int, "7"),
        (WithGetId(), int, "7"),
        (Number.SEVEN, int, "7"),
        (7, str, "7"),
        ("anna", str, "anna"),
        ("安娜", str, "安娜"),
        (Word.ANNA, str, "anna"),
        (" anna ", str, " anna "),
        (UUID, str, str(UUID)),
        (UUID, uuid.UUID, str(UUID)),
        (str(UUID), uuid.UUID, str(UUID)),
        (1.5, float, "1.5"),
        (LocalProxy(lambda: User(7)), int, "7"),
        (LocalProxy(lambda: 7), int, "7"),
    ],
)
def test_a_user_or_a_plain_id_names_its_text(user, kind, text):
    assert id_of(user, kind) == text


@pytest.mark.parametrize(
    ("user", "kind"),
    [
        (None, int),
        (None, str),
        (True, int),
        (False, int),
        (True, str),
        ("", str),
        (User(None), str),
        (User(True), int),
        (User(""), str),
        (WithoutId(), str),
        (WithoutId, str),
        (object(), str),
        (b"7", str),
        (b"7", int),
        (1.5, str),
        (1.5, int),
        (float("nan"), float),
        ([7], str),
        ((), str),
        ({}, str),
        ({"id": 7}, str),
        ("anna", int),
        ("007", int),
        ("+7", int),
        (" 7", int),
        ("7_0", int),
        ("٧", int),
        ("no uuid", uuid.UUID),
        ("ABCDEF78-1234-5678-1234-567812345678", uuid.UUID),
        (LocalProxy(lambda: None), str),
    ],
)
def test_what_names_nobody_is_a_value_error(user, kind):
    with pytest.raises(ValueError, match="user"):
        id_of(user, kind)


@pytest.mark.parametrize("user", [None, True, "", "x", WithoutId(), [7], "7\n", "7\0"])
@pytest.mark.parametrize("action", ["login", "create_token", "revoke_user", "sessions", "suspend", "unsuspend"])
def test_no_action_takes_what_names_nobody(site, user, action):
    with site.app.app_context(), pytest.raises(ValueError):
        getattr(site.tessera, action)(user)


@pytest.mark.parametrize("user", ["a\nb", "a\0", "\x7f", "\u2028", "\ud800", "x" * 256])
def test_T08_an_id_that_no_log_or_database_bears_begins_no_session(new_site, user):
    site = new_site(tessera={"user_id_type": str})
    with site.app.app_context(), pytest.raises(ValueError):
        site.tessera.login(user)


@pytest.mark.parametrize(
    "how",
    [
        {"scope": "a\nb"},
        {"scope": None},
        {"scope": ["a"]},
        {"scope": "x" * 2049},
        {"amr": ["pwd\0"]},
        {"amr": ["x" * 2049]},
        {"amr": "\x1b"},
    ],
)
def test_scope_and_amr_that_no_token_bears_begin_no_session(site, how):
    with site.app.app_context():
        with pytest.raises(ValueError, match=r"scope|amr"):
            site.tessera.login(7, **how)
        assert site.tessera.sessions(7) == []


def test_the_largest_login_that_is_let_in_gives_a_token_that_is_let_in(new_site):
    site = new_site(tessera={"user_id_type": str, "realm": "r" * 64}, loader=False, TESSERA_ISSUER="发" * 255)
    site.app.config["TESSERA_AUDIENCE"] = "受" * 255
    with site.app.app_context():
        pair = site.tessera.login("用" * 255, scope="权" * 600, amr=["pwd"])
        assert site.tessera.verify(pair.access_token).user_id == "用" * 255


def test_amr_may_be_one_text(site):
    with site.app.app_context():
        pair = site.tessera.login(7, amr="otp sms")
        assert site.tessera.verify(pair.access_token).amr == ("otp", "sms")


# create_token and verify_token, as in the tutorial


def test_a_single_token_lives_exactly_as_long_as_it_says_and_so_does_its_session(site):
    with site.app.app_context():
        for lifetime, given in ((3600, {}), (60, {"expires_in": 60}), (90 * 86_400, {"expires_in": 90 * 86_400})):
            token = site.tessera.create_token(7, **given)
            identity = site.tessera.verify(token)
            assert identity.expires_at - identity.issued_at == lifetime
            assert site.tessera.sessions(7)[-1].until == site.clock() + lifetime
            site.clock.advance(lifetime - 1)
            assert site.tessera.verify_token(token).id == 7
            site.clock.advance(1)
            assert site.tessera.verify_token(token) is None
            assert site.tessera.sessions(7) == []


@pytest.mark.parametrize("expires_in", [0, -1, 90 * 86_400 + 1, 1.5, "60", True, 10**20])
def test_a_life_out_of_bounds_is_refused(site, expires_in):
    with site.app.app_context():
        with pytest.raises(ValueError, match="expires_in"):
            site.tessera.create_token(7, expires_in=expires_in)
        assert site.tessera.sessions(7) == []


@pytest.mark.parametrize("token", ["", "x", None, 5, b"x", [], "a.b.c", "é"])
@pytest.mark.parametrize("legacy", [False, True])
def test_verify_token_gives_none_for_whatever_is_no_token(new_site, token, legacy):
    config = (
        {"TESSERA_LEGACY": {"secret": "the secret of the old application", "until": int(time.time()) + 86_400}}
        if legacy
        else {}
    )
    site = new_site(**config)
    with site.app.app_context():
        assert site.tessera.verify_token(token) is None
        with pytest.raises(TokenInvalidError):
            site.tessera.verify(token)


def test_verify_token_gives_none_for_an_ended_session_and_a_user_who_is_gone(site):
    with site.app.app_context():
        token, other = site.tessera.create_token(7), site.tessera.create_token(8)
        site.tessera.revoke_user(7)
        assert site.tessera.verify_token(token) is None
        assert site.tessera.verify_token(other) is site.users[8]
        del site.users[8]
        assert site.tessera.verify_token(other) is None


def test_F03_verify_token_does_not_take_a_broken_storage_for_a_bad_token(new_site, broken_storage):
    site = new_site(storage=broken_storage)
    with site.app.app_context():
        token = site.tessera.create_token(7)
        broken_storage.is_broken = True
        with pytest.raises(StorageUnavailableError):
            site.tessera.verify_token(token)
        broken_storage.is_broken = False
        assert site.tessera.verify_token(token).id == 7


def test_a_token_of_the_tutorials_kind_opens_guarded_views(site):
    with site.app.app_context():
        token = site.tessera.create_token(site.users[7])
    assert site.get("/who", token).get_json()["id"] == 7


# Revoking


def test_logout_from_a_view_ends_its_own_session(site):
    site.app.add_url_rule(
        "/out", "out", login_required(lambda: str(site.tessera.logout().effective_by)), methods=["POST"]
    )
    pair, other = site.login(), site.login()
    assert site.post("/out", pair.access_token).text == str(site.clock())
    assert site.get("/who", pair.access_token).get_json()["error"] == "session_logout"
    assert site.get("/who", other.access_token).status_code == 200


def test_revoke_others_keeps_the_present_session_working_and_refuses_the_others_at_once(site):
    @site.app.post("/password")
    @login_required
    def password():
        result = site.tessera.revoke_others("password_change")
        return {"ended": len(result.sessions), "reasons": sorted({each.end_reason for each in result.sessions})}

    age(site)
    mine, others, stranger = site.login(), [site.login() for _ in range(3)], site.login(8)
    assert site.post("/password", mine.access_token).get_json() == {"ended": 3, "reasons": ["password_change"]}
    for other in others:
        answer = site.get("/who", other.access_token)
        assert (answer.status_code, answer.get_json()["msg"]) == (401, "密码已修改，请重新登录")
        with site.app.app_context(), pytest.raises(SessionEndedError):
            site.tessera.refresh(other.refresh_token)
    assert site.get("/who", mine.access_token).status_code == 200
    assert site.get("/who", stranger.access_token).status_code == 200
    with site.app.app_context():
        again = site.tessera.refresh(mine.refresh_token)
    assert site.get("/who", again.access_token).status_code == 200
    assert site.post("/password", again.access_token).get_json()["ended"] == 0
    assert site.get("/who", again.access_token).status_code == 200


@pytest.mark.parametrize("action", ["logout", "revoke_others"])
def test_what_needs_somebody_logged_in_says_so(site, action):
    site.app.add_url_rule("/anyone", "anyone", login_required(optional=True)(getattr(site.tessera, action)))
    site.app.config["TESTING"] = True
    with site.app.test_request_context("/"), pytest.raises(ConfigError, match="guard this view with @login_required"):
        getattr(site.tessera, action)()
    with pytest.raises(ConfigError, match="nobody is logged in here"):
        site.get("/anyone")


def test_revoke_session_ends_one_session_and_revoke_user_all_with_the_reason_that_is_given(site):
    first, second, third = site.login(), site.login(), site.login(8)
    with site.app.app_context():
        result = site.tessera.revoke_session(first.session_id)
        assert [(each.user_id, each.end_reason) for each in result.sessions] == [("7", "kick")]
        assert result.effective_by == site.clock()
        assert site.tessera.revoke_session(first.session_id).sessions[0].end_reason == "kick"
        assert len(site.tessera.revoke_user(7, reason="reuse").sessions) == 1
        assert site.tessera.revoke_user(7).sessions == ()
    assert site.get("/who", first.access_token).get_json()["error"] == "session_kick"
    assert site.get("/who", second.access_token).get_json()["error"] == "session_reuse"
    assert site.get("/who", third.access_token).status_code == 200


@pytest.mark.parametrize("sid", ["", "x", "A" * 22, "A" * 500])
def test_revoking_no_session_is_told(site, sid):
    with site.app.app_context(), pytest.raises(NotFoundError):
        site.tessera.revoke_session(sid)


def test_an_unknown_reason_is_refused_before_anything_ends(site):
    pair = site.login()
    with site.app.app_context(), pytest.raises(ValueError, match="reason must be one of logout, kick"):
        site.tessera.revoke_user(7, reason="because")
    assert site.get("/who", pair.access_token).status_code == 200


def test_S03_a_suspended_user_is_out_at_once_and_unsuspending_revives_nothing(site):
    pair = site.login()
    with site.app.app_context():
        assert len(site.tessera.suspend(7, until=site.clock() + 60).sessions) == 1
        with pytest.raises(LoginRefusedError):
            site.tessera.login(7)
        with pytest.raises(LoginRefusedError):
            site.tessera.create_token(7)
    assert site.get("/who", pair.access_token).get_json()["msg"] == "账号已被封禁"
    with site.app.app_context():
        site.tessera.unsuspend(7)
        assert site.get("/who", site.tessera.login(7).access_token).status_code == 200
        with pytest.raises(SessionEndedError):
            site.tessera.refresh(pair.refresh_token)
    assert site.get("/who", pair.access_token).status_code == 401


def test_a_suspension_ends_by_itself_and_without_a_date_never(site):
    with site.app.app_context():
        site.tessera.suspend(7, until=site.clock() + 60)
        site.tessera.suspend(8)
        site.clock.advance(60)
        assert site.tessera.login(7)
        site.clock.advance(10**9)
        with pytest.raises(LoginRefusedError):
            site.tessera.login(8)


@pytest.mark.parametrize("until", [0, -1, FOR_EVER + 1, 1.5, "2030", True, None])
def test_a_suspension_until_no_second_is_refused(site, until):
    with site.app.app_context(), pytest.raises(ValueError, match="until"):
        site.tessera.suspend(7, until=until)


def test_S06_the_limit_of_sessions_evicts_the_oldest_or_refuses_the_newcomer(new_site):
    evicting = new_site(TESSERA_MAX_SESSIONS=2)
    refusing = new_site(TESSERA_MAX_SESSIONS=2, TESSERA_SESSION_OVERFLOW="refuse")
    for site in (evicting, refusing):
        site.app.add_url_rule("/who", "who", login_required(lambda: str(current_user.id)))
    first = evicting.login()
    evicting.clock.advance(1)
    evicting.login()
    evicting.login()
    assert evicting.get("/who", first.access_token).get_json()["error"] == "session_limit"
    refusing.login()
    refusing.login()
    with refusing.app.app_context(), pytest.raises(SessionLimitError):
        refusing.tessera.login(7)


def test_one_session_per_device_type_replaces_the_earlier_one(new_site):
    site = new_site(TESSERA_SESSIONS_PER_DEVICE_TYPE=1)
    site.app.add_url_rule("/who", "who", login_required(lambda: "in"))
    phone, desktop = site.login(device=Device(type="phone")), site.login(device=Device(type="desktop"))
    site.login(device=Device(type="phone"))
    assert site.get("/who", phone.access_token).get_json()["msg"] == "账号已在其他设备登录"
    assert site.get("/who", desktop.access_token).status_code == 200


def test_sessions_lists_what_lives_oldest_first(site):
    with site.app.app_context():
        first = site.tessera.login(7, device=Device("phone", "id", "name"))
        site.clock.advance(2)
        second = site.tessera.login(7)
        site.tessera.revoke_session(site.tessera.login(7).session_id)
        listed = site.tessera.sessions(7)
    assert [each.sid for each in listed] == [first.issued.session.sid, second.issued.session.sid]
    assert listed[0].device == Device("phone", "id", "name")


def test_refresh_gives_the_user_gone_error_and_ends_the_session(site):
    pair = site.login()
    del site.users[7]
    with site.app.app_context():
        with pytest.raises(UserGoneError):
            site.tessera.refresh(pair.refresh_token)
        assert site.tessera.sessions(7) == []


def test_S05_a_login_within_a_session_begins_another_one(site):
    site.app.add_url_rule("/again", "again", login_required(lambda: site.tessera.login(7).session_id))
    pair = site.login()
    assert site.get("/again", pair.access_token).text != pair.session_id


# Signals


def test_every_event_of_a_session_sends_its_signal_from_the_application(new_site):
    site, other = new_site(), new_site()
    heard = []

    def hear(sender, event):
        heard.append((event.name, event.reason, event.session.user_id, event.caller.ip))

    kinds = [getattr(signals, name) for name in ("session_started", "session_refreshed", "session_ended")]
    for kind in kinds:
        kind.connect(hear, sender=site.app)
    try:
        with site.app.test_request_context("/", environ_base={"REMOTE_ADDR": "10.1.2.3"}):
            pair = site.tessera.login(7)
            site.tessera.refresh(pair.refresh_token)
            site.tessera.revoke_session(pair.session_id)
            site.tessera.revoke_session(pair.session_id)
            site.tessera.login(8)
            site.tessera.suspend(8)
        other.login()
    finally:
        for kind in kinds:
            kind.disconnect(hear, sender=site.app)
    assert heard == [
        ("session_started", "", "7", "10.1.2.3"),
        ("session_refreshed", "", "7", "10.1.2.3"),
        ("session_ended", "kick", "7", "10.1.2.3"),
        ("session_started", "", "8", "10.1.2.3"),
        ("session_ended", "suspension", "8", "10.1.2.3"),
    ]


def test_R06_a_storage_that_has_forgotten_a_rotation_is_told_by_a_signal(site):
    pair = site.login()
    storage = site.app.extensions["tessera"].runtime("").storage
    remembered = storage.sessions.find(pair.issued.session.sid).session
    heard = []

    def hear(sender, event):
        heard.append(event.name)

    with site.app.app_context(), signals.store_behind.connected_to(hear, sender=site.app):
        again = site.tessera.refresh(pair.refresh_token)
        storage.sessions._store.change_sessions(
            [remembered.sid], lambda _sid, _found: (Changes(sessions=(remembered,)), None), at=site.clock()
        )
        site.clock.advance(60)
        site.tessera.refresh(again.refresh_token)
    assert heard == ["store_behind"]


def test_an_action_outside_an_application_says_that_it_needs_one(site):
    with pytest.raises(RuntimeError, match="application context"):
        site.tessera.login(7)
