"""What holds for a SQLite file: its settings, and what may happen to it under a running process."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy
from msgspec.structs import replace
from sqlalchemy.pool import QueuePool

from flask_tessera.errors import ConfigError, StorageUnavailableError
from flask_tessera.sessions.revocations import Revocation
from flask_tessera.storage.from_url import is_in_memory, open_engine, open_storage
from flask_tessera.storage.memory import MemoryStorage
from flask_tessera.storage.model import Page
from flask_tessera.storage.sql import values
from flask_tessera.storage.sql.sqlite import SQLiteStorage
from flask_tessera.testing import Clock
from flask_tessera.testing.contract.base import IDLE, LEEWAY, T0, begin, new_session, rotate, stored


@pytest.fixture
def steady():
    """Stands until a test lets it go: the look of each second comes when it is called for."""
    return Clock(1000)


@pytest.fixture
def timed(path, steady):
    storage = SQLiteStorage(str(path), steady=steady)
    yield storage
    storage.close()


def remove(path):
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def pragma(path, name):
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]
    finally:
        connection.close()


@pytest.mark.unix("rights by mode")
def test_the_file_its_journal_and_its_side_file_are_for_their_owner_only(store, path):
    before = os.umask(0)
    try:
        begin(store)
        store.revocations.stamp()
    finally:
        os.umask(before)
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["tessera.db", "tessera.db-shm", "tessera.db-tessera", "tessera.db-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_F01_our_own_file_has_a_wal_and_durable_commits(store, path):
    begin(store)
    assert pragma(path, "journal_mode") == "wal"
    assert store._database.read(("PRAGMA synchronous", ())) == [[(2,)]]


def test_a_file_says_what_it_promises(store, tmp_path):
    assert store.describe().engine == f"SQLite {sqlite3.sqlite_version}"
    assert store.describe().warnings == ()
    assert "a power cut" in store.describe().durability
    store._database.read(("PRAGMA synchronous=OFF", ()))
    assert [warning for warning in store.describe().warnings if "synchronous=OFF" in warning]


@pytest.mark.parametrize("journal", ["memory", "off"])
def test_a_hosts_file_whose_journal_outlives_no_process_is_told(tmp_path, journal):
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'host.db'}")
    storage = open_engine(engine)
    storage.check()
    storage._database.read((f"PRAGMA journal_mode={journal}", ()))
    destroys = f"journal_mode={journal}: a process that dies in a commit destroys the file"
    assert storage.describe().warnings == (destroys,)
    storage.close()
    engine.dispose()


def test_a_hosts_file_and_its_connections_keep_their_pragmas(tmp_path):
    names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "cache_size", "locking_mode")
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'host.db'}", poolclass=QueuePool, pool_size=1)

    def settings():
        with engine.connect() as connection:
            return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    before = settings()
    storage = open_engine(engine)
    begin(storage)
    storage.check()
    assert settings() == before
    assert pragma(tmp_path / "host.db", "journal_mode") == "delete"
    storage.close()
    engine.dispose()


def test_a_host_that_begins_every_transaction_by_hand_can_lend_its_database(tmp_path):
    """The recipe of SQLAlchemy's documentation for SAVEPOINTs with SQLite."""
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'host.db'}")

    @sqlalchemy.event.listens_for(engine, "begin")
    def begin_by_hand(connection):
        connection.exec_driver_sql("BEGIN")

    storage = open_engine(engine)
    session = begin(storage)
    assert stored(storage, session) == session
    storage.close()
    engine.dispose()


def test_a_hosts_open_transaction_and_empty_pool_do_not_hold_us_up(tmp_path):
    engine = sqlalchemy.create_engine(
        f"sqlite:///{tmp_path / 'host.db'}", poolclass=QueuePool, pool_size=1, max_overflow=0
    )
    storage = open_engine(engine)
    with engine.connect() as held:
        held.exec_driver_sql("SELECT 1").fetchall()
        session = begin(storage)
        held.rollback()
    assert stored(storage, session) == session
    storage.close()
    engine.dispose()


@pytest.mark.parametrize(
    "address",
    ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true", "sqlite:///file:/tmp/x.db?uri=true"],
)
def test_X15_a_host_with_sqlite_in_memory_is_refused(address):
    engine = sqlalchemy.create_engine(address, poolclass=QueuePool)
    with pytest.raises(ConfigError, match="STORE_URL"):
        open_engine(engine)
    engine.dispose()


