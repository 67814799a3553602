"""A broken server: every error of it leaves as StorageUnavailableError, and the storage recovers by itself."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from flask_tessera.errors import ConfigError, StorageUnavailableError
from flask_tessera.sessions.limits import Limits
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing import WorkerProcesses, race
from flask_tessera.testing.contract.base import T0, begin, new_session, stored
from flask_tessera.testing.contract.breaking import CALLS
from tests.faults import workers

from ..calls import assert_unavailable, give_up_or_do
from .asking import connect, end_others, execute, others

NAMES = [*CALLS]


@contextlib.contextmanager
def stopped(server):
    server.stop()
    try:
        yield
    finally:
        server.cont()


@pytest.mark.slow
def test_X5_every_call_to_a_server_that_hangs_gives_up(server, fragile):
    session = begin(fragile)
    race(8, lambda _number: fragile.sessions.find(session.sid))
    with stopped(server):
        race(len(NAMES), lambda number: assert_unavailable(CALLS[NAMES[number]], fragile))
    assert stored(fragile, session) == session
    fragile.check()


@pytest.mark.slow
def test_X5_every_call_to_a_server_that_hangs_from_the_start_gives_up(server):
    with stopped(server):
        for _ in range(2):
            storage = open_storage(server.url)
            race(len(NAMES), lambda number, storage=storage: give_up_or_do(CALLS[NAMES[number]], storage))
    storage.check()
    storage.close()


@pytest.mark.usefixtures("patient")
def test_X5_a_server_that_was_started_again_costs_no_request(server, fragile):
    session = begin(fragile)
    race(8, lambda _number: fragile.sessions.find(session.sid))
    cursor = fragile.revocations.after(0, at=T0).cursor
    server.kill()
    for call in CALLS.values():
        assert_unavailable(call, fragile)
    server.restart()
    for call in CALLS.values():
        call(fragile)
    assert stored(fragile, session).sid == session.sid
    fragile.revocations.after(cursor, at=T0)


@pytest.mark.usefixtures("patient")
def test_X5_idle_connections_that_the_server_has_closed_are_not_used(url, store):
    """Whatever the call: none is sent on a connection that is gone."""
    begin(store)
    for call in CALLS.values():
        race(4, lambda _number: store.sessions.newest())
        end_others(url)
        call(store)


@pytest.mark.slow
def test_F02_a_lock_that_another_program_holds_is_given_up_with_all_that_was_begun(url, store):
    begin(store)
    with closing(connect(url)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT * FROM tessera_principals FOR UPDATE")
        with pytest.raises(StorageUnavailableError):
            begin(store)
        holder.rollback()
    # Nothing of it holds a lock: what was begun has ended with its connection.
    assert len(store.sessions.list("", "7", at=T0)) == 1
    begin(store)
    assert len(store.sessions.list("", "7", at=T0)) == 2


@pytest.mark.usefixtures("patient")
def test_F02_of_two_that_wait_for_each_other_the_one_that_was_undone_is_done_again(store):
    """Both lock a row of their own, and then the other's: the server ends one of them (1213)."""
    for number in (1, 2):
        begin(store, str(number))
    both, attempts = threading.Barrier(2), []

    def lock_both(first):
        def work(transaction):
            attempts.append(first)
            for number in (first, 3 - first):
                select = "SELECT epoch FROM tessera_principals WHERE user_id = %s FOR UPDATE"
                transaction.read((select, (str(number),)))
                if number == first and attempts.count(first) == 1:
                    both.wait(30)
            transaction.write("UPDATE tessera_principals SET epoch = epoch + 1 WHERE user_id = %s", [("1",), ("2",)])

        store._database.transact(work)

    race(2, lambda number: lock_both(number + 1))
    assert len(attempts) == 3
    assert [store.sessions.principal("", str(number)).epoch for number in (1, 2)] == [2, 2]


def test_X5_tables_that_vanish_are_made_anew(url, store):
    begin(store)
    names = ", ".join(name for (name,) in execute(url, "SHOW TABLES"))
    execute(url, f"DROP TABLE {names}")
    session = begin(store)
    assert stored(store, session) == session
    assert [each.sid for each in store.sessions.list("", "7", at=T0)] == [session.sid]


