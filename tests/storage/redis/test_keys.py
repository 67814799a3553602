"""What is kept under which keys, for how long, and in how much memory."""

from __future__ import annotations

import secrets

import msgspec
import pytest
from msgspec.structs import replace

from flask_tessera.sessions.limits import Limits
from flask_tessera.sessions.record import RETENTION_MARGIN
from flask_tessera.storage.contract import Page
from flask_tessera.testing.contract.base import IDLE, LIFETIME, T0, begin, new_session, rotate, stored
from tests.servers import fresh_url

USER_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/5"
)
SESSIONS = 3000
MOST_BYTES = 600
"""Of one session, device and user agent included (P8)."""


def begin_at_home(storage, user_id="7", **fields):
    """A session whose sid names the place of its user, as all real ones do."""
    sid = new_session().sid
    home = storage.sessions.tag("", user_id, seed=b"s" * 32)
    return begin(storage, user_id, sid=sid[:6] + home + sid[8:], **fields)


def seconds_left(raw, kind=b"s"):
    (key,) = raw.names(kind)
    return raw.client.ttl(key)


def test_every_key_names_its_slot(store, raw):
    """Without it a script on a cluster would be refused (CROSSSLOT)."""
    session = begin_at_home(store)
    begin(store)
    store.sessions.end_user("", "7", "kick", at=T0)
    store.check()
    assert {key.partition(b":{")[0] for key in raw.names()} == {raw.prefix}
    assert {key.split(b":")[2] for key in raw.names()} <= {b"s", b"u", b"p", b"o"} | {
        b"meta",
        b"pulse",
        b"entries",
        b"era",
        b"tag_key",
        b"check",
    }
    assert session.sid in raw.sids()


def test_P8_a_session_is_kept_for_as_long_as_a_token_of_it_could_be_presented(store, raw):
    """By the caller's clock, whatever the server's says; a refresh moves it."""
    session = begin_at_home(store, until=T0 + IDLE + 1000)
    assert IDLE + RETENTION_MARGIN - 5 < seconds_left(raw) <= IDLE + RETENTION_MARGIN
    rotated = rotate(store, session, 0, T0 + IDLE - 100).session
    assert rotated.idle_until == session.until
    assert 1100 < seconds_left(raw) <= 1100 + RETENTION_MARGIN


@pytest.mark.parametrize(
    "step",
    [
        lambda store, session: store.sessions.end(session.sid, "logout", at=T0),
        lambda store, session: store.sessions.mark([(session.sid, 0)], at=T0),
        lambda store, session: store.sessions.seen([(session.sid, T0 + 5)]),
        lambda store, session: store.sessions.end_user("", "7", "logout", at=T0, except_sid=session.sid),
        lambda store, session: store.sessions.end_user("", "7", "kick", at=T0),
    ],
    ids=["end", "mark", "seen", "carry over", "end_user"],
)
def test_P8_other_writes_keep_it_neither_longer_nor_for_ever(step, store, raw):
    session = begin_at_home(store)
    (key,) = raw.names(b"s")
    raw.client.expire(key, 1000)
    before = raw.client.get(key)
    step(store, session)
    assert raw.client.get(key) != before
    assert 900 < raw.client.ttl(key) <= 1000


def test_P8_an_index_outlives_the_longest_of_its_sessions(store, raw):
    begin_at_home(store)
    assert LIFETIME < seconds_left(raw, b"u") <= LIFETIME + RETENTION_MARGIN
    begin_at_home(store, until=T0 + 2 * LIFETIME)
    begin_at_home(store, until=T0 + 50, idle_until=T0 + 50)
    assert seconds_left(raw, b"u") > 2 * LIFETIME


def test_S02_what_is_kept_of_a_user_never_expires(store, raw):
    """An epoch must outlive every token that it contradicts."""
    begin_at_home(store)
    store.sessions.end_user("", "7", "kick", at=T0)
    assert seconds_left(raw, b"p") == -1


def test_P8_a_session_that_has_expired_on_the_server_leaves_the_index(store, raw):
    first = begin_at_home(store)
    raw.client.delete(raw.names(b"s")[0])
    assert store.sessions.find(first.sid) is None
    second = begin_at_home(store)
    (index,) = raw.names(b"u")
    assert raw.client.zrange(index, 0, -1) == [second.sid]
    assert store.sessions.list("", "7", at=T0) == [second]


def test_P8_an_ended_session_leaves_the_index(store, raw):
    """Else a user who logs in and out all day would be counted for ever."""
    for _ in range(3):
        store.sessions.end(begin_at_home(store).sid, "logout", at=T0)
    assert raw.names(b"u") == []
    assert len(raw.names(b"s")) == 3


LOOKS = {
    "check": lambda store: store.check(),
    "describe": lambda store: store.describe(),
    "find": lambda store: store.sessions.find(b"\1" * 16),
    "end": lambda store: store.sessions.end(b"\1" * 16, "kick", at=T0),
    "list": lambda store: store.sessions.list("", "7", at=T0),
    "newest": lambda store: store.sessions.newest(),
    "purge": lambda store: store.sessions.purge(at=T0, most=10),
    "principal": lambda store: store.principals.find("", "7"),
    "unsuspend": lambda store: store.principals.unsuspend("", "7"),
    "log": lambda store: store.revocations.after(0, at=T0),
    "read": lambda store: store.records.read("", most=10),
}


