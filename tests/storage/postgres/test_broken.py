"""A broken server: every error of it leaves as StorageUnavailableError, and the storage recovers by itself."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading

import psycopg
import pytest

from flask_tessera.errors import ConfigError, StorageUnavailableError
from flask_tessera.storage.from_url import open_storage
from flask_tessera.storage.sql.url import POOL
from flask_tessera.testing import WorkerProcesses, race
from flask_tessera.testing.contract.base import T0, begin, rotate, stored
from flask_tessera.testing.contract.breaking import CALLS, READS
from tests.faults import workers
from tests.servers import PostgresServer, wait_until

from ..calls import assert_unavailable, give_up_or_do
from ..databases import connect, execute

NAMES = [*CALLS]
OF_VALUES = {
    *("get", "put", "take", "increment", "list_values", "delete", "delete_owner", "purge_values", "read_values")
}


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
    fragile.revocations.wait(0, longest=0.01)
    with stopped(server):
        # Not who waits: nothing is sent for that, and it ends by its own time.
        names = [name for name in NAMES if name != "learn"]
        race(len(names), lambda number: assert_unavailable(CALLS[names[number]], fragile))
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


@pytest.mark.slow
@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("how", ["SIGINT", "SIGQUIT", "SIGKILL"])
def test_X5_a_server_that_was_started_again_costs_no_request(how, server, fragile):
    session = begin(fragile)
    race(8, lambda _number: fragile.sessions.find(session.sid))
    cursor = fragile.revocations.after(0, at=T0).cursor
    server.kill(signal.Signals[how])
    for call in CALLS.values():
        assert_unavailable(call, fragile)
    server.restart()
    for call in CALLS.values():
        call(fragile)
    assert stored(fragile, session).sid == session.sid
    fragile.revocations.after(cursor, at=T0)
    fragile.revocations.wait(cursor, longest=0.01)


@pytest.mark.slow
@pytest.mark.usefixtures("patient")
def test_X5_idle_connections_that_the_server_has_closed_are_not_used(url):
    """Whatever the call: none is sent on a connection that is gone."""
    name = "to be closed"
    storage = open_storage(f"{url}&application_name=to%20be%20closed")
    begin(storage)
    for call in CALLS.values():
        race(4, lambda _number: storage.sessions.newest())
        storage.revocations.wait(0, longest=0.01)
        where = f"FROM pg_stat_activity WHERE application_name = '{name}'"
        execute(url, f"SELECT pg_terminate_backend(pid, 5000) {where}")
        assert execute(url, f"SELECT count(*) {where}") == [(0,)]
        call(storage)
    storage.close()


@pytest.mark.slow
def test_X5_endings_are_found_after_a_crash_that_took_back_what_was_not_committed():
    """Numbers of entries are taken in the transaction that writes them, so none is given twice."""
    with PostgresServer(settings={"wal_writer_delay": "10s"}) as server:
        storage = open_storage(server.url)
        end_some(storage, 1)
        execute(server.url, "CHECKPOINT")
        end_some(storage, 20)
        page = storage.revocations.after(0, at=T0)
        (before,) = execute(server.url, "SELECT pg_current_xact_id()::text")
        server.kill(signal.SIGKILL)
        server.restart()
        (after,) = execute(server.url, "SELECT pg_current_xact_id()::text")
        assert int(after[0]) < int(before[0])
        (sid,) = end_some(storage, 1)
        assert sid in [entry.sid for entry in storage.revocations.after(page.cursor, at=T0).entries]
        storage.close()


def end_some(storage, count):
    sessions = [begin(storage) for _ in range(count)]
    for session in sessions:
        storage.sessions.end(session.sid, "logout", at=T0)
    return [session.sid for session in sessions]


CUT_WHO_IS_ACTIVE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'flask-tessera' AND state = 'active'"""


@pytest.mark.slow
@pytest.mark.usefixtures("patient")
def test_X5_a_refresh_whose_connection_is_cut_is_answered_like_the_one_that_was_lost(server, fragile):
    """The server ends its connections while it rotates: retried by itself or by the client, there is one successor."""
    session = begin(fragile)
    stop = threading.Event()

    def cut():
        with contextlib.suppress(psycopg.Error):
            while not stop.is_set():
                execute(server.url, CUT_WHO_IS_ACTIVE)

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        for gen in range(300):
            outcomes = []
            while not outcomes:
                with contextlib.suppress(StorageUnavailableError):
                    outcomes.append(rotate(fragile, session, gen, T0))
            assert outcomes[0].outcome in ("rotated", "same")
            assert outcomes[0].session.gen == gen + 1
    finally:
        stop.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.usefixtures("patient")
