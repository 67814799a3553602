"""The revocation log: no ending is passed over, however transactions and failures fall."""

from __future__ import annotations

import re
import threading

import pytest

from flask_tessera.errors import StorageUnavailableError
from flask_tessera.storage.from_url import open_storage
from flask_tessera.storage.model import Wakeup
from flask_tessera.storage.sql import log, sessions
from flask_tessera.testing import race
from flask_tessera.testing.contract.base import T0, begin
from tests.servers import wait_until

from ..databases import connect, execute
from .tracing import traced

ENTRY = """
WITH log AS (UPDATE tessera_log SET head = head + 1 RETURNING head)
INSERT INTO tessera_entries (number, forget_at, reason, sid, realm, user_id, epoch, except_sid, noted_at, noted)
SELECT head, %s, 'kick', %s, '', '', 0, '', 0, 0 FROM log"""
MANY_ENTRIES = """
WITH log AS (UPDATE tessera_log SET head = head + %(count)s RETURNING head - %(count)s AS before)
INSERT INTO tessera_entries (number, forget_at, reason, sid, realm, user_id, epoch, except_sid, noted_at, noted)
SELECT before + number, 4102444800, 'kick', convert_to((before + number)::text, 'UTF8'), '', '', 0, '', 0, 0
  FROM log, generate_series(1, %(count)s::int) AS number"""
"""So many entries, of sids that are their numbers."""


def end(storage):
    session = begin(storage)
    storage.sessions.end(session.sid, "logout", at=T0)
    return session.sid


def sids(page):
    return [entry.sid for entry in page.entries]


def test_S01_numbers_are_given_in_the_order_of_commits(store, other, url):
    """Who appends waits for a transaction that has taken a number, so that no reader passes over it."""
    first = end(store)
    page = other.revocations.after(0, at=T0)
    session = begin(store)
    with connect(url) as late:
        late.autocommit = False
        late.execute(ENTRY, (T0 + 900, b"late"))
        thread = threading.Thread(target=lambda: store.sessions.end(session.sid, "logout", at=T0))
        thread.start()
        wait_until(lambda: execute(url, WAITING) == [(1,)], "the ending waits for the head of the log")
        assert other.revocations.after(page.cursor, at=T0).entries == ()
        late.commit()
    thread.join(60)
    assert sids(other.revocations.after(page.cursor, at=T0)) == [b"late", session.sid]
    assert sids(other.revocations.after(0, at=T0)) == [first, b"late", session.sid]


WAITING = """
SELECT count(*) FROM pg_stat_activity
 WHERE wait_event_type = 'Lock' AND query LIKE '%tessera_log%' AND query NOT LIKE '%pg_stat_activity%'"""


def read_on(storage, page):
    """What follows a page, to the end of the log, and the last page."""
    read = []
    while not page.is_whole:
        page = storage.revocations.after(page.cursor, at=T0)
        read += sids(page)
    return read, page


def test_S01_what_is_committed_between_two_pages_comes_once_after_them(store, url):
    """And many more, that take pages of their own."""
    store.revocations.after(0, at=T0)
    with connect(url) as connection:
        connection.execute(MANY_ENTRIES, {"count": 1800})
        page = store.revocations.after(0, at=T0)
        first = sids(page)
        assert not page.is_whole
        connection.execute(MANY_ENTRIES, {"count": 1200})
        sid = end(store)
        rest, page = read_on(store, page)
        assert [*first, *rest] == [*(str(number).encode() for number in range(1, 3001)), sid]
        assert store.revocations.after(page.cursor, at=T0).entries == ()


def test_S01_a_transaction_that_stays_open_makes_nobody_read_again_and_again(store, url):
    store.revocations.after(0, at=T0)
    with connect(url) as late:
        late.autocommit = False
        late.execute("SELECT pg_current_xact_id()")
        page = store.revocations.after(0, at=T0)
        for _ in range(3):
            sid = end(store)
            page = store.revocations.after(page.cursor, at=T0)
            assert sids(page) == [sid]
        late.rollback()
    assert store.revocations.after(page.cursor, at=T0).entries == ()


def test_S01_an_ending_wakes_who_waits_though_a_transaction_is_open(store, other, url):
    cursor = other.revocations.after(0, at=T0).cursor
    other.revocations.wait(cursor, longest=0.01)
    with connect(url) as late:
        late.autocommit = False
        late.execute("SELECT pg_current_xact_id()")

        def step(number):
            return end(store) if number else other.revocations.wait(cursor, longest=30)

        _, sid = race(2, step)
        assert sid in sids(other.revocations.after(cursor, at=T0))


