"""Walks through all sessions, a page at a time: what is long over goes, whatever stands in between (P8)."""

from __future__ import annotations

from functools import partial

import pytest

from flask_tessera.errors import StorageUnavailableError
from flask_tessera.testing.contract.base import ACCESS, IDLE, T0, begin, new_session, stored

from .scripting import counting_round_trips

NOW = T0 + ACCESS


@pytest.fixture
def short_pages(monkeypatch):
    """Of about three keys."""
    monkeypatch.setattr("flask_tessera.storage.redis.client._COUNT", 3)


def begin_many(storage, count, **fields):
    return [begin(storage, str(number % 7), **fields) for number in range(count)]


@pytest.mark.usefixtures("short_pages")
def test_P8_a_purge_walks_in_pages_and_removes_no_more_than_asked_for(store, raw):
    """They leave the indexes of their users too; where it stopped it goes on."""
    alive = begin_many(store, 30)
    begin_many(store, 20, idle_until=NOW)
    assert [store.sessions.purge(at=NOW, most=7) for _ in range(4)] == [7, 7, 6, 0]
    assert sorted(raw.sids()) == sorted(each.sid for each in alive)
    assert sorted(sid for key in raw.names(b"l") for sid in raw.client.zrange(key, 0, -1)) == sorted(raw.sids())
    assert all(stored(store, each) == each for each in alive)


@pytest.mark.parametrize("most", [1, 5, 10])
def test_P8_dead_ones_of_one_page_are_removed_over_several_calls(most, store):
    begin_many(store, 10, idle_until=NOW)
    removed = [store.sessions.purge(at=NOW, most=most) for _ in range(10 // most)]
    assert removed == [most] * (10 // most)
    assert store.sessions.purge(at=NOW, most=most) == 0
    begin_many(store, 1, idle_until=NOW)
    assert store.sessions.purge(at=NOW, most=most) == 1


def test_P8_a_purge_is_few_round_trips(broken):
    """However small the batches are."""
    begin_many(broken, 300)
    begin_many(broken, 40, idle_until=NOW)
    broken.sessions.purge(at=T0, most=1)

    with counting_round_trips() as count:
        assert [broken.sessions.purge(at=NOW, most=10) for _ in range(5)] == [10, 10, 10, 10, 0]
    assert count() < 20


def test_F04_a_record_that_nobody_can_read_keeps_no_other_from_being_removed(store, raw):
    begin_many(store, 6, idle_until=NOW)
    keys = raw.names(b"s")
    unreadable = (b"junk", b"", b"\xdc\0\x18\1\1\1\1\xa1x" * 3, b"\xff" * 99)
    for key, junk in zip(keys, unreadable, strict=False):
        raw.client.set(key, junk)
    assert store.sessions.purge(at=NOW, most=100) == 2
    assert raw.names(b"s") == sorted(keys[:4])


def test_what_is_no_session_is_passed_over(store, raw):
    """Somebody else's key that looks like one, of another kind of value too."""
    begin_many(store, 2, idle_until=NOW)
    base = raw.prefix + b":{abcd}:s:"
    raw.client.set(base + b"short", "x")
    raw.client.rpush(base + b"\xff" * 16, "x")
    assert store.sessions.purge(at=NOW, most=100) == 2
    assert len(raw.names(b"s")) == 2


@pytest.mark.usefixtures("short_pages")
def test_the_newest_session_is_found_among_many_pages(store):
    """By the bytes of its sid, not by an order of letters."""
    assert store.sessions.newest() == 0
    begin_many(store, 20)
    begin(store, sid=b"\xe9" + new_session().sid[1:], at=T0 + 7)
    begin(store, sid=b"z" + new_session().sid[1:], at=T0 + 9)
    begin(store, sid=b"\xe9\0" + b"\xff" * 14, at=T0 + 5)
    assert store.sessions.newest() == T0 + 7


def test_X6_a_walk_that_failed_begins_anew(server, broken):
    begin_many(broken, 20, idle_until=T0 + IDLE)
    server.ask("ACL", "SETUSER", "default", "-scan")
    purge, read = partial(broken.sessions.purge, at=T0 + IDLE, most=5), partial(broken.records.read, "", most=5)
    for step in (broken.sessions.newest, purge, read):
        with pytest.raises(StorageUnavailableError):
            step()
    server.ask("ACL", "SETUSER", "default", "+scan")
    assert purge() == 5
    assert broken.sessions.purge(at=T0 + IDLE, most=100) == 15
