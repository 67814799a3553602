"""The life of sessions: log in, refresh, end, list."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from flask_tessera.errors import (
    AlreadyExistsError,
    CredentialsError,
    LoginRefusedError,
    NotFoundError,
    SessionEndedError,
    SessionLimitError,
    TokenInvalidError,
)
from flask_tessera.services.keys import parse_sid, sid_text
from flask_tessera.services.login_data import Login
from flask_tessera.services.ports import UNKNOWN_CLIENT, ClientInfo
from flask_tessera.sessions.limits import Limits
from flask_tessera.sessions.model import Device
from flask_tessera.testing import race
from flask_tessera.tokens import refresh
from tests.services.bench import DAY, LEEWAY, Bench


def reason_of(function, *arguments, **options):
    with pytest.raises(SessionEndedError) as caught:
        function(*arguments, **options)
    return caught.value.reason


def test_a_login_gives_a_pair_and_tells_who_it_was(bench):
    issued = bench.log_in(device=Device("phone", "d1", "Ana's"), caller=ClientInfo("203.0.113.5", "agent"), scope="a b")
    session = issued.session
    assert (session.user_id, session.device_type, session.ip, session.user_agent) == (
        "7",
        "phone",
        "203.0.113.5",
        "agent",
    )
    assert 810 <= issued.access_expires_in <= 900
    assert issued.refresh_expires_in == 30 * DAY
    claims = bench.claims(issued)
    assert (claims.sub, parse_sid(claims.sid), claims.gen, claims.scope) == ("7", session.sid, 0, "a b")
    (event,) = bench.events
    assert (event.name, event.session, event.caller) == ("session_started", session, ClientInfo("203.0.113.5", "agent"))


def test_S05_every_login_has_a_name_of_its_own(bench):
    sessions = [bench.log_in("7").session for _ in range(5)] + [bench.log_in("8").session]
    assert len({session.sid for session in sessions}) == 6
    # All of one user lies in one slot of a cluster.
    assert len({session.sid[6:8] for session in sessions}) == 2
    assert {abs(int.from_bytes(each.sid[:6], "big") // 1000 - bench.clock.now) for each in sessions} == {0}


@pytest.mark.parametrize("user_id", ["", "x" * 256, "a\nb", "a\x00b", "\ud800"])
def test_T08_a_user_id_that_no_token_could_carry_is_refused(bench, user_id):
    for act in (
        lambda: bench.log_in(user_id),
        lambda: bench.service.end_user(user_id, "kick"),
        lambda: bench.service.suspend(user_id, until=bench.clock() + 9),
    ):
        with pytest.raises(ValueError, match="user id"):
            act()
    assert bench.events == []


def test_R04_a_retry_within_the_leeway_gets_the_identical_refresh_token(bench):
    first = bench.log_in()
    second = bench.refresh(first.refresh_token)
    bench.clock.advance(LEEWAY)
    again = bench.refresh(first.refresh_token)
    assert again.refresh_token == second.refresh_token
    assert again.access_token != first.access_token


@pytest.mark.parametrize("delay", [LEEWAY + 1, 3600, DAY, 29 * DAY])
def test_R04_a_lost_reply_heals_after_any_delay(bench, delay):
    first = bench.log_in()
    lost = bench.refresh(first.refresh_token)
    bench.clock.advance(delay)
    healed = bench.refresh(first.refresh_token)
    assert healed.refresh_token not in (first.refresh_token, lost.refresh_token)
    assert bench.refresh(healed.refresh_token).session.gen == 3


def test_R05_a_thief_who_uses_the_lost_reply_ends_the_session(bench):
    first = bench.log_in()
    stolen = bench.refresh(first.refresh_token)
    bench.clock.advance(60)
    healed = bench.refresh(first.refresh_token)
    bench.heard()
    assert reason_of(bench.refresh, stolen.refresh_token) == "reuse"
    assert bench.heard() == ["token_reused", "session_ended"]
    assert bench.use(healed) == "reuse"


def test_R05_a_token_two_generations_old_ends_that_session_only(bench):
    other = bench.log_in()
    first = bench.log_in()
    second = bench.refresh(first.refresh_token)
    third = bench.refresh(second.refresh_token)
    bench.heard()
    assert reason_of(bench.refresh, first.refresh_token) == "reuse"
    events = list(bench.events)
    assert [event.name for event in events] == ["token_reused", "session_ended"]
    assert {event.caller for event in events} == {ClientInfo("203.0.113.9", "test")}
    assert reason_of(bench.refresh, third.refresh_token) == "reuse"
    assert [bench.use(each) for each in (third, other)] == ["reuse", ""]
    assert bench.refresh(other.refresh_token).session.gen == 1


def test_R05_reuse_is_told_once(bench):
    first = bench.log_in()
    bench.refresh(bench.refresh(first.refresh_token).refresh_token)
    for _ in range(3):
        assert reason_of(bench.refresh, first.refresh_token) == "reuse"
    assert bench.heard().count("token_reused") == 1


def test_R05_a_predecessor_after_its_successor_was_used_is_reuse(bench):
    first = bench.log_in()
    second = bench.refresh(first.refresh_token)
    assert bench.use(second) == ""
    bench.activity.flush()
    bench.clock.advance(LEEWAY + 1)
    assert reason_of(bench.refresh, first.refresh_token) == "reuse"


def test_R06_a_token_ahead_of_the_storage_is_adopted_and_told(bench):
    issued = bench.log_in()
    ahead = refresh.render(issued.session.sid, 5, bench.keys.refresh.active)
    bench.heard()
    adopted = bench.refresh(ahead)
    assert adopted.session.gen == 6
    assert bench.heard() == ["store_behind", "session_refreshed"]
    assert reason_of(bench.refresh, issued.refresh_token) == "reuse"


def test_R08_a_token_that_is_not_ours_touches_no_session(bench):
    issued = bench.log_in()
    for text in ("", "tsr_", issued.refresh_token[:-1], issued.access_token, issued.refresh_token[:-1] + "A"):
        if text != issued.refresh_token:
            with pytest.raises(TokenInvalidError):
                bench.refresh(text)
    assert bench.refresh(issued.refresh_token).session.gen == 1


def test_a_refresh_token_of_another_realm_is_not_ours(bench):
    admin = Bench(bench.storage, realm="admin")
    issued = admin.log_in()
    with pytest.raises(TokenInvalidError):
        bench.refresh(issued.refresh_token)
    with pytest.raises(NotFoundError):
        bench.service.end(issued.session.sid, "kick")
    assert bench.service.list("7") == []
    assert admin.refresh(issued.refresh_token).session.gen == 1


def test_R07_a_session_ends_by_itself(bench):
    issued = bench.log_in()
    while bench.clock.now < issued.session.until - 20 * DAY:
        bench.clock.advance(20 * DAY)
        issued = bench.refresh(issued.refresh_token)
    assert issued.session.idle_until == issued.session.until
    bench.clock.set(issued.session.until - 1)
    last = bench.refresh(issued.refresh_token)
    assert (last.access_expires_in, last.refresh_expires_in) == (1, 1)
    bench.clock.advance(1)
    assert reason_of(bench.refresh, last.refresh_token) == "expiry"


def test_R07_a_session_that_nobody_refreshes_idles_out(bench):
    issued = bench.log_in()
    bench.clock.advance(30 * DAY)
    assert reason_of(bench.refresh, issued.refresh_token) == "expiry"


def test_a_single_token_ends_with_its_session(bench):
    token = bench.service.log_in_for(Login("7"), lifetime=3600).access_token
    claims = bench.access.verify(token, at=bench.clock())
    assert claims.exp - claims.iat == 3600
    (session,) = bench.service.list("7")
    assert (session.until, session.idle_until, session.access_lifetime) == (claims.exp, claims.exp, 3600)
    bench.service.end(session.sid, "logout")
    assert bench.view.refusal(claims, at=bench.clock()) == "logout"


def test_M05_what_is_spent_is_spent_until_then_and_is_nobodys_session(bench):
    sid, login = b"\7" * 16, Login("7")
    until = bench.clock() + 400 * DAY
    bench.service.spend(login, sid=sid, keep_until=until)
    assert bench.service.list("7") == []
    with pytest.raises(AlreadyExistsError):
        bench.service.spend(login, sid=sid, keep_until=until)
    bench.storage.values.purge(at=until - 1, most=10)
    assert bench.service.is_spent(sid, at=until - 1)
    assert not bench.service.is_spent(sid, at=until)


def test_S01_ending_a_session_kills_both_its_tokens(bench):
    issued = bench.log_in()
    assert bench.use(issued) == ""
    bench.heard()
    bench.service.end(issued.session.sid, "logout", ClientInfo("203.0.113.1"))
    (event,) = bench.events
    assert (event.name, event.reason, event.caller) == ("session_ended", "logout", ClientInfo("203.0.113.1"))
    assert bench.use(issued) == "logout"
    assert reason_of(bench.refresh, issued.refresh_token) == "logout"
    bench.heard()
    assert bench.service.end(issued.session.sid, "kick").end_reason == "logout"
    assert bench.heard() == []


def test_S09_nobody_ends_a_session_of_somebody_else(bench):
    issued = bench.log_in("8")
    for sid, owner in ((issued.session.sid, "7"), (b"", None), (b"\1" * 16, None)):
        with pytest.raises(NotFoundError):
            bench.service.end(sid, "kick", owner=owner)
    assert bench.service.end(issued.session.sid, "kick", owner="8").end_reason == "kick"


def test_S02_everywhere_but_here(bench):
    here, there = bench.log_in(), bench.log_in()
    bench.heard()
    bench.service.end_user("7", "password_change", except_sid=here.session.sid)
    assert [(event.name, event.reason, event.session.sid) for event in bench.events] == [
        ("session_ended", "password_change", there.session.sid)
    ]
    assert [bench.use(each) for each in (here, there)] == ["", "password_change"]
    renewed = bench.refresh(here.refresh_token)
    assert bench.claims(renewed).ep == 1
    assert bench.use(renewed) == ""
    bench.service.end_user("7", "kick")
    assert bench.use(here) == "kick"
    assert bench.use(bench.log_in()) == ""


def test_S03_a_suspended_user_is_out_and_stays_out(bench):
    issued = bench.log_in()
    until = bench.clock() + DAY
    assert [each.sid for each in bench.service.suspend("7", until=until)] == [issued.session.sid]
    assert bench.use(issued) == "suspension"
    with pytest.raises(LoginRefusedError):
        bench.log_in()
    bench.service.unsuspend("7")
    assert bench.use(bench.log_in()) == ""
    assert reason_of(bench.refresh, issued.refresh_token) == "suspension"


def test_S06_a_newcomer_evicts_or_is_refused():
    evicting = Bench(limits=Limits(1, 0, "evict"))
    first, second = evicting.log_in(), evicting.log_in()
    assert [evicting.use(each) for each in (first, second)] == ["limit", ""]
    assert evicting.heard() == ["session_started", "session_ended", "session_started"]
    refusing = Bench(limits=Limits(1, 0, "refuse"))
    refusing.log_in()
    with pytest.raises(SessionLimitError):
        refusing.log_in()


@pytest.mark.parametrize(("ahead", "auth_time"), [(20, "now"), (86_400, 0)])
def test_S08_a_login_by_a_clock_that_was_far_ahead_is_not_fresh(bench, ahead, auth_time):
    bench.clock.advance(ahead)
    issued = bench.log_in()
    bench.clock.advance(-ahead)
    claims = bench.claims(bench.refresh(issued.refresh_token))
    assert claims.auth_time == (bench.clock() if auth_time == "now" else auth_time)


def test_strict_checks_ask_the_storage(bench):
    issued = bench.log_in()
    claims, sid = bench.claims(issued), issued.session.sid
    bench.service.check_live(claims, at=bench.clock())
    assert reason_of(bench.service.check_live, replace(claims, sid=sid_text(b"\1" * 16)), at=bench.clock()) == "expiry"
    bench.service.end(sid, "kick")
    assert reason_of(bench.service.check_live, claims, at=bench.clock()) == "kick"


def test_S09_a_strict_check_compares_the_owner(bench):
    mine, other = bench.log_in("7"), bench.log_in("8")
    mixed = replace(bench.claims(mine), sid=bench.claims(other).sid)
    assert reason_of(bench.service.check_live, mixed, at=bench.clock()) == "expiry"


def test_R05_a_strict_check_of_a_superseded_generation_ends_the_session(bench):
    first = bench.log_in()
    lost = bench.refresh(first.refresh_token)
    bench.clock.advance(60)
    bench.refresh(first.refresh_token)
    bench.heard()
    assert reason_of(bench.service.check_live, bench.claims(lost), at=bench.clock()) == "reuse"
    assert bench.heard() == ["token_reused", "session_ended"]


def test_the_owner_of_a_refresh_token_is_told_live_or_not(bench):
    issued = bench.log_in()
    bench.service.end(issued.session.sid, "kick")
    assert bench.service.owner_of(issued.refresh_token, UNKNOWN_CLIENT, current=False).user_id == "7"
    owner = bench.service.owner_of(issued.refresh_token, UNKNOWN_CLIENT, current=False)
    assert reason_of(bench.service.refuse_ended, owner) == "kick"
    with pytest.raises(TokenInvalidError):
        bench.service.owner_of(refresh.render(b"\1" * 16, 0, bench.keys.refresh.active), UNKNOWN_CLIENT, current=False)
    assert bench.service.refuse_ended(bench.log_in().session) is None


def test_X7_sixteen_threads_refresh_one_token(bench):
    issued = bench.log_in()
    pairs = race(16, lambda _number: bench.refresh(issued.refresh_token))
    assert len({pair.refresh_token for pair in pairs}) == 1


def test_a_sid_has_one_text_and_no_text_but_that():
    sid = bytes(range(16))
    assert parse_sid(sid_text(sid)) == sid
    for text in ("", "x", sid_text(sid) + "A", sid_text(sid)[:-1] + "_", sid_text(sid) + "=", "é" * 22, sid_text(b"1")):
        assert parse_sid(text) == b""


def test_S04_a_login_is_overtaken_by_an_end_of_all_among_others(bench):
    before = bench.view.checkpoint(at=bench.clock())
    bench.service.end_user("8", "kick")
    bench.service.end_user("7", "password_change")
    bench.service.end_user("9", "kick")
    with pytest.raises(CredentialsError):
        bench.log_in(checkpoint=before)
    assert bench.log_in(checkpoint=bench.view.checkpoint(at=bench.clock()))


# -- A proof of who one is ---------------------------------------------------------------------------------------------


def step_up(bench, issued, caller=UNKNOWN_CLIENT):
    return bench.service.issue(bench.service.authenticate_again(bench.claims(issued), ("otp",), caller))


def test_S12_a_proof_is_told_and_stands_in_the_new_token(bench):
    issued = bench.log_in()
    bench.clock.advance(600)
    bench.heard()
    stepped = step_up(bench, issued)
    assert bench.heard() == ["session_stepped_up"]
    claims = bench.claims(stepped)
    assert (claims.auth_time, claims.amr, claims.gen) == (bench.clock(), ("pwd", "otp"), 1)
    assert bench.claims(bench.refresh(stepped.refresh_token)).auth_time == bench.clock()


def test_R05_a_proof_by_a_superseded_token_is_a_reuse_that_is_told(bench):
    first = bench.log_in()
    second = bench.refresh(first.refresh_token)
    bench.clock.advance(LEEWAY + 1)
    bench.refresh(first.refresh_token)
    bench.heard()
    assert reason_of(step_up, bench, second) == "reuse"
    assert bench.heard() == ["token_reused", "session_ended"]


def test_R06_a_proof_ahead_of_the_storage_is_told(bench):
    issued = bench.log_in()
    session = replace(issued.session, gen=5)
    bench.heard()
    assert step_up(bench, bench.service.issue(session)).session.gen == 6
    assert bench.heard() == ["store_behind", "session_stepped_up"]


def test_S09_a_session_of_another_realm_or_issuer_does_not_step_up(bench):
    issued = bench.log_in()
    other = Bench(bench.storage, realm="staff", clock=bench.clock)
    assert reason_of(other.service.authenticate_again, bench.claims(issued), ("otp",), ClientInfo()) == "expiry"
    foreign = Bench(bench.storage, clock=bench.clock, issued_for='["b", ""]')
    mine = Bench(bench.storage, clock=bench.clock, issued_for='["a", ""]').log_in()
    with pytest.raises(TokenInvalidError):
        step_up(foreign, mine)