def test_S01_an_ending_that_nobody_was_notified_of_is_found_by_reading(store, other, url):
    cursor = other.revocations.after(0, at=T0).cursor
    other.revocations.wait(cursor, longest=0.05)
    # As where the connection that listens was lost, and with it the notification.
    with connect(url) as connection:
        connection.execute(ENTRY, (T0 + 900, b"silent"))
    # So a wait in vain never says that the log is unchanged.
    assert other.revocations.wait(cursor, longest=0.05) == Wakeup()
    assert sids(other.revocations.after(cursor, at=T0)) == [b"silent"]


def test_P10_a_turn_of_a_follower_is_one_statement(store, other):
    """What wakes it is read by one; between two of them nothing is sent."""
    other.revocations.wait(0, longest=0.01)
    cursor = other.revocations.after(0, at=T0).cursor
    (channel,) = other.revocations._channels
    (reader,) = other._database._pool._idle
    with traced(channel.connection) as listened, traced(reader) as read:
        sid = end(store)
        other.revocations.wait(cursor, longest=30)
        assert sids(other.revocations.after(cursor, at=T0)) == [sid]
        other.revocations.wait(cursor, longest=0.01)
    assert (listened, [kind for kind in read if kind == "Sync"]) == ([], ["Sync"])


def test_a_small_value_sends_no_notification(store, url):
    """Else idle workers would wake each other with their beats, the more the more there are."""
    with connect(url) as connection:
        connection.execute(f"LISTEN {store._database.address.channel}")
        store.values.put("worker", b"aa", b"", expires_at=T0 + 9, at=T0)
        store.values.delete("worker", b"aa")
        assert list(connection.notifies(timeout=0.2)) == []
        end(store)
        assert len(list(connection.notifies(timeout=30, stop_after=1))) == 1


@pytest.mark.parametrize("payload", ["", "somebody", '{"entries": [1]}'], ids=["none", "a-name", "an-entry"])
def test_S01_a_notification_from_anybody_tells_of_no_ending(payload, store, other, url):
    """Any role of the database may send one."""
    cursor = other.revocations.after(0, at=T0).cursor
    other.revocations.wait(cursor, longest=0.01)
    with connect(url) as connection:
        connection.execute("SELECT pg_notify(%s, %s)", (store._database.address.channel, payload))
    assert other.revocations.wait(cursor, longest=30) == Wakeup()
    assert other.revocations.after(cursor, at=T0).entries == ()


def test_S01_endings_of_a_schema_wake_nobody_of_another(store, url):
    with connect(url) as connection:
        end(store)
        name = "x" + url.partition("schema=")[2]
        neighbour = open_storage(url.partition("?")[0] + f"?schema={name}")
        neighbour.check()
        connection.execute(f"LISTEN {neighbour._database.address.channel}")
        end(store)
        assert list(connection.notifies(timeout=0.2)) == []
        neighbour.close()
        connection.execute(f"DROP SCHEMA {name} CASCADE")


def test_S01_a_cursor_is_good_in_every_process_and_one_from_beyond_the_end_gives_all(store, other):
    expected = [end(store) for _ in range(3)]
    cursor = store.revocations.after(0, at=T0).cursor
    assert sids(other.revocations.after(cursor, at=T0)) == []
    assert sids(store.revocations.after(12345, at=T0)) == expected


def test_X9_a_schema_that_was_made_anew_has_another_log(store, url):
    end(store)
    before = store.revocations.after(0, at=T0)
    execute(url, f"DROP SCHEMA {url.partition('schema=')[2]} CASCADE")
    page = store.revocations.after(before.cursor, at=T0 + 50)
    assert page.log_id != before.log_id
    assert (page.entries, page.created_at) == ((), T0 + 50)
    sid = end(store)
    assert sids(store.revocations.after(page.cursor, at=T0 + 50)) == [sid]


def test_X9_tables_that_were_put_back_know_nothing_of_tokens_from_before(store, url):
    """As by pg_restore: the same rows in other tables."""
    begin(store)
    before = store.revocations.after(0, at=T0)
    lost = end(store)
    after = store.revocations.after(before.cursor, at=T0)
    assert sids(after) == [lost]
    with connect(url) as connection:
        connection.execute(
            "ALTER TABLE tessera_log RENAME TO old; CREATE TABLE tessera_log (LIKE old INCLUDING ALL);"
            "INSERT INTO tessera_log SELECT * FROM old; DROP TABLE old;"
        )
    store.close()
    page = store.revocations.after(after.cursor, at=T0 + 50)
    assert page.log_id != before.log_id
    assert page.created_at == T0 + 50
    sid = end(store)
    assert sids(store.revocations.after(0, at=T0 + 50)) == [lost, sid]


