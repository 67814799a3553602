"""What the scripts decide is what the Python of `sessions/` decides: the storage in memory stands for it."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from flask_tessera.errors import LoginRefusedError, SessionLimitError
from flask_tessera.sessions.limits import Limits
from flask_tessera.sessions.record import Principal
from flask_tessera.storage.contract import Page
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing.contract.base import T0, new_session
from tests.length import shortly
from tests.servers import fresh_url, why_not

KINDS = [kind for kind in ("redis8", "redis6", "valkey9") if not why_not(kind)]
few = st.integers(0, 6)
spans = st.sampled_from([-100, -1, 0, 1, 14, 15, 16, 900, 5000])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
numbers = st.integers(0, 2**53 - 2)
repeated = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@st.composite
def sessions(draw, **fields):
    gen = draw(few)
    values = {
        "gen": gen,
        "predecessor": draw(st.integers(-1, gen - 1)),
        "rotated_at": T0 + draw(spans),
        "confirmed": draw(st.booleans()),
        "epoch": draw(st.integers(0, 2)),
        "last_seen_at": T0 + draw(spans),
        "created_at": T0 + draw(spans),
        "idle_until": T0 + draw(spans),
        "until": T0 + draw(spans),
        "access_lifetime": draw(st.sampled_from([60, 900])),
        "device_type": draw(st.sampled_from(["", "phone", "desktop"])),
        "era": draw(st.integers(0, 1)),
    }
    return new_session(**(values | {name: draw(value) for name, value in fields.items()}))


principals = st.builds(Principal, st.just(""), st.just("7"), st.integers(0, 2), st.sampled_from([0, T0, T0 + 1]))


@pytest.fixture(scope="module", params=shortly(KINDS))
def opening(request):
    """Gives two empty storages, one in memory and one on this server, with the same records."""
    opened = []

    def pair(some, principal):
        for each in opened:
            each.close()
        opened[:] = [open_storage("memory:"), open_storage(fresh_url(request.param))]
        for storage in opened:
            storage.revocations.after(0, at=T0)
            storage.records.write(Page(tuple(some), (principal,)), at=T0)
        return opened

    yield pair
    for each in opened:
        each.close()


def outcome_of(step, storage):
    try:
        return step(storage)
    except (LoginRefusedError, SessionLimitError) as error:
        return type(error)


def assert_same(pair, step):
    """A step gives the same on both, and leaves the same behind."""
    first, second = (outcome_of(step, storage) for storage in pair)
    assert first == second
    left = [
        (
            {each.sid: each for each in storage.records.read("", most=100_000).sessions},
            storage.principals.find("", "7"),
            storage.revocations.after(0, at=T0).entries,
            storage.sessions.list("", "7", at=T0),
        )
        for storage in pair
    ]
    assert left[0] == left[1]


@given(sessions(), principals, few, spans, st.sampled_from([0, 15]), st.sampled_from([1, 900, 100_000]))
@repeated
def test_R01_a_refresh_is_decided_as_the_table_says(opening, session, principal, presented, span, leeway, idle):
    pair = opening([session], principal)
    assert_same(pair, lambda each: each.sessions.rotate(session.sid, presented, at=T0 + span, leeway=leeway, idle=idle))


@given(st.lists(sessions(), max_size=4), principals, st.lists(st.tuples(st.integers(0, 3), few), max_size=8))
@repeated
def test_R05_marks_are_taken_as_the_table_says(opening, some, principal, marks):
    pair = opening(some, principal)
    wanted = [(some[place].sid, used) for place, used in marks if place < len(some)]
    assert_same(pair, lambda each: each.sessions.mark(wanted, at=T0))


@given(
    st.lists(sessions(idle_until=st.just(T0 + 900), epoch=st.integers(1, 2)), max_size=7),
    principals,
    sessions(idle_until=st.just(T0 + 900), until=st.just(T0 + 5000)),
    st.builds(Limits, few, st.integers(0, 3), st.sampled_from(["evict", "refuse"])),
)
@repeated
def test_S06_room_is_made_as_the_limits_say(opening, some, principal, newcomer, limits):
    """Sids that order otherwise by the server's locale included."""
    some = [replace(each, sid=bytes([200 - 50 * (place % 3)]) + each.sid[1:]) for place, each in enumerate(some)]
    pair = opening(some, principal)
    assert_same(pair, lambda each: each.sessions.add(newcomer, limits=limits, at=T0))


@given(st.lists(sessions(), max_size=5), principals, st.integers(0, 5), st.sampled_from([0, T0 + 7]))
@repeated
def test_S02_all_of_a_user_end_alike(opening, some, principal, kept, until):
    pair = opening(some, principal)
    except_sid = some[kept].sid if kept < len(some) else b""

    def step(storage):
        if until:
            ended = storage.principals.suspend("", "7", until=until, at=T0)
        else:
            ended = storage.sessions.end_user("", "7", "kick", at=T0, except_sid=except_sid)
        return {each.sid: each for each in ended}

    assert_same(pair, step)


@given(st.data())
@repeated
def test_X13_any_session_comes_back_as_it_was(opening, data):
    """Texts of any length and numbers of 53 bits, also after the server has written it anew."""
    wide = dict.fromkeys(("created_at", "auth_at", "until", "access_lifetime", "last_seen_at", "gen"), numbers)
    narrow = dict.fromkeys(("device_id", "device_name", "ip", "user_agent", "scope", "amr"), texts)
    session = data.draw(sessions(**wide, **narrow, predecessor=st.just(-1)))
    pair = opening([session], Principal("", "7"))
    assert_same(pair, lambda each: each.sessions.seen([(session.sid, session.last_seen_at + 1)]))