def test_the_tables_of_a_host_are_left_alone(url, store):
    execute(url, "CREATE TABLE orders (id INTEGER)")
    store.check()
    assert {name for (name,) in execute(url, "SHOW TABLES")} == {
        "orders",
        *(f"tessera_{name}" for name in ("entries", "log", "principals", "sessions", "values")),
    }


@pytest.mark.parametrize("other", ["a ", "A", "á", "\uff41", "a\0"])
def test_S03_users_whose_ids_look_alike_are_others(store, other):
    mine, theirs = begin(store, "a"), begin(store, other)
    store.sessions.end_user("", "a", "kick", at=T0)
    assert stored(store, mine).end_reason == "kick"
    assert stored(store, theirs) == theirs
    assert [each.sid for each in store.sessions.list("", other, at=T0)] == [theirs.sid]


@pytest.mark.slow
def test_S06_the_limit_is_exact_under_40_parallel_logins_of_4_processes(url, store):
    with WorkerProcesses(4, workers.log_in_many, url) as processes:
        assert processes.race(10) == [10] * 4
    assert len(store.sessions.list("", "7", at=T0)) == 5


def test_X4_several_processes_may_open_a_new_database_at_once(url):
    with WorkerProcesses(4, workers.contract_steps, url) as processes:
        assert processes.race(("", "check", (), {})) == [None] * 4
    ((rows,),) = execute(url, "SELECT count(*) FROM tessera_log")
    assert rows == 1


def test_the_connections_are_no_more_than_the_url_says(url):
    with closing(open_storage(f"{url}?pool=3")) as storage:
        storage.check()
        race(20, lambda number: begin(storage, str(number)))
        assert 1 <= len(others(url)) <= 3


def test_F02_a_user_who_lacks_a_right_is_told_which(url):
    name = f"r{url.rpartition('/')[2][:12]}"
    execute(url, f"CREATE USER {name}@'127.0.0.1'", f"GRANT SELECT ON {url.rpartition('/')[2]}.* TO {name}@'127.0.0.1'")
    with closing(open_storage(url.replace("root@", f"{name}@"))) as storage:
        with pytest.raises(ConfigError, match=f"{name}@127.0.0.1 lacks a right in this database; grant it SELECT"):
            storage.check()
        execute(url, f"GRANT ALL ON {url.rpartition('/')[2]}.* TO {name}@'127.0.0.1'")
        storage.check()
    execute(url, f"DROP USER {name}@'127.0.0.1'")


def test_a_schema_that_is_newer_is_refused_at_the_first_connection(url, store):
    store.check()
    execute(url, "UPDATE tessera_log SET schema_version = 99")
    with closing(open_storage(url)) as newcomer:
        assert not newcomer.schema_state().is_usable
        for act in (newcomer.check, newcomer.upgrade):
            with pytest.raises(ConfigError, match="of version 99, newer than"):
                act()
    store.check()


def test_a_new_database_is_told_and_made_by_an_upgrade(url):
    with closing(open_storage(url)) as storage:
        assert storage.schema_state().is_new
        assert storage.upgrade() == ["0005"]
        assert storage.schema_state().is_usable
        assert storage.upgrade() == []


def test_what_the_server_promises_is_told(url, server):
    with closing(open_storage(url)) as storage, closing(open_storage(server.url)) as safe:
        unsafe = storage.describe()
        assert unsafe.engine.startswith("MariaDB 1")
        assert unsafe.warnings[0].startswith("innodb_flush_log_at_trx_commit=0: a crash")
        assert safe.describe().warnings == ()
        assert safe.describe().durability.startswith("a commit outlives a power cut")


def test_a_server_that_cannot_be_written_to_is_told(server, fragile):
    execute(server.url, "SET GLOBAL read_only = 1")
    try:
        assert fragile.describe().warnings == ("read_only=ON: this server cannot be written to",)
    finally:
        execute(server.url, "SET GLOBAL read_only = 0")


