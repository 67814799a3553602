"""A broken storage: every error of it leaves as StorageUnavailableError, and it recovers by itself."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import sqlalchemy

from flask_tessera.errors import StorageUnavailableError
from flask_tessera.storage.from_url import open_engine, open_storage
from flask_tessera.testing import WorkerProcesses, race
from flask_tessera.testing.contract.base import T0, begin
from flask_tessera.testing.contract.breaking import CALLS, READS, SID
from tests.faults import workers

from .calls import assert_unavailable, give_up_or_do

WRITES = CALLS.keys() - READS - {"purge"}


def is_unavailable(call, storage):
    try:
        call(storage)
    except StorageUnavailableError:
        return True
    return False


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_F02_a_directory_in_place_of_the_file(call, path, store):
    path.mkdir()
    assert_unavailable(call, store)
    path.rmdir()
    store.check()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_F02_a_file_that_is_no_database(call, path, store):
    path.write_bytes(b"what is this? " * 1000)
    assert_unavailable(call, store)
    path.unlink()
    store.check()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_F02_no_folder_for_the_file(call, path):
    storage = open_storage(f"sqlite:///{path.parent / 'missing' / 'tessera.db'}")
    assert_unavailable(call, storage)
    (path.parent / "missing").mkdir()
    storage.check()
    storage.close()


def test_F02_a_database_that_is_damaged_under_a_running_process(path, store):
    for _ in range(300):
        begin(store, user_agent="x" * 500)
    store.close()
    store.revocations.stamp()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xa5" * (size - 8192))
    broken = [name for name, call in CALLS.items() if is_unavailable(call, store)]
    assert {"find", "add", "rotate"} <= set(broken)


def test_F02_tables_that_somebody_dropped_are_made_anew(path, store):
    """As on a server: the step that finds them gone fails, the next one has a connection that sees to it."""
    begin(store)
    store.revocations.stamp()
    with WorkerProcesses(1, workers.raw_sqlite, str(path)) as processes:
        for name in CALLS.keys() - {"learn", "check", "describe"}:
            for table in ("sessions", "principals", "entries", "log", "values"):
                processes.call(0, f"DROP TABLE tessera_{table}")
            assert_unavailable(CALLS[name], store)
            CALLS[name](store)


@pytest.mark.repeats("mode")
@pytest.mark.parametrize("mode", ["IMMEDIATE", "EXCLUSIVE"])
def test_X4_while_another_process_holds_the_lock_writes_give_up_and_reads_go_on(mode, path, store):
    begin(store)
    store.revocations.stamp()
    with WorkerProcesses(1, workers.raw_sqlite, str(path)) as processes:
        processes.call(0, f"BEGIN {mode}")
        assert_unavailable(CALLS["rotate"], store)
        assert store.sessions.find(SID) is None
        assert store.revocations.stamp()
        processes.call(0, "ROLLBACK")
        assert store.sessions.end_user("", "7", "kick", at=T0)


def test_X4_many_threads_give_up_while_another_process_holds_the_lock(path, store):
    begin(store)
    with WorkerProcesses(1, workers.raw_sqlite, str(path)) as processes:
        processes.call(0, "BEGIN EXCLUSIVE")
        race(12, lambda _number: assert_unavailable(CALLS["rotate"], store))
        processes.call(0, "ROLLBACK")
    begin(store)


def test_X4_a_hosts_locked_file_holds_no_call_up_for_ever(tmp_path):
    """Without a WAL an exclusive lock keeps readers out too."""
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'host.db'}")
    storage = open_engine(engine)
    begin(storage)
    storage.revocations.stamp()
    names = [*CALLS]
    with WorkerProcesses(1, workers.raw_sqlite, str(tmp_path / "host.db")) as processes:
        processes.call(0, "BEGIN EXCLUSIVE")
        race(len(names), lambda number: give_up_or_do(CALLS[names[number]], storage))
        processes.call(0, "ROLLBACK")
    storage.check()
    storage.close()
    engine.dispose()


def test_X4_a_file_that_is_locked_at_start_is_opened_later(path, store):
    with WorkerProcesses(1, workers.raw_sqlite, str(path)) as processes:
        processes.call(0, "BEGIN EXCLUSIVE")
        race(6, lambda _number: assert_unavailable(CALLS["add"], store))
        processes.call(0, "ROLLBACK")
    begin(store)


def test_only_errors_of_writes_say_that_the_outcome_may_be_unknown(path, store):
    begin(store)
    with WorkerProcesses(1, workers.raw_sqlite, str(path)) as processes:
        processes.call(0, "DROP TABLE tessera_sessions")
    for name in ("add", "find"):
        with pytest.raises(StorageUnavailableError) as caught:
            CALLS[name](store)
        assert caught.value.writing is (name in WRITES)


PREAMBLE = """
import os, resource, sys
from flask_tessera.errors import StorageUnavailableError
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing.contract.base import T0, begin, rotate, stored
path = sys.argv[1]
storage = open_storage(f"sqlite:///{path}")
def is_refused(function, *arguments, **options):
    try:
        function(*arguments, **options)
    except StorageUnavailableError:
        return True
    return False
"""


def run_script(script, path):
    """Run a script in a fresh interpreter; it must print "done"."""
    command = [sys.executable, "-W", "error", "-c", PREAMBLE + script, str(path)]
    # Who gives up his rights in the script could not write what a measurement of coverage has found.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@pytest.mark.slow
@pytest.mark.unix("limits of resources")
def test_X3_a_full_disk_is_a_storage_that_is_unavailable(path):
    run_script(
        """
