"""The revocation log: no ending is passed over, however transactions and failures fall."""

from __future__ import annotations

import re

import pytest

from flask_tessera.errors import StorageUnavailableError
from flask_tessera.storage.contract import Wakeup, Worker
from flask_tessera.storage.from_url import open_storage
from flask_tessera.storage.sql.postgres import positions, revocations, workers
from flask_tessera.testing import race
from flask_tessera.testing.contract.base import T0, begin

from ..databases import connect, execute
from .tracing import traced

ENTRY = """
INSERT INTO tessera_revocations (forget_at, reason, sid, realm, user_id, epoch, except_sid)
VALUES (%s, 'kick', %s, '', '', 0, '')"""


MANY_ENTRIES = """
INSERT INTO tessera_revocations (forget_at, reason, sid, realm, user_id, epoch, except_sid)
SELECT 4102444800, 'kick', convert_to(number::text, 'UTF8'), '', '', 0, ''
  FROM generate_series(%s::int, %s::int) AS number"""
"""The entries of sids from one number to another."""


def end(storage):
    session = begin(storage)
    storage.sessions.end(session.sid, "logout", at=T0)
    return session.sid


def sids(page):
    return [entry.sid for entry in page.entries]


def test_S01_a_late_commit_of_a_lower_number_is_not_passed_over(store, other, url):
    first = end(store)
    page = store.revocations.after(0, at=T0)
    with connect(url) as late:
        late.autocommit = False
        late.execute(ENTRY, (T0 + 900, b"late"))
        second = end(store)
        following = store.revocations.after(page.cursor, at=T0)
        assert sids(following) == [second]
        assert sids(other.revocations.after(0, at=T0)) == [first, second]
        stamp = store.revocations.stamp()
        late.commit()
    assert store.revocations.stamp() != stamp
    last = store.revocations.after(following.cursor, at=T0)
    assert sids(last) == [b"late"]
    assert store.revocations.after(last.cursor, at=T0).entries == ()


def read_on(storage, page):
    """What follows a page, to the end of the log, and the last page."""
    read = []
    while not page.is_whole:
        page = storage.revocations.after(page.cursor, at=T0)
        read += sids(page)
    return read, page


def numbered(first, last):
    return {str(number).encode() for number in range(first, last + 1)}


def test_S01_what_is_committed_between_two_pages_comes_once_after_them(store, url):
    """Also what has a lower number than the page's last; and many more, that take pages of their own."""
    store.revocations.after(0, at=T0)
    with connect(url) as late, connect(url) as connection:
        late.autocommit = False
        late.execute(ENTRY, (T0 + 900, b"late"))
        connection.execute(MANY_ENTRIES, (1, 6000))
        connection.execute(MANY_ENTRIES, (6001, 12_000))
        page = store.revocations.after(0, at=T0)
        first = sids(page)
        assert not page.is_whole
        late.commit()
        # The cursor is of a moment: who waits with it need not.
        store.revocations.wait(page.cursor, longest=60)
        connection.execute(MANY_ENTRIES, (12_001, 18_000))
        sid = end(store)
        rest, page = read_on(store, page)
        read = [*first, *rest]
        assert len(read) == len(set(read))
        assert set(read) == {b"late", sid} | numbered(1, 18_000)
        assert read.index(b"late") >= 12_000
        assert store.revocations.after(page.cursor, at=T0).entries == ()
        # The same from a cursor on behind which some were read already.
        connection.execute(MANY_ENTRIES, (18_001, 26_000))
        following = store.revocations.after(page.cursor, at=T0)
        rest, _ = read_on(store, following)
        assert len(following.entries) + len(rest) == 8000
        assert {*sids(following), *rest} == numbered(18_001, 26_000)