def test_R10_a_log_without_its_name_is_named_again(store, url):
    end(store)
    name = store.revocations.after(0, at=T0).log_id
    with connect(url) as connection:
        connection.execute("DELETE FROM tessera_log")
    with pytest.raises(StorageUnavailableError, match="has no row"):
        store.revocations.after(0, at=T0)
    page = store.revocations.after(0, at=T0 + 5)
    assert page.log_id != name
    assert page.created_at == T0 + 5


@pytest.mark.parametrize("how", ["close", "interrupt"])
def test_a_wait_ends_when_the_storage_is_closed_or_it_is_interrupted(how, store):
    """At once: nobody would wait a thousand seconds."""
    cursor = store.revocations.after(0, at=T0).cursor
    store.revocations.wait(cursor, longest=0.01)

    def step(number):
        if number:
            (store.close if how == "close" else store.revocations.interrupt)()
            return None
        return store.revocations.wait(cursor, longest=1000)

    assert race(2, step) == [Wakeup(), None]


READS = {
    "after": (log._PAGE_AFTER.format(now="0"), (1, log._PAGE), "tessera_entries_pkey"),
    "expired": (log._EXPIRED, (T0 - 10**9, 1000), "tessera_entries_forget_at"),
    "of_a_user": (sessions._UNENDED, ("7", ""), "tessera_sessions_owner"),
    "surplus": (sessions._SURPLUS, ("7", ""), "tessera_sessions_owner"),
}


@pytest.mark.parametrize("name", READS)
def test_P7_what_has_just_grown_is_read_by_its_index(name, store, url):
    """Though the server knows nothing of its size yet: else it would sort all of it."""
    statement, values, index = READS[name]
    store.revocations.after(0, at=T0)
    with connect(url) as connection:
        connection.execute(MANY_ENTRIES, {"count": 20_000})
        connection.execute("SET plan_cache_mode TO force_generic_plan")
        plan = connection.execute(f"EXPLAIN {statement.replace('?', '%s')}", values).fetchall()
    said = "\n".join(line for (line,) in plan)
    assert re.search(f"(using|Bitmap Index Scan on) {index}", said)
    assert "Seq Scan" not in said


@pytest.mark.parametrize(("caller_is_late", "server_is_late"), [(True, True), (True, False), (False, True)])
def test_F07_what_is_dead_by_both_clocks_is_dropped(store, url, caller_is_late, server_is_late):
    ended, kept = end(store), end(store)
    if server_is_late:
        with connect(url) as server:
            server.execute("UPDATE tessera_entries SET noted = noted - 86400000 WHERE sid = %s", (ended,))
    (forget_at, *_) = [entry.forget_at for entry in store.revocations.after(0, at=T0).entries]
    at = forget_at if caller_is_late else forget_at - 1
    store.revocations.drop_expired(at=at, most=10, is_sure=False)
    left = [kept] if caller_is_late and server_is_late else [ended, kept]
    assert sids(store.revocations.after(0, at=T0)) == left


def test_P7_the_planner_keeps_the_settings_of_the_server_and_nothing_is_compiled(store, url):
    """A scan that is switched off counts as so dear that each statement would be compiled."""
    names = ("enable_seqscan", "enable_bitmapscan", "enable_indexscan", "enable_sort", "enable_nestloop")
    ours = store._database.read(*((f"SHOW {name}", ()) for name in (*names, "jit")))
    with connect(url) as server:
        theirs = [server.execute(f"SHOW {name}").fetchall() for name in names]
    assert ours == [*theirs, [("off",)]]


def test_F02_checks_write_once_in_ten_seconds_and_not_to_the_row_that_polls_read(store, url):
    """Whoever may ask for /healthz may do so as often as he likes."""
    store.check()
    with connect(url) as server:
        rows = "SELECT xmin::text FROM tessera_log UNION ALL SELECT xmin::text FROM tessera_values WHERE kind = 'check'"
        before = server.execute(rows).fetchall()
        for _ in range(3):
            store.check()
        assert len(before) == 2
        assert server.execute(rows).fetchall() == before
    assert store.values.get("check", b"aa", at=T0) is None