def test_a_session_of_ours_is_as_we_need_it_whatever_the_server_says(server, fragile):
    strange = {"tx_isolation": "'SERIALIZABLE'", "sql_mode": "''", "innodb_lock_wait_timeout": "100", "autocommit": "0"}
    usual = dict.fromkeys(strange, "DEFAULT")
    asked = "SELECT @@tx_isolation, @@sql_mode, @@innodb_lock_wait_timeout, @@autocommit, @@character_set_client"
    fragile.close()
    try:
        execute(server.url, *(f"SET GLOBAL {name} = {value}" for name, value in strange.items()))
        ((ours,),) = fragile._database.read((asked, ()))
    finally:
        execute(server.url, *(f"SET GLOBAL {name} = {value}" for name, value in usual.items()))
    assert ours == ("READ-COMMITTED", "STRICT_TRANS_TABLES", 2, 1, "utf8mb4")


FORKING = """
import os, sys
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing.contract.base import T0, begin, stored

storage = open_storage(sys.argv[1])
session = begin(storage)
child = os.fork()
if child == 0:
    os._exit(0 if stored(storage, session) == session and begin(storage, "8") else 1)
print(os.waitpid(child, 0)[1], stored(storage, session) == session, len(storage.sessions.list("", "8", at=T0)))
"""


@pytest.mark.slow
@pytest.mark.unix("fork")
def test_X12_a_child_process_has_connections_of_its_own(url):
    command = [sys.executable, "-W", "error", "-c", FORKING, url]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=os.environ)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0 True 1\n", "")


@pytest.mark.usefixtures("patient")
def test_S06_racing_logins_of_one_new_user_keep_the_limit_and_none_is_lost(store):
    limits = Limits(10, 0, "evict")
    for number in range(3):
        user = f"new {number}"
        race(16, lambda _number, user=user: store.sessions.add(new_session(user), limits=limits, at=T0))
        assert len(store.sessions.list("", user, at=T0)) == 10


def test_F04_tables_that_were_made_anew_under_open_connections_are_one_log(url):
    """By OPTIMIZE TABLE, a usual job of a night: who connected before knows the old table."""
    with closing(open_storage(url)) as before, closing(open_storage(url)) as after:
        race(4, lambda _number: before.revocations.head(at=T0))
        old = before.revocations.head(at=T0).log_id
        created = "SELECT create_time FROM information_schema.tables WHERE table_name = 'tessera_log'"
        created += " AND table_schema = DATABASE()"
        first = execute(url, created)
        # Of whole seconds.
        while execute(url, created) == first:
            execute(url, "ALTER TABLE tessera_log ENGINE = InnoDB")
        name = after.revocations.head(at=T0).log_id
        assert name != old
        names = {each.revocations.head(at=T0).log_id for _ in range(6) for each in (before, after)}
        assert names == {name}
        checkpoint = before.revocations.head(at=T0).checkpoint
        session = new_session()
        before.sessions.add(session, limits=Limits(10, 0, "evict"), at=T0, checkpoint=checkpoint)
        assert stored(after, session).sid == session.sid


def test_X5_a_right_that_is_taken_away_is_an_outage_and_no_wrong_setting(url):
    database, name = url.rpartition("/")[2], f"t{url.rpartition('/')[2][:12]}"
    execute(url, f"CREATE USER {name}@'127.0.0.1'", f"GRANT ALL ON {database}.* TO {name}@'127.0.0.1'")
    with closing(open_storage(url.replace("root@", f"{name}@"))) as storage:
        session = begin(storage)
        execute(url, f"REVOKE SELECT ON {database}.* FROM {name}@'127.0.0.1'")
        storage.close()
        with pytest.raises(StorageUnavailableError, match="lacks a right"):
            storage.sessions.find(session.sid)
        execute(url, f"GRANT SELECT ON {database}.* TO {name}@'127.0.0.1'")
        assert stored(storage, session) == session
    execute(url, f"DROP USER {name}@'127.0.0.1'")