def test_X5_a_refresh_whose_connection_is_cut_once_is_repeated_by_itself(server, fragile):
    session = begin(fragile)
    cuts = []

    def cut(cutter, is_over):
        while not is_over.is_set():
            if rows := cutter.execute(CUT_WHO_IS_ACTIVE).fetchall():
                cuts.extend(rows)
                return

    with psycopg.connect(server.url, autocommit=True) as cutter:
        for gen in range(300):
            is_over = threading.Event()
            thread = threading.Thread(target=cut, args=(cutter, is_over))
            thread.start()
            try:
                result = rotate(fragile, session, gen, T0)
            finally:
                is_over.set()
                thread.join()
            assert result.outcome in ("rotated", "same")
            assert result.session.gen == gen + 1
            # A cut that came when all was answered is not for the next one.
            for _ in range(2):
                with contextlib.suppress(StorageUnavailableError):
                    fragile.check()
    assert cuts


@pytest.mark.slow
def test_X5_a_database_that_may_only_be_read_says_so_and_recovers(server, fragile):
    session = begin(fragile)
    fragile.revocations.after(0, at=T0)
    fragile.revocations.wait(0, longest=0.01)
    execute(server.url, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    wait_until(lambda: is_read_only(server.url), "it is read-only")
    fragile.close()
    for name, call in CALLS.items():
        if name in READS:
            call(fragile)
        elif name not in (
            *("purge", "purge_values", "drop_expired", "confirm", "touch", "rotate"),
            "authenticate_again",
        ):
            with pytest.raises(StorageUnavailableError, match=r"\(25006\)"):
                call(fragile)
    with pytest.raises(StorageUnavailableError, match=r"\(25006\)"):
        rotate(fragile, session, 0, T0)
    execute(
        server.url,
        "SET default_transaction_read_only = off",
        "ALTER SYSTEM RESET default_transaction_read_only",
        "SELECT pg_reload_conf()",
    )
    wait_until(lambda: not is_read_only(server.url), "it can be written")
    fragile.close()
    assert rotate(fragile, session, 0, T0).outcome == "rotated"


def is_read_only(url):
    return execute(url, "SHOW default_transaction_read_only") == [("on",)]


@pytest.mark.slow
def test_X5_too_many_connections_are_a_storage_that_is_unavailable(tmp_path):
    with PostgresServer(settings={"max_connections": "6", "superuser_reserved_connections": "0"}) as server:
        storage = open_storage(server.url)
        session = begin(storage)
        storage.close()
        held = []
        with contextlib.suppress(psycopg.OperationalError):
            while len(held) < 20:
                held.append(psycopg.connect(server.url))
        for call in CALLS.values():
            assert_unavailable(call, storage)
        for connection in held:
            connection.close()
        wait_until(lambda: is_available(storage), "a connection is free")
        assert stored(storage, session) == session
        storage.close()


def is_available(storage):
    try:
        storage.check()
    except StorageUnavailableError:
        return False
    return True


@pytest.mark.slow
def test_X5_a_schema_that_was_dropped_is_made_anew_at_the_next_step(store, url):
    begin(store)
    store.revocations.wait(store.revocations.after(0, at=T0).cursor, longest=0.01)
    for call in CALLS.values():
        execute(url, f"DROP SCHEMA {url.partition('schema=')[2]} CASCADE")
        give_up_or_do(call, store)
        begin(store)


@pytest.mark.parametrize("table", ["sessions", "principals", "entries", "values"])
def test_X5_a_single_table_that_was_dropped_is_never_another_error(table, store, url):
    begin(store)
    with connect(url) as connection:
        connection.execute(f"DROP TABLE tessera_{table}")
    for call in CALLS.values():
        give_up_or_do(call, store)


@pytest.mark.slow
def test_X5_a_table_that_is_locked_is_not_waited_for_for_ever(store, url):
    session = begin(store)
    store.revocations.after(0, at=T0)
    apart = {"after", "head", "learn", "append", "restart", "drop_expired", "describe"}
    names = [name for name in NAMES if name not in apart and name not in OF_VALUES]
    with connect(url) as connection, connection.transaction():
        connection.execute("LOCK TABLE tessera_sessions, tessera_principals")
        race(len(names), lambda number: give_up_or_do(CALLS[names[number]], store))
        assert_unavailable(CALLS["find"], store)
        store.revocations.head(at=T0)
    assert stored(store, session) == session


@pytest.mark.slow
def test_X5_more_threads_than_connections_give_up_on_one_another(store, url):
    begin(store)
    with connect(url) as connection, connection.transaction():
        connection.execute("LOCK TABLE tessera_sessions")
        race(3 * POOL, lambda _number: assert_unavailable(CALLS["find"], store))
    assert race(3 * POOL, lambda _number: store.sessions.find(b"")) == [None] * (3 * POOL)
    count = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'flask-tessera' AND query LIKE '%%tessera%%'"
    )
    assert execute(url, count)[0][0] <= 10 * POOL


