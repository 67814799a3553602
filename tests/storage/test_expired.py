"""The walk over all sessions of an SQL storage, in search of dead ones."""

from __future__ import annotations

import sqlite3

import pytest

from flask_tessera.errors import StorageUnavailableError
from flask_tessera.storage.model import Page
from flask_tessera.storage.sql import walking
from flask_tessera.testing.contract.base import T0, new_session

SIDS = [bytes([number]) * 16 for number in range(1, 21)]
DEAD_AT = T0 + 1


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Twenty sessions are looked at three at a time."""
    monkeypatch.setattr(walking, "_SCANNED", 3)


def fill(storage, dead):
    """Make those sessions that are not there, some of them dead."""
    for number, sid in enumerate(SIDS, 1):
        lives_until = DEAD_AT if number in dead else T0 + 900
        storage.records.write(Page((new_session(sid=sid, idle_until=lives_until),)), at=T0)


def living(storage):
    return {sid[0] for sid in SIDS if storage.sessions.find(sid)}


def looks(storage):
    """The sids after which the storage looks from now on; it has one connection."""
    seen = []

    def see(statement):
        if "max(sid)" in statement:
            seen.append(statement.partition("sid > x'")[2][:2])

    (connection,) = storage._database._pool._idle
    connection.set_trace_callback(see)
    return seen


@pytest.mark.parametrize(
    ("dead", "most", "removed"),
    [
        pytest.param([], 4, [0, 0], id="none"),
        pytest.param([1, 2, 3, 4, 5], 2, [2, 2, 1, 0], id="together"),
        pytest.param([1, 20], 2, [2, 0, 0], id="the-first-and-the-last"),
        pytest.param(range(1, 21), 7, [7, 7, 6, 0], id="all"),
        pytest.param(range(2, 21, 2), 100, [10, 0], id="fewer-than-asked-for"),
    ],
)
def test_S11_each_dead_session_is_removed_once_and_the_next_walk_begins_anew(dead, most, removed, store):
    for _ in range(2):
        fill(store, dead)
        assert [store.sessions.purge(at=DEAD_AT, most=most) for _ in removed] == removed
        assert living(store) == {*range(1, 21)} - {*dead}


def test_P8_a_walk_goes_on_where_it_stopped(store):
    """Else what lives in front would be looked at in each call."""
    fill(store, [10, 11, 12])
    store.sessions.purge(at=DEAD_AT, most=1)
    seen = looks(store)
    for number in (11, 12):
        assert store.sessions.purge(at=DEAD_AT, most=1) == 1
        assert number not in living(store)
    assert seen == ["0a", "0b"]


def test_a_look_that_failed_is_taken_again(store, path):
    fill(store, [10, 20])
    store.sessions.purge(at=DEAD_AT, most=1)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("ALTER TABLE tessera_sessions RENAME TO away")
    with pytest.raises(StorageUnavailableError):
        store.sessions.purge(at=DEAD_AT, most=1)
    connection.execute("ALTER TABLE away RENAME TO tessera_sessions")
    connection.close()
    assert store.sessions.purge(at=DEAD_AT, most=1) == 1
    assert living(store) == {*range(1, 21)} - {10, 20}
