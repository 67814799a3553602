"""What is kept under which keys, for how long, and in how much memory."""

from __future__ import annotations

import secrets
import typing

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from flask_tessera.sessions.ids import tag_of
from flask_tessera.sessions.limits import Limits
from flask_tessera.sessions.model import Session
from flask_tessera.sessions.revocations import ENDED_KEPT, REASON_KEPT, RETENTION_MARGIN
from flask_tessera.storage.key_value import owned_key
from flask_tessera.storage.model import Page
from flask_tessera.storage.redis.records import pack_session, unpack_session
from flask_tessera.testing import race
from flask_tessera.testing.contract.base import IDLE, LIFETIME, T0, begin, new_session, rotate, stored
from tests.servers import fresh_url

from .scripting import counting_round_trips

USER_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/5"
)
SESSIONS = 3000
MOST_BYTES = 600
"""Of one session, device and user agent included (P8)."""


def seconds_left(raw, kind=b"s"):
    (key,) = raw.names(kind)
    return raw.client.ttl(key)


def test_every_key_names_its_slot(store, raw):
    """Without it a script on a cluster would be refused (CROSSSLOT)."""
    session = begin(store)
    begin(store, sid=session.sid[:6] + b"ta" + session.sid[8:])
    store.sessions.end_user("", "7", "kick", at=T0)
    store.values.put("key", owned_key("", "7"), b"", owner=("", "7"), expires_at=T0 + 9, at=T0)
    store.revocations.restart(at=T0, valid_from=T0)
    store.revocations.after(0, at=T0)
    store.check()
    assert {key.partition(b":{")[0] for key in raw.names()} == {raw.prefix}
    tags = {key: key.partition(b"{")[2].partition(b"}")[0] for key in raw.names()}
    assert set(tags.values()) == {b"log", tag_of("", "7").hex().encode(), b"7461"}
    log = {key.rpartition(b":")[2] for key, tag in tags.items() if tag == b"log"}
    assert log == {b"meta", b"pulse", b"entries", b"forget", b"valid", b"checks"}
    kinds = {key.split(b":")[2] for key, tag in tags.items() if tag != b"log"}
    assert kinds == {b"s", b"p", b"e", b"k", b"w"}
    assert session.sid in raw.sids()


def test_F01_workers_that_start_at_once_do_not_take_each_other_for_a_broken_server(store):
    for _ in range(10):
        race(16, lambda _number: store.check())


def test_P8_a_session_is_kept_for_as_long_as_a_token_of_it_could_be_presented(store, raw):
    """By the caller's clock, whatever the server's says; a refresh moves it."""
    session = begin(store, until=T0 + IDLE + 1000)
    assert IDLE + RETENTION_MARGIN - 5 < seconds_left(raw) <= IDLE + RETENTION_MARGIN
    rotated = rotate(store, session, 0, T0 + IDLE - 100).session
    assert rotated.idle_until == session.until
    assert 1100 < seconds_left(raw) <= 1100 + RETENTION_MARGIN


def test_S11_an_ended_session_is_kept_for_as_long_as_its_reason_may_be_asked_for(store, raw):
    """And so is the index of such."""
    store.sessions.end(begin(store).sid, "logout", at=T0)
    for kind in (b"s", b"e"):
        assert REASON_KEPT < seconds_left(raw, kind) <= REASON_KEPT + RETENTION_MARGIN


def test_P8_an_index_outlives_the_longest_of_its_sessions(store, raw):
    begin(store)
    assert LIFETIME < seconds_left(raw, b"l") <= LIFETIME + RETENTION_MARGIN
    begin(store, until=T0 + 2 * LIFETIME)
    begin(store, until=T0 + 50, idle_until=T0 + 50)
    assert seconds_left(raw, b"l") > 2 * LIFETIME


def test_S02_what_is_kept_of_a_user_never_expires(store, raw):
    """An epoch must outlive every token that it contradicts; where there is none, nothing is lost with the record."""
    begin(store)
    assert 0 < seconds_left(raw, b"p") <= LIFETIME + RETENTION_MARGIN
    store.sessions.end_user("", "7", "kick", at=T0)
    assert seconds_left(raw, b"p") == -1
    begin(store)
    assert seconds_left(raw, b"p") == -1


def test_P8_a_session_that_has_expired_on_the_server_leaves_the_index(store, raw):
    first = begin(store)
    raw.client.delete(raw.names(b"s")[0])
    assert store.sessions.find(first.sid) is None
    second = begin(store)
    (index,) = raw.names(b"l")
    assert raw.client.zrange(index, 0, -1) == [second.sid]
    assert store.sessions.list("", "7", at=T0) == [second]


def test_P8_an_ended_session_leaves_the_index_of_live_ones(store, raw):
    """Else a user who logs in and out all day would be counted for ever."""
    ended = [begin(store) for _ in range(3)]
    for session in ended:
        store.sessions.end(session.sid, "logout", at=T0)
    assert raw.names(b"l") == []
    (index,) = raw.names(b"e")
    assert raw.client.zrange(index, 0, -1) == [each.sid for each in ended]
    assert len(raw.names(b"s")) == 3


def test_S11_the_index_of_ended_sessions_does_not_grow(store, raw):
    """Those beyond the newest are forgotten, where they still exist and where they have expired."""
    for number in range(ENDED_KEPT + 5):
        store.sessions.end(begin(store, at=T0 + number).sid, "logout", at=T0 + number)
        raw.client.delete(*raw.names(b"s")[:1] if number < 5 else [b"nothing"])
    begin(store)
    begin(store)
    (index,) = raw.names(b"e")
    assert raw.client.zcard(index) == ENDED_KEPT