@pytest.mark.usefixtures("patient")
def test_X5_a_deadlock_with_another_program_is_tried_again_or_told(store, url):
    first, second = begin(store), begin(store, "8")

    def step(number):
        if number == 0:
            return store.sessions.end_user("", "7", "kick", at=T0)
        with contextlib.suppress(psycopg.errors.DeadlockDetected), connect(url) as connection, connection.transaction():
            connection.execute("SELECT 1 FROM tessera_sessions WHERE user_id = '7' FOR UPDATE")
            connection.execute("SELECT 1 FROM tessera_principals WHERE user_id = '7' FOR UPDATE")
        return None

    for _ in range(5):
        race(2, step)
    assert stored(store, first).ended_at
    assert not stored(store, second).ended_at


def test_X13_a_text_that_postgres_cannot_keep_is_a_clear_error(store):
    begin(store)
    for text in ("a\0b", "\ud800"):
        for call in (
            lambda text=text: begin(store, text),
            lambda text=text: store.sessions.principal("", text),
            lambda text=text: store.sessions.end_user(text, "7", "kick", at=T0),
        ):
            with pytest.raises(StorageUnavailableError, match="PostgreSQL cannot keep") as caught:
                call()
            assert text not in str(caught.value)
    with pytest.raises(StorageUnavailableError, match="NumericValueOutOfRange"):
        begin(store, created_at=2**63)
    begin(store)


def test_G02_no_error_repeats_a_password_a_statement_or_a_value(server):
    addresses = [
        server.url.replace("postgres@", "nobody-here:pa55word@"),
        server.url.replace("127.0.0.1", "no-such-host.invalid").replace("postgres@", "postgres:pa55word@"),
        server.url.replace("postgres@", "postgres:pa55word@").removesuffix("postgres") + "nowhere",
        "postgresql://postgres:pa55word@127.0.0.1:1/postgres?sslmode=disable",
    ]
    for address in addresses:
        storage = open_storage(address)
        with pytest.raises(StorageUnavailableError) as caught:
            begin(storage, "a-user-id")
        said = str(caught.value)
        assert said
        assert not any(word in said for word in ("pa55word", "a-user-id", "SELECT", "127.0.0.1"))


def test_X15_a_role_that_lacks_a_right_is_told_what_to_grant(server):
    execute(
        server.url,
        "DROP SCHEMA IF EXISTS tessera CASCADE",
        "DROP ROLE IF EXISTS weak",
        "CREATE ROLE weak LOGIN",
    )
    url = server.url.replace("postgres@", "weak@")
    storage = open_storage(url)
    with pytest.raises(ConfigError, match='CREATE SCHEMA "tessera" AUTHORIZATION "weak"') as caught:
        storage.check()
    execute(server.url, "CREATE SCHEMA tessera")
    with pytest.raises(ConfigError, match='GRANT USAGE, CREATE ON SCHEMA "tessera" TO "weak"'):
        storage.check()
    owner = open_storage(server.url)
    begin(owner)
    with pytest.raises(ConfigError, match="GRANT USAGE ON SCHEMA") as caught:
        storage.check()
    execute(server.url, *str(caught.value).partition("run: ")[2].rstrip(";").split("; "))
    session = begin(storage)
    assert stored(owner, session) == session
    storage.sessions.end(session.sid, "kick", at=T0)
    assert storage.revocations.after(0, at=T0).log_id
    assert storage.revocations.after(0, at=T0).log_id == owner.revocations.after(0, at=T0).log_id
    for each in (storage, owner):
        each.close()