session = begin(storage, user_agent="x" * 1000)
storage.revocations.stamp()
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(path + "-wal") + 8192, limits[1]))
written = []
while not is_refused(lambda: written.append(begin(storage, user_agent="y" * 5000))):
    assert len(written) < 50
assert is_refused(begin, storage, user_agent="y" * 9000)
assert stored(storage, session) == session
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
written.append(begin(storage))
assert [stored(storage, each) for each in written] == written
print("done")
""",
        path,
    )


@pytest.mark.unix("limits of resources")
def test_X3_a_disk_that_is_full_from_the_start(path):
    run_script(
        """
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
assert is_refused(begin, storage)
assert is_refused(storage.revocations.stamp)
assert is_refused(storage.check)
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
storage.check()
begin(storage)
print("done")
""",
        path,
    )


@pytest.mark.unix("limits of resources")
def test_X12_no_file_descriptors_left(path):
    run_script(
        """
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
held = []
resource.setrlimit(resource.RLIMIT_NOFILE, (64, limits[1]))
try:
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
assert is_refused(begin, storage)
assert is_refused(storage.revocations.stamp)
while held:
    os.close(held.pop())
session = begin(storage)
storage.revocations.stamp()
assert stored(storage, session) == session
print("done")
""",
        path,
    )


@pytest.mark.unix("rights by mode")
def test_F02_a_read_only_folder_is_a_storage_that_is_unavailable():
    # Nobody's own folder, since root may write everywhere.
    with tempfile.TemporaryDirectory() as folder:
        if os.getuid() == 0:
            os.chown(folder, 65534, 65534)
        run_script(
            """
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
folder = os.path.dirname(path)
os.chmod(folder, 0o500)
assert is_refused(storage.check)
assert is_refused(storage.revocations.stamp)
os.chmod(folder, 0o700)
session = begin(storage)
storage.close()
os.chmod(path, 0o400)
os.chmod(folder, 0o500)
assert is_refused(storage.check)
assert is_refused(begin, storage)
os.chmod(folder, 0o700)
os.chmod(path, 0o600)
storage.check()
assert stored(storage, session) == session
print("done")
""",
            Path(folder) / "tessera.db",
        )


@pytest.mark.unix("fork")
def test_X12_a_fork_after_first_use_gives_the_child_connections_of_its_own(path):
    run_script(
        """
session = begin(storage)
storage.revocations.stamp()
for turn in range(5):
    child = os.fork()
    if not child:
        assert rotate(storage, session, turn, T0).outcome == "rotated"
        storage.revocations.stamp()
        other = begin(storage)
        storage.sessions.end(other.sid, "logout", at=T0)
        os._exit(0)
    stamp = storage.revocations.stamp()
    assert os.waitpid(child, 0)[1] == 0
    assert storage.revocations.stamp() != stamp
    assert stored(storage, session).gen == turn + 1
    assert len(storage.revocations.after(0, at=T0).entries) == turn + 1
begin(storage)
print("done")
""",
        path,
    )


@pytest.mark.slow
@pytest.mark.unix("fork")
def test_X12_a_fork_while_other_threads_hold_every_lock_leaves_the_child_alive(path):
    run_script(
        """
import threading
from flask_tessera.services.activity import ActivityWriter
from flask_tessera.services.keys import sid_text
from flask_tessera.services.revocation import RevocationView
from flask_tessera.tokens.claims import Claims
session = begin(storage)
storage.revocations.stamp()
view, activity = RevocationView(storage.revocations), ActivityWriter(storage.sessions, lambda: T0, lambda event: None)
memory = open_storage("memory:")
locks = [storage._database.write_lock, view._lock, activity._lock,
         memory.sessions._store._database.write_lock]
watch = storage.revocations
locks.append(watch._lock)
held, done = threading.Event(), threading.Event()
def hold():
    for lock in locks:
        lock.acquire()
    held.set()
    done.wait()
    for lock in locks:
        lock.release()
thread = threading.Thread(target=hold)
thread.start()
held.wait()
child = os.fork()
if not child:
    assert rotate(storage, session, 0, T0).outcome == "rotated"
    storage.sessions.end(begin(storage).sid, "logout", at=T0)
    claims = Claims(sub="7", sid="x", gen=0, ep=0, iat=T0, exp=T0 + 900)
    assert view.refusal(claims, at=T0) == ""
    activity.record(sid_text(session.sid), 1, T0)
    activity.flush()
    assert stored(storage, session).confirmed
    begin(memory)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
done.set()
thread.join()
assert stored(storage, session).confirmed
begin(storage)
print("done")
""",
        path,
    )


@pytest.mark.unix("fork")
def test_X12_a_fork_waits_for_the_transaction_of_another_thread(path):
    run_script(
        """
import threading
begin(storage)
began, forked = threading.Event(), threading.Event()
def write():
    def work(transaction):
        transaction.read()
        began.set()
        # A fork that does not wait comes within this time.
        forked.wait(0.5)
    storage._database.transact(work)
thread = threading.Thread(target=write)
thread.start()
began.wait()
child = os.fork()
if not child:
    begin(storage)
    os._exit(0)
forked.set()
thread.join()
assert os.waitpid(child, 0)[1] == 0
begin(storage)
print("done")
""",
        path,
    )