LOOKS = {
    "describe": lambda store: store.describe(),
    "find": lambda store: store.sessions.find(b"\1" * 16),
    "end": lambda store: store.sessions.end(b"\1" * 16, "kick", at=T0),
    "list": lambda store: store.sessions.list("", "7", at=T0),
    "newest": lambda store: store.sessions.newest(),
    "purge": lambda store: store.sessions.purge(at=T0, most=10),
    "principal": lambda store: store.sessions.principal("", "7"),
    "unsuspend": lambda store: store.sessions.unsuspend("", "7", at=T0),
    "value": lambda store: store.values.get("code", b"ab", at=T0),
    "take": lambda store: store.values.take("code", b"ab", at=T0),
    "read": lambda store: store.records.read("", most=10),
}


@pytest.mark.parametrize("name", LOOKS)
def test_who_only_looks_writes_nothing(name, store, raw):
    LOOKS[name](store)
    assert raw.names() == []


def test_a_sid_that_is_none_is_passed_over(store):
    for sid in (b"", b"short", b"x" * 17):
        assert store.sessions.find(sid) is None
        assert store.sessions.end(sid, "kick", at=T0) is None
        assert store.sessions.rotate(sid, 0, at=T0, leeway=15, idle=IDLE) is None
        assert store.sessions.confirm([(sid, 0)], at=T0) == []
        store.sessions.touch([(sid, T0)], at=T0)


@pytest.mark.parametrize(
    "users",
    [
        [("a", "b\0c"), ("a\0b", "c"), ("a\0b\0c", ""), ("", "a\0b\0c")],
        [("", "1:a"), ("1", ":a"), ("1:", "a"), ("1:a", ""), ("", "0:1:a")],
        [("é", "x"), ("", "éx"), ("\u00e9x", "")],
    ],
    ids=["NUL", "colons", "not ASCII"],
)
def test_S02_users_whose_realm_and_id_read_the_same_together_are_kept_apart(users, store, opened, url):
    """Whatever characters they hold; also when they are moved."""
    sessions = {user: begin(store, user[1], realm=user[0]) for user in users}
    store.sessions.end_user(*users[0], "kick", at=T0)
    for user in users:
        assert store.sessions.list(*user, at=T0) == ([] if user == users[0] else [sessions[user]])
        assert store.sessions.principal(*user).epoch == (user == users[0])
    copy = opened(url + "copy")
    copy.records.write(store.records.read("", most=100_000), at=T0)
    assert [copy.sessions.principal(*user).epoch for user in users] == [1] + [0] * (len(users) - 1)


def test_records_of_two_prefixes_are_kept_apart(kind, opened):
    url = fresh_url(kind)
    first, second = opened(url), opened(url + "x")
    session = begin(first)
    assert second.sessions.find(session.sid) is None
    assert second.sessions.newest() == 0
    assert second.records.read("", most=100_000) == Page(cursor="values:")
    second.sessions.end_user("", "7", "kick", at=T0)
    assert not stored(first, session).ended_at


@pytest.mark.slow
def test_P8_a_session_takes_so_much_memory(server, broken, record_property):
    """Measured by the server itself, indexes included."""

    def used():
        return int(server.tell("INFO")["used_memory"])

    def make(number):
        begin(
            broken,
            str(1_000_000 + number),
            device_type="phone",
            device_id=secrets.token_hex(8),
            device_name="iPhone 15 Pro",
            user_agent=USER_AGENT,
            ip="203.0.113.27",
            amr="pwd",
        )

    make(0)
    before = used()
    for number in range(1, SESSIONS + 1):
        make(number)
    bytes_each = (used() - before) / SESSIONS
    record_property("bytes_per_session", bytes_each)
    assert bytes_each < MOST_BYTES


def test_P7_a_find_is_one_round_trip_and_a_refresh_two(store):
    session = begin(store)
    stored(store, session)
    with counting_round_trips() as count:
        stored(store, session)
        assert count() == 1
        assert rotate(store, session, 0, T0).outcome == "rotated"
        assert count() == 3
        assert rotate(store, session, 0, T0).outcome == "same"
        assert count() == 4
        store.sessions.end(session.sid, "logout", at=T0)
        # The third asks about replicas, once a second at most.
        assert count() in (6, 7)
    with counting_round_trips() as count:
        checkpoint = store.revocations.head(at=T0).checkpoint
        store.sessions.add(new_session(), limits=Limits(5, 1, "evict"), at=T0, checkpoint=checkpoint)
        assert count() <= 4


@pytest.mark.slow
@given(st.data())
@settings(max_examples=300)
def test_X13_any_session_comes_back_as_it_was(data):
    """Texts of any length and numbers of 40 bits."""
    text, number = st.text(st.characters(exclude_categories=["Cs"]), max_size=300), st.integers(0, 2**40 - 1)
    by_type = {"str": text, "int": number, "bool": st.booleans(), "bytes": st.just(b"\xff" * 16)}
    kinds = typing.get_type_hints(Session)
    session = Session(**{name: data.draw(by_type[kind.__name__], name) for name, kind in kinds.items()})
    packed = pack_session(session)
    assert unpack_session(session.sid, packed) == session
    assert packed[0] < 0x80
    assert pack_session(session)[:8] != packed[:8]