def test_X15_a_database_of_another_encoding_is_refused(server):
    execute(server.url, "DROP DATABASE IF EXISTS latin")
    execute(server.url, "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    storage = open_storage(server.url.removesuffix("postgres") + "latin")
    with pytest.raises(ConfigError, match="UTF8"):
        storage.check()


FORKING = """
import os, sys
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing.contract.base import T0, begin, rotate, stored
storage = open_storage(sys.argv[1])
session = begin(storage)
cursor = storage.revocations.after(0, at=T0).cursor
storage.revocations.wait(cursor, longest=0.01)
number = storage.revocations.head(at=T0).number
for turn in range(5):
    child = os.fork()
    if not child:
        assert rotate(storage, session, turn, T0).outcome == "rotated"
        other = begin(storage)
        storage.sessions.end(other.sid, "logout", at=T0)
        storage.revocations.wait(cursor, longest=0.01)
        assert storage.revocations.after(cursor, at=T0).entries
        storage.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    before, number = number, storage.revocations.head(at=T0).number
    assert number == before + 1
    assert stored(storage, session).gen == turn + 1
    storage.revocations.wait(cursor, longest=0.01)
    assert len(storage.revocations.after(0, at=T0).entries) == turn + 1
begin(storage)
storage.close()
print("done")
"""


@pytest.mark.slow
def test_X12_a_fork_after_first_use_gives_the_child_connections_of_its_own(url):
    command = [sys.executable, "-W", "error", "-c", FORKING, url]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


GREEN = """
from gevent import monkey
monkey.patch_all()
import sys
import gevent
from flask_tessera.errors import StorageUnavailableError
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing.contract.base import T0, begin
storage = open_storage(sys.argv[1])
session = begin(storage)
ticks = []
def tick():
    while True:
        gevent.sleep(0.01)
        ticks.append(1)
gevent.spawn(tick)
cursor = storage.revocations.after(0, at=T0).cursor
waiting = gevent.spawn(storage.revocations.wait, cursor, longest=20)
while not storage.revocations._channels:
    gevent.sleep(0.01)
storage.sessions.end(begin(storage).sid, "kick", at=T0)
waiting.get(timeout=10)
def find():
    try:
        storage.sessions.find(session.sid)
    except StorageUnavailableError:
        return "unavailable"
    return "found"
found = [gevent.spawn(find) for _ in range(40)]
assert {each.get() for each in found} == {"found"}
print("stop the server", flush=True)
sys.stdin.readline()
ticks.clear()
hung = [gevent.spawn(find) for _ in range(20)]
gevent.joinall(hung)
assert len(ticks) > 20
assert {each.value for each in hung} == {"unavailable"}
print("let it go on", flush=True)
sys.stdin.readline()
assert find() == "found"
storage.close()
print("done")
"""


@pytest.mark.slow
def test_X12_under_gevent_who_waits_for_a_server_that_hangs_holds_nobody_up(server, fragile):
    fragile.check()
    command = [sys.executable, "-c", GREEN, server.url]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, text=True, **pipes) as process, contextlib.ExitStack() as undoing:
        assert process.stdout.readline() == "stop the server\n"
        server.stop()
        undoing.callback(server.cont)
        process.stdin.write("stopped\n")
        process.stdin.flush()
        assert process.stdout.readline() == "let it go on\n", process.stderr.read()
        server.cont()
        assert process.communicate("going on\n", timeout=30) == ("done\n", "")


def test_X5_without_the_driver_the_extra_is_named():
    script = (
        "import sys\nsys.modules['psycopg'] = None\n"
        "from flask_tessera.errors import ConfigError\nfrom flask_tessera.storage.from_url import open_storage\n"
        "try:\n    open_storage('postgresql://host/db')\nexcept ConfigError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert "add the extra [postgres] " in done.stdout


def test_X1_processes_that_are_killed_leave_nothing_behind(store, url):
    session = begin(store)
    with WorkerProcesses(2, workers.contract_steps, url) as processes:
        for gen in range(10):
            order = ("sessions", "rotate", (session.sid, gen), {"at": T0, "leeway": 15, "idle": 900})
            processes.send(0, order)
            if gen % 2:
                processes.kill(0)
                processes.restart(0)
            else:
                processes.receive(0)
            assert processes.call(1, order).outcome in ("rotated", "same")
            assert stored(store, session).gen == gen + 1
    assert os.getpid()