def test_many_logins_do_not_make_the_follower_read_again(store):
    """Each asks where the log ends; the cursors that the process keeps are for those who read."""
    end(store)
    page = store.revocations.after(0, at=T0)
    for _ in range(300):
        store.revocations.head(at=T0)
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
    cursor, stamp = other.revocations.after(0, at=T0).cursor, other.revocations.stamp()
    other.revocations.wait(cursor, longest=0.05)
    # As by a process that died between its commit and the notification.
    with connect(url) as connection:
        connection.execute(ENTRY, (T0 + 900, b"silent"))
    assert other.revocations.stamp() != stamp
    # So a wait in vain never says that the log is unchanged.
    assert other.revocations.wait(cursor, longest=0.05) == Wakeup()
    assert sids(other.revocations.after(cursor, at=T0)) == [b"silent"]


def test_P10_a_turn_of_a_follower_is_one_statement(store, other):
    """What wakes it is read by one; between two of them nothing is sent."""
    other.revocations.wait(0, longest=0.01)
    cursor = other.revocations.after(0, at=T0).cursor
    (channel,) = other.revocations._listener._channels
    (reader,) = other._database._pools[-1]._idle
    with traced(channel.connection) as listened, traced(reader) as read:
        sid = end(store)
        other.revocations.wait(cursor, longest=30)
        assert sids(other.revocations.after(cursor, at=T0)) == [sid]
        other.revocations.wait(cursor, longest=0.01)
    assert (listened, [kind for kind in read if kind == "Sync"]) == ([], ["Sync"])


def test_a_beat_sends_no_notification(store, url):
    """Else idle workers would wake each other, the more the more there are."""
    with connect(url) as connection:
        connection.execute(f"LISTEN {store._database.address.channel}")
        store.workers.beat(Worker("host:1", T0, T0))
        store.workers.remove("host:1")
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


def test_S01_a_cursor_of_another_process_gives_all(store, other):
    expected = [end(store) for _ in range(3)]
    cursor = store.revocations.after(0, at=T0).cursor
    assert sids(other.revocations.after(cursor, at=T0)) == expected
    assert sids(store.revocations.after(12345, at=T0)) == expected


def test_S01_many_cursors_are_forgotten_and_then_give_all(store):
    expected = [end(store)]
    oldest = store.revocations.after(0, at=T0).cursor
    assert store.revocations.after(oldest, at=T0).entries == ()
    for _ in range(300):
        store.revocations.after(0, at=T0)
    assert sids(store.revocations.after(oldest, at=T0)) == expected


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
    """As by pg_restore: the same rows in other tables, with the numbers of other transactions."""
    begin(store)
    before = store.revocations.after(0, at=T0)
    lost = end(store)
    after = store.revocations.after(before.cursor, at=T0)
    assert sids(after) == [lost]
    with connect(url) as connection:
        connection.execute(
            "ALTER TABLE tessera_log RENAME TO old; CREATE TABLE tessera_log (LIKE old INCLUDING ALL);"
            "INSERT INTO tessera_log SELECT * FROM old; DROP TABLE old;"
            "UPDATE tessera_revocations SET xid = '9000000000'"
        )
    page = store.revocations.after(after.cursor, at=T0 + 50)
    assert page.log_id != before.log_id
    assert page.created_at == T0 + 50
    assert sids(page) == [lost]
    sid = end(store)
    assert sids(store.revocations.after(page.cursor, at=T0 + 50)) == [lost, sid]


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


def test_S11_a_purge_of_the_log_passes_over_what_others_hold(store, url):
    for _ in range(5):
        end(store)
    with connect(url) as connection:
        connection.autocommit = False
        connection.execute("SELECT 1 FROM tessera_revocations ORDER BY number LIMIT 1 FOR UPDATE")
        store.revocations.purge(at=T0 + 10_000)
        assert connection.execute("SELECT count(*) FROM tessera_revocations").fetchone() == (1,)
        connection.rollback()
    store.revocations.purge(at=T0 + 10_000)
    assert store.revocations.after(0, at=T0).entries == ()


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


