"""How much is said to the server: the common steps are one round trip."""

from __future__ import annotations

import pytest

from flask_tessera.sessions.limits import Limits
from flask_tessera.storage.from_url import open_storage
from flask_tessera.storage.model import Increment
from flask_tessera.testing.contract.base import T0, begin, new_session, rotate
from tests.servers import fresh_database

from ..databases import connect
from .tracing import traced


def listened(storage):
    """The kinds of messages that the storage's one connection sends meanwhile."""
    (connection,) = storage._database._pool._idle
    return traced(connection)


def trips(sent):
    """How many round trips that was: each ends with a Sync."""
    return sent.count("Sync")


STEPS = {
    "find": (1, lambda storage, session: storage.sessions.find(session.sid)),
    "list": (1, lambda storage, session: storage.sessions.list("", "7", at=T0)),
    "principal": (1, lambda storage, session: storage.sessions.principal("", "7")),
    "after": (1, lambda storage, session: storage.revocations.after(0, at=T0)),
    "head": (1, lambda storage, session: storage.revocations.head(at=T0)),
    "put": (1, lambda storage, session: storage.values.put("code", b"aa", b"", expires_at=T0 + 9, at=T0)),
    "count": (1, lambda storage, session: storage.values.increment("tries", b"aa", window=9, at=T0)),
    "count_three": (1, lambda storage, session: storage.values.increment_many(THREE, at=T0)),
    # To read, and to write if it is as it was read.
    "rotate": (2, lambda storage, session: rotate(storage, session, session.gen, T0)),
    "touch": (2, lambda storage, session: storage.sessions.touch([(session.sid, T0 + 5)], at=T0)),
    # To read under a lock, and to write and commit.
    "end": (2, lambda storage, session: storage.sessions.end(session.sid, "logout", at=T0)),
    "end_user": (2, lambda storage, session: storage.sessions.end_user("", "7", "kick", at=T0)),
    "log_in": (2, lambda storage, session: storage.sessions.add(new_session(), limits=TWO, at=T0)),
    "log_in_checked": (3, lambda storage, session: log_in_checked(storage)),
    "take": (2, lambda storage, session: storage.values.take("code", b"aa", at=T0)),
    # To see which change anything, before these alone are locked.
    "touch_two": (3, lambda storage, session: storage.sessions.touch(two(storage, session), at=T0)),
    "confirm_again": (1, lambda storage, session: storage.sessions.confirm([(session.sid, 9)], at=T0)),
}
THREE = [Increment("tries", name, 1, T0 + 9) for name in (b"ab", b"ac", b"ad")]
TWO = Limits(2, 0, "evict")


def two(storage, session):
    """A session that was seen, and one that was not seen for longer than is known."""
    return [(session.sid, T0 + 5), (new_session().sid, T0)]


def log_in_checked(storage):
    """As after a password was checked: refused where all sessions were ended meanwhile."""
    checkpoint = storage.revocations.head(at=T0).checkpoint
    return storage.sessions.add(new_session(), limits=TWO, at=T0, checkpoint=checkpoint)


@pytest.mark.parametrize("name", STEPS)
def test_P7_a_common_step_is_one_or_two_round_trips_of_prepared_statements(name, store):
    count, step = STEPS[name]
    for _ in range(4):
        step(store, begin(store))
    for _ in range(3):
        session = begin(store)
        with listened(store) as sent:
            step(store, session)
        assert trips(sent) == count
        assert "Parse" not in sent


def test_P7_statements_are_prepared_once_whatever_the_size_of_numbers(store):
    for exponent in range(0, 60, 5):
        begin(store, created_at=2**exponent, gen=2**exponent)
    (connection,) = store._database._pool._idle
    (count,) = connection.execute(
        "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'INSERT%'"
    ).fetchone()
    assert count <= 2


def updates_of(url, wanted):
    """How many rows of sessions were written anew, and how many of them without an index."""
    statement = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'tessera_sessions'"
    with connect(url) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        while True:
            written, hot = connection.execute(statement).fetchone()
            if written >= wanted:
                return written, hot
            connection.execute("SELECT pg_stat_clear_snapshot()")


def test_P8_a_refresh_writes_no_index():
    """HOT: the new row lies beside the old one. All of them fit on one page, so nobody has to tidy it up between."""
    with fresh_database() as url:
        storage = open_storage(url)
        session = begin(storage)
        for gen in range(5):
            rotate(storage, session, gen, T0 + gen)
        storage.close()
        written, hot = updates_of(url, 5)
    assert hot == written