@pytest.mark.parametrize("name", LOOKS)
def test_who_only_looks_makes_no_key_of_the_places(name, store, raw):
    """The application's own, made from SECRET_KEY, is to be the key: its other processes would offer the same."""
    LOOKS[name](store)
    assert not raw.client.exists(raw.log(b"tag_key"))
    store.sessions.tag("", "7", seed=b"s" * 32)
    assert raw.client.get(raw.log(b"tag_key")) == b"s" * 32
    LOOKS[name](store)
    assert raw.client.get(raw.log(b"tag_key")) == b"s" * 32


def test_F04_where_the_key_of_the_places_is_lost_what_lies_there_is_unknown(store, raw, opened, url):
    """To who has not known it; and looking makes no other."""
    session = begin_at_home(store)
    raw.client.delete(raw.log(b"tag_key"), raw.log(b"meta"))
    late = opened(url)
    assert late.sessions.find(session.sid) is None
    # One page, or more where the server has many keys of others.
    cursor, pages = "", []
    while cursor or not pages:
        pages.append(late.records.read(cursor, most=1000))
        cursor = pages[-1].cursor
    assert {(page.sessions, page.principals, page.revocations) for page in pages} == {((), (), ())}
    assert not raw.client.exists(raw.log(b"tag_key"))
    assert stored(store, session) == session


def test_a_sid_of_another_place_is_led_to_its_user(store, raw):
    """Of an older SECRET_KEY, or imported."""
    session = begin(store)
    home = store.sessions.tag("", "7", seed=b"")
    assert raw.client.get(raw.names(b"o")[0]) == home
    assert raw.names(b"s")[0].startswith(raw.prefix + b":{" + home.hex().encode() + b"}:")
    assert seconds_left(raw, b"o") > LIFETIME
    assert store.sessions.purge(at=T0 + IDLE, most=10) == 1
    assert raw.names(b"o") == raw.names(b"s") == []
    assert store.sessions.find(session.sid) is None


def test_what_leads_on_and_on_is_followed_once(store, raw):
    """It was made by none of us."""
    session = begin(store)
    (lead,), (home,) = raw.names(b"o"), raw.names(b"s")
    raw.client.rename(lead, home.replace(b":s:", b":o:"))
    raw.client.set(lead, raw.client.get(home.replace(b":s:", b":o:")))
    raw.client.delete(home)
    store.sessions.seen([(session.sid, T0 + 9)])
    assert store.sessions.mark([(session.sid, 0)], at=T0) == []
    assert store.sessions.find(session.sid) is None


def test_a_sid_that_is_taken_by_somebody_else_is_passed_over_in_a_move(store):
    """Wherever the two users are."""
    odd, home = begin(store, "7"), begin_at_home(store, "8")
    tag = store.sessions.tag("", "9", seed=b"")
    third = new_session("9", sid=odd.sid[:6] + tag + odd.sid[8:])
    taken = (new_session("8", sid=odd.sid), new_session("7", sid=home.sid), third)
    store.records.write(Page(taken), at=T0)
    assert [stored(store, each).user_id for each in (odd, home, third)] == ["7", "8", "9"]
    assert store.sessions.list("", "7", at=T0) == [odd]


def test_nothing_leads_to_a_session_that_was_refused(store, raw):
    begin(store)
    with pytest.raises(Exception, match="as many sessions"):
        store.sessions.add(new_session(), limits=Limits(1, 0, "refuse"), at=T0)
    assert len(raw.names(b"o")) == len(raw.names(b"s")) == 1


def test_a_sid_that_is_none_is_passed_over(store):
    for sid in (b"", b"short", b"x" * 17):
        assert store.sessions.find(sid) is None
        assert store.sessions.end(sid, "kick", at=T0) is None
        assert store.sessions.rotate(sid, 0, at=T0, leeway=15, idle=IDLE) is None
        assert store.sessions.mark([(sid, 0)], at=T0) == []
        store.sessions.seen([(sid, T0)])


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
        assert store.principals.find(*user).epoch == (user == users[0])
    copy = opened(url + "copy")
    copy.records.write(store.records.read("", most=100_000), at=T0)
    assert [copy.principals.find(*user).epoch for user in users] == [1] + [0] * (len(users) - 1)


def test_records_of_two_prefixes_are_kept_apart(kind, opened):
    url = fresh_url(kind)
    first, second = opened(url), opened(url + "x")
    session = begin(first)
    assert second.sessions.find(session.sid) is None
    assert second.sessions.newest() == 0
    assert second.records.read("", most=100_000) == Page()
    second.sessions.end_user("", "7", "kick", at=T0)
    assert not stored(first, session).ended_at


def test_P8_a_session_takes_so_much_memory(server, broken, record_property):
    """Measured by the server itself, indexes included."""

    def used():
        return int(server.tell("INFO")["used_memory"])

    def make(number):
        begin_at_home(
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


def test_F06_records_of_release_0_1_are_read_and_keep_what_a_later_release_added(store, raw):
    session = begin_at_home(store, user_stamp="s", issued_for="[]")
    (key,) = raw.names(b"s")
    fields = msgspec.msgpack.decode(raw.client.get(key))
    raw.client.set(key, msgspec.msgpack.encode(fields[:24]))
    assert stored(store, session) == replace(session, user_stamp="", issued_for="", claims="")
    assert rotate(store, session, 0, T0).outcome == "rotated"
    raw.client.set(key, msgspec.msgpack.encode([*fields, "of a later release"]))
    assert rotate(store, session, 0, T0).session.user_stamp == "s"
    assert msgspec.msgpack.decode(raw.client.get(key))[24:] == ["s", "[]", "", "of a later release"]