@pytest.mark.parametrize("name", ["_READ_UNSEEN", "_READ_REST", "_LOOK"])
def test_P7_a_log_that_has_just_grown_is_read_by_its_index(name, store, url):
    """Though the server knows nothing of its size yet: it would sort all of it for each page."""
    page = store.revocations.after(0, at=T0)
    with connect(url) as connection:
        connection.execute(MANY_ENTRIES, (1, 20_000))
    page = store.revocations.after(page.cursor, at=T0)
    values = {"since": positions.NOTHING, "snapshot": positions.NOTHING, "writer": "1", "number": 1}

    def explain(connection):
        connection.execute("SET plan_cache_mode TO force_generic_plan")
        return connection.all(f"EXPLAIN {getattr(revocations, name)}", values)

    plan = "\n".join(line for (line,) in store._database.read(explain))
    # With the planner's own settings also by a bitmap of the index, where a page may be few rows of what is left.
    assert re.search("(using|Bitmap Index Scan on) tessera_revocations_xid", plan)
    assert "Seq Scan on tessera_revocations" not in plan


@pytest.mark.parametrize(("caller_is_late", "server_is_late"), [(True, True), (True, False), (False, True)])
def test_F07_a_beat_sweeps_what_is_dead_by_both_clocks(store, url, caller_is_late, server_is_late):
    ended, kept = end(store), end(store)
    if server_is_late:
        with connect(url) as server:
            server.execute("UPDATE tessera_revocations SET noted = now() - interval '1 day' WHERE sid = %s", (ended,))
    (forget_at, *_) = [entry.forget_at for entry in store.revocations.after(0, at=T0).entries]
    store.workers.beat(Worker("host:1", T0, forget_at if caller_is_late else forget_at - 1))
    left = [kept] if caller_is_late and server_is_late else [ended, kept]
    assert sids(store.revocations.after(0, at=T0)) == left


def test_P7_the_planner_keeps_the_settings_of_the_server_and_nothing_is_compiled(store, url):
    """A scan that is switched off counts as so dear that each statement would be compiled."""
    names = ("enable_seqscan", "enable_bitmapscan", "enable_indexscan", "enable_sort", "enable_nestloop")

    def settings(connection):
        return [connection.execute(f"SHOW {name}").fetchone()[0] for name in names]

    with connect(url) as of_the_server:
        assert store._database.read(settings) == settings(of_the_server)
    assert store._database.read(lambda connection: connection.execute("SHOW jit").fetchone()) == ("off",)


def test_one_worker_at_a_time_sweeps(store, url):
    """Whoever finds another at it does nothing."""
    end(store)
    with connect(url) as server:
        server.execute("UPDATE tessera_revocations SET noted = now() - interval '1 day'")
        (forget_at,) = [entry.forget_at for entry in store.revocations.after(0, at=T0).entries]
        server.autocommit = False
        key = "'tessera_revocations'::regclass::integer"
        server.execute(f"SELECT pg_advisory_xact_lock({key}, {workers._SWEEPING})")
        store.workers.beat(Worker("host:1", T0, forget_at))
        assert len(store.revocations.after(0, at=T0).entries) == 1
        server.rollback()
    store.workers.beat(Worker("host:1", T0, forget_at))
    assert store.revocations.after(0, at=T0).entries == ()


def test_F02_checks_write_once_in_ten_seconds_and_not_to_the_row_that_polls_read(store, url):
    """Whoever may ask for /healthz may do so as often as he likes."""
    store.check()
    with connect(url) as server:
        rows = "SELECT xmin::text FROM tessera_log UNION ALL SELECT xmin::text FROM tessera_workers WHERE name = ''"
        before = server.execute(rows).fetchall()
        for _ in range(3):
            store.check()
        assert len(before) == 2
        assert server.execute(rows).fetchall() == before
    assert store.workers.list(at=T0) == []
