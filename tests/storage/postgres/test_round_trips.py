"""How much is said to the server: the common steps are one round trip."""

from __future__ import annotations

import pytest

from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing.contract.base import T0, begin, rotate
from tests.servers import fresh_database

from ..databases import connect
from .tracing import traced


def listened(storage):
    """The kinds of messages that the storage's one connection sends meanwhile."""
    (connection,) = storage._database._pools[-1]._idle
    return traced(connection)


STEPS = {
    "find": lambda storage, session: storage.sessions.find(session.sid),
    "rotate": lambda storage, session: rotate(storage, session, session.gen, T0),
    "list": lambda storage, session: storage.sessions.list("", "7", at=T0),
    "principal": lambda storage, session: storage.sessions.principal("", "7"),
    "after": lambda storage, session: storage.revocations.after(0, at=T0),
    "tail": lambda storage, session: storage.revocations.head(at=T0),
    "stamp": lambda storage, session: storage.revocations.stamp(),
    "seen": lambda storage, session: storage.sessions.seen([(session.sid, T0 + 5)]),
}


@pytest.mark.parametrize("name", STEPS)
def test_P7_a_common_step_is_one_round_trip_of_a_prepared_statement(name, store):
    STEPS[name](store, begin(store))
    for _ in range(3):
        session = begin(store)
        with listened(store) as sent:
            STEPS[name](store, session)
        assert sent == ["Bind", "Describe", "Execute", "Sync"]


def test_P7_an_ending_is_one_round_trip_and_one_to_tell_of_it(store):
    store.sessions.end(begin(store).sid, "logout", at=T0)
    for _ in range(3):
        session = begin(store)
        with listened(store) as sent:
            store.sessions.end(session.sid, "logout", at=T0)
        assert sent == ["Bind", "Describe", "Execute", "Sync"] * 2


def test_P7_statements_are_prepared_once_whatever_the_size_of_numbers(store):
    for exponent in range(0, 60, 5):
        begin(store, created_at=2**exponent, gen=2**exponent)
    (connection,) = store._database._pools[-1]._idle
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