@pytest.mark.parametrize("address", ["sqlite:", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///a.db?x=1"])
def test_X15_sqlite_in_memory_or_with_options_is_refused(address):
    with pytest.raises(ConfigError, match="STORE_URL"):
        open_storage(address)


def test_X15_another_dialect_is_refused_by_name():
    with pytest.raises(ConfigError, match="oracle is not supported"):
        open_engine(SimpleNamespace(url=sqlalchemy.make_url("oracle://host/db"), raw_connection=None))


def test_X15_what_has_no_engine_is_refused():
    with pytest.raises(ConfigError, match="engine"):
        open_engine(object())


def test_F06_a_newer_schema_is_refused_and_left_as_it_is(store, path):
    begin(store)
    store.close()
    connection = sqlite3.connect(path)
    connection.executescript("UPDATE tessera_log SET schema_version = 99; DROP TABLE tessera_entries")
    connection.close()
    with pytest.raises(ConfigError, match="version 99"):
        store.check()
    assert pragma(path, "user_version") == 0
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'tessera_entries'").fetchone() is None
    connection.close()


def test_R10_a_log_without_its_name_is_named_again(store, path):
    begin(store)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DELETE FROM tessera_log")
    connection.close()
    with pytest.raises(StorageUnavailableError, match="has no row"):
        store.revocations.after(0, at=T0)
    store.close()
    assert store.revocations.after(0, at=T0 + 5).created_at == T0 + 5


@pytest.mark.unix("way to take away a file that is open")
def test_X9_a_deleted_file_is_another_log_in_which_nobody_is_known(timed, steady, path):
    session = begin(timed)
    name = timed.revocations.after(0, at=T0).log_id
    stamp = timed.revocations.stamp()
    remove(path)
    steady.advance(1)
    assert timed.revocations.stamp() != stamp
    page = timed.revocations.after(0, at=T0 + 50)
    assert page.log_id != name
    assert page.created_at == T0 + 50
    assert timed.sessions.find(session.sid) is None
    assert rotate(timed, begin(timed), 0, T0).outcome == "rotated"


@pytest.mark.unix("way to take away a file that is open")
def test_X9_a_step_that_finds_the_file_deleted_makes_a_new_one(store, path):
    begin(store)
    remove(path)
    session = begin(store)
    with open_storage_at(path) as other:
        assert stored(other, session) == session


@pytest.mark.unix("way to take away a file that is open")
def test_X9_a_file_that_is_gone_and_comes_back_is_found_again(timed, steady, path):
    session = begin(timed)
    name = timed.revocations.after(0, at=T0).log_id
    timed.close()
    away = path.with_name("away")
    shutil.copy(path, away)
    remove(path)
    begin(timed)
    timed.close()
    remove(path)
    away.rename(path)
    steady.advance(1)
    timed.revocations.stamp()
    assert stored(timed, session) == session
    assert timed.revocations.after(0, at=T0).log_id != name


@pytest.mark.unix("way to take away a file that is open")
def test_X9_a_restored_older_copy_is_another_log_though_it_has_grown_since(timed, steady, path):
    timed.sessions.end(begin(timed).sid, "logout", at=T0)
    timed.close()
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    lost = begin(timed)
    timed.sessions.end(lost.sid, "logout", at=T0)
    before = timed.revocations.after(0, at=T0)
    remove(path)
    copy.rename(path)
    with open_storage_at(path) as other:
        for _ in range(3):
            other.sessions.end(begin(other).sid, "logout", at=T0)
    page = timed.revocations.after(before.cursor, at=T0)
    assert page.log_id != before.log_id


@pytest.mark.unix("way to take away a file that is open")
def test_X9_a_restored_copy_knows_nothing_of_tokens_issued_before_it_was_put_back(timed, path):
    assert timed.revocations.after(0, at=T0).created_at == T0
    timed.close()
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    remove(path)
    copy.rename(path)
    assert [timed.revocations.after(0, at=T0 + at).created_at for at in (50, 60)] == [T0 + 50, T0 + 50]


def test_X9_a_log_that_is_shorter_than_what_was_read_is_read_from_its_beginning(store):
    store.sessions.end(begin(store).sid, "logout", at=T0)
    page = store.revocations.after(500, at=T0)
    assert len(page.entries) == 1
    assert page.cursor == 1


def test_X1_an_ending_whose_process_died_before_it_told_is_found_within_a_second(timed, other, steady):
    session = begin(timed)
    stamp = timed.revocations.stamp()
    # What a process leaves that is killed between commit and side file: the rows, and nothing else.
    other.sessions._store._announce = lambda: None
    other.sessions.end(session.sid, "logout", at=T0)
    assert timed.revocations.stamp() == stamp
    steady.advance(1)
    assert timed.revocations.stamp() != stamp


def test_X1_ending_again_tells_everybody_since_the_first_may_have_died(timed, other):
    session = begin(timed)
    other.sessions.end(session.sid, "logout", at=T0)
    stamp = timed.revocations.stamp()
    assert not other.sessions.end(session.sid, "logout", at=T0).by_this_call
    assert timed.revocations.stamp() != stamp


def test_a_look_that_finds_nothing_new_leaves_the_stamp(timed, steady):
    begin(timed)
    stamp = timed.revocations.stamp()
    for _ in range(5):
        steady.advance(1)
        assert timed.revocations.stamp() == stamp


@pytest.mark.unix("way to take away a file that is open")
def test_X9_a_deleted_side_file_is_made_anew_by_the_next_ending(timed, other, steady, path):
    side_file = path.with_name("tessera.db-tessera")
    session = begin(timed)
    stamp = timed.revocations.stamp()
    side_file.unlink()
    other.sessions.end(session.sid, "logout", at=T0)
    assert side_file.exists()
    steady.advance(1)
    after = timed.revocations.stamp()
    assert after != stamp
    other.sessions.end(session.sid, "logout", at=T0)
    assert timed.revocations.stamp() != after


@pytest.mark.unix("symbolic links for everybody")
def test_X9_a_link_in_place_of_the_side_file_leads_into_no_other_file(timed, other, steady, path, tmp_path):
    foreign = tmp_path / "foreign"
    foreign.write_bytes(b"as it was")
    side_file = path.with_name("tessera.db-tessera")
    session = begin(timed)
    stamp = timed.revocations.stamp()
    side_file.unlink()
    side_file.symlink_to(foreign)
    other.sessions.end(session.sid, "logout", at=T0)
    steady.advance(1)
    assert timed.revocations.stamp() != stamp
    assert foreign.read_bytes() == b"as it was"


@pytest.mark.unix("way to take away a file that is open")
def test_F02_a_side_file_that_cannot_be_made_is_a_storage_that_is_unavailable(timed, steady, path):
    side_file = path.with_name("tessera.db-tessera")
    session = begin(timed)
    timed.revocations.stamp()
    side_file.unlink()
    side_file.mkdir()
    steady.advance(1)
    with pytest.raises(StorageUnavailableError):
        timed.revocations.stamp()
    # What is written is written, though nobody can be told; then it recovers by itself.
    assert timed.sessions.end(session.sid, "logout", at=T0).by_this_call
    side_file.rmdir()
    assert timed.revocations.stamp()


def test_S11_purge_ends_with_the_table_though_little_of_it_is_dead(store):
    for number in range(30):
        begin(store, idle_until=T0 + 900 if number in (0, 29) else T0 + 9000)
    assert store.sessions.purge(at=T0 + 900, most=7) == 2
    assert store.sessions.purge(at=T0 + 900, most=7) == 0


@pytest.mark.skipif(os.name != "nt" and not Path("/proc/self/fd").is_dir(), reason="no list of open files here")
def test_a_closed_storage_holds_no_file_open(timed, path):
    begin(timed)
    timed.revocations.stamp()
    timed.close()
    if os.name == "nt":
        path.unlink()  # refused while it is open
        return
    links = [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()]
    assert [link for link in links if link.startswith(str(path))] == []


def open_storage_at(path):
    return contextlib.closing(open_storage(f"sqlite:///{path}"))


def test_P8_others_get_at_the_write_lock_while_dead_sessions_are_removed(store, other):
    """Before each of many short transactions it is free: another handle queues at the file alone, as a process does."""
    living = begin(store)
    store.records.write(Page(tuple(new_session(idle_until=T0 + 1) for _ in range(2000))), at=T0)
    removed_by_each = []

    def see(statement):
        if statement.startswith("BEGIN IMMEDIATE"):
            other.sessions.touch([(living.sid, T0 + 1 + len(removed_by_each))], at=T0)
            removed_by_each.append(0)
        elif statement.startswith("DELETE"):
            removed_by_each[-1] += 1

    (connection,) = store._database._pool._idle
    connection.set_trace_callback(see)
    while store.sessions.purge(at=T0 + 1, most=500):
        pass
    assert sum(removed_by_each) == 2000
    assert max(removed_by_each) <= 100
    assert stored(store, living).last_seen_at == T0 + len(removed_by_each)


def test_S11_a_session_that_lives_again_when_it_is_to_be_removed_stays(store, other):
    """It was dead when it was found, without the lock."""
    dead, revived = begin(store, idle_until=T0 + 1), begin(store, idle_until=T0 + 1)
    (connection,) = store._database._pool._idle

    def revive(statement):
        if statement.startswith("BEGIN IMMEDIATE"):
            other.sessions.rotate(revived.sid, 0, at=T0, leeway=LEEWAY, idle=IDLE)

    connection.set_trace_callback(revive)
    assert store.sessions.purge(at=T0 + 1, most=9) == 1
    assert store.sessions.find(dead.sid) is None
    assert stored(store, revived).gen == 1


def test_S11_very_many_endings_are_forgotten_in_several_steps(store):
    """Those that may not be forgotten stay, and so does the end of the log."""
    entries = tuple(
        Revocation(T0 + (500 if number % 3 else 5000), "kick", number.to_bytes(16, "big")) for number in range(3500)
    )
    store.revocations.append(entries, at=T0)
    head = store.revocations.head(at=T0)
    dropped = [store.revocations.drop_expired(at=T0 + 500, most=1000, is_sure=True) for _ in range(4)]
    kept = tuple(entry for entry in entries if entry.forget_at > T0 + 500)
    assert dropped == [1000, 1000, len(entries) - len(kept) - 2000, 0]
    page = store.revocations.after(0, at=T0)
    while not page.is_whole:
        page = replace(store.revocations.after(page.cursor, at=T0), entries=())
    assert page.cursor == head.number
    assert store.revocations.after(0, at=T0).entries == kept[:500]


def test_X9_a_truncated_side_file_kills_nobody_and_the_next_ending_makes_it_whole(timed, other, path):
    session = begin(timed)
    before = timed.revocations.stamp()
    os.truncate(path.with_name("tessera.db-tessera"), 0)
    truncated = timed.revocations.stamp()
    assert truncated != before
    other.sessions.end(session.sid, "logout", at=T0)
    assert timed.revocations.stamp() != truncated
    assert path.with_name("tessera.db-tessera").stat().st_size == 16


@pytest.mark.unix("way to take away a file that is open")
def test_X9_a_replaced_side_file_delays_an_ending_until_the_next_look_at_most(timed, other, steady, path):
    session = begin(timed)
    before = timed.revocations.stamp()
    path.with_name("new").write_bytes(b"n" * 16)
    path.with_name("new").replace(path.with_name("tessera.db-tessera"))
    other.sessions.end(session.sid, "logout", at=T0)
    steady.advance(1)
    assert timed.revocations.stamp() != before


@pytest.mark.unix("symbolic links for everybody")
def test_two_names_of_one_file_share_a_side_file(timed, path):
    session = begin(timed)
    (path.parent / "elsewhere").mkdir()
    link = path.parent / "elsewhere" / "link.db"
    link.symlink_to(path)
    other = open_storage(f"sqlite:///{link}")
    before = timed.revocations.stamp()
    other.sessions.end(session.sid, "logout", at=T0)
    other.close()
    assert timed.revocations.stamp() != before
    assert [file.name for file in link.parent.iterdir()] == ["link.db"]


def test_F02_a_transaction_of_the_host_that_holds_the_file_is_named(tmp_path):
    path = tmp_path / "host.db"
    storage = open_engine(sqlalchemy.create_engine(f"sqlite:///{path}", poolclass=sqlalchemy.NullPool))
    storage.check()
    host = sqlite3.connect(path, isolation_level=None)
    host.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailableError, match=r"db\.session\.flush\(\) before login\(\)\): commit it first"):
        begin(storage)
    host.execute("ROLLBACK")
    host.close()
    begin(storage)
    storage.close()


DROPPED = """
import gc, sys
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing.contract.base import begin
for _ in range(2):
    storage = open_storage(sys.argv[1])
    begin(storage)
    storage.revocations.stamp()
    if len(sys.argv) > 2:
        storage.close()
    del storage
    gc.collect()
left = open_storage(sys.argv[1])
left.revocations.stamp()
"""


@pytest.mark.parametrize("closed", [(), ("closed",)])
def test_X12_a_storage_that_is_dropped_or_left_at_the_end_leaves_no_open_connection(url, closed):
    """Python 3.13 warns of connections that nobody has closed."""
    command = [sys.executable, "-W", "error", "-c", DROPPED, url, *closed]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_F02_a_folder_that_cannot_be_made_is_an_unavailable_storage_at_first_use(tmp_path):
    (tmp_path / "file").write_text("")
    storage = open_storage("sqlite:///tessera.db", folder=f"{tmp_path}/file/instance", make_folder=True)
    # Windows has its own words, in its own language.
    reason = "cannot be made: " + ("[^;]" if os.name == "nt" else "Not a directory")
    for step in (storage.check, storage.schema_state, storage.revocations.stamp):
        with pytest.raises(StorageUnavailableError, match=reason):
            step()


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("missing/tessera.db", r"there is no folder .*missing: make it, or name a file"),
        ("missing/deeper/tessera.db", r"there is no folder .*deeper: make it"),
        ("file/tessera.db", r"file is a file, not a folder: name a file"),
        ("folder", r"folder is a folder: name a file"),
    ],
)
def test_F02_what_is_wrong_with_the_place_of_the_file_is_told_with_what_to_do(tmp_path, path, fault):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for storage in (open_storage(f"sqlite:///{tmp_path}/{path}"), SQLiteStorage(f"{tmp_path}/{path}", is_ours=False)):
        for step in (storage.check, storage.schema_state, storage.revocations.stamp, storage.upgrade):
            with pytest.raises(StorageUnavailableError, match=fault):
                step()


@pytest.mark.unix("rights by mode")
@pytest.mark.parametrize("lacks", ["the folder's", "the file's"])
def test_F02_rights_that_are_lacking_are_told(tmp_path, lacks):
    if os.geteuid() == 0:
        pytest.skip("root may do everything")
    file = tmp_path / "tessera.db"
    with contextlib.closing(open_storage(f"sqlite:///{file}")) as storage:
        storage.check()
    place = file if lacks == "the file's" else tmp_path
    place.chmod(0o400 if lacks == "the file's" else 0o500)
    try:
        with pytest.raises(StorageUnavailableError, match=f"this process may not .*{place}.*: give its user the right"):
            begin(open_storage(f"sqlite:///{file}"))
    finally:
        place.chmod(0o700)


def test_a_folder_is_made_at_first_use_and_not_before(tmp_path):
    folder = tmp_path / "含 空格"
    storage = open_storage("sqlite:///数据 库.db", folder=str(folder), make_folder=True)
    assert not folder.exists()
    begin(storage)
    storage.close()
    assert (folder / "数据 库.db").exists()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite://", True),
        ("sqlite:///:memory:", True),
        ("sqlite:///file:name?mode=memory&cache=shared&uri=true", True),
        ("sqlite:///host.db", False),
        ("postgresql://localhost/memory", False),
    ],
)
def test_a_host_database_in_memory_is_known_by_its_address(url, expected):
    engine = SimpleNamespace(url=sqlalchemy.make_url(url), raw_connection=None)
    assert is_in_memory(engine) is is_in_memory(SimpleNamespace(engine=engine)) is expected


@pytest.mark.parametrize("statement", [values._LIST, values._NEWEST, values._SURPLUS])
def test_the_values_of_a_user_are_found_without_reading_those_of_all(statement):
    """SQLite reads keys in their order rather than sort them; then it must be those between two bounds."""
    storage = MemoryStorage()
    connection = storage.values._store._database.connection
    (plan,) = connection.batch([(f"EXPLAIN QUERY PLAN {statement}", [b""] * statement.count("?"))])
    assert "owner=? AND kind=?" in plan[0][3] or "kind=? AND name>? AND name<?" in plan[0][3]
