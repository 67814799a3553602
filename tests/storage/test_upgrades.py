"""An older schema is brought up to date, on SQLite and PostgreSQL, whoever is at work and whatever dies meanwhile."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import alembic.autogenerate
import alembic.migration
import psycopg
import pytest
import sqlalchemy

from flask_tessera.contrib.migrations import is_not_ours
from flask_tessera.errors import ConfigError
from flask_tessera.storage.from_url import open_engine, open_storage
from flask_tessera.storage.sql import schema, upgrades
from flask_tessera.testing.contract.base import IDLE, LEEWAY, T0, begin, new_session, stored
from tests.servers import fresh, wait_until

from .calls import is_available
from .databases import connect

OLD_SID = bytes(range(16))
OLD_INSERT = """
INSERT INTO tessera_sessions (sid, realm, user_id, created_at, auth_at, idle_until, until, access_lifetime, gen,
                              predecessor, rotated_at, confirmed, epoch, last_seen_at, ended_at, end_reason,
                              device_type, device_id, device_name, ip, user_agent, scope, amr)
VALUES (?, '', '9', 1, 1, 9, 9, 1, 0, -1, 1, 0, 0, 1, 0, '', '', '', '', '', '', '', '')"""
OLD_ENDING = """
INSERT INTO tessera_revocations (forget_at, reason, sid, realm, user_id, epoch, except_sid)
VALUES (1, 'logout', '', '', '', 0, '')"""
DUMPS = {version: Path(__file__).with_name(f"version_{version}.sql").read_text() for version in (1, 2, 3, 4)}
"""Files of every version that was released, as SQLite dumps them."""
VERSION_1 = DUMPS[1]
POSTGRES_4 = Path(__file__).with_name("version_4_postgres.sql").read_text()
"""The tables of version 4 differed on PostgreSQL."""
APPLIED = [schema.revision_of(version) for version in range(2, schema.VERSION + 1)]
"""What leads from version 1 to the present one."""


def for_postgres(script):
    """The same tables and rows, as PostgreSQL writes them."""
    script = script.replace("WITHOUT ROWID", "").replace("BLOB", "BYTEA")
    script = script.replace("INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT", "BIGSERIAL PRIMARY KEY")
    return re.sub(r"X'([0-9A-F]*)'", r"'\\x\1'", script) + "SELECT setval('tessera_revocations_number_seq', 1);"


class SQLite:
    """A host's file."""

    def __init__(self, path):
        self.path = path
        self.url = f"sqlite:///{path}"

    def open(self):
        return open_engine(self.engine())

    def make_old(self):
        self.execute(VERSION_1)

    def execute(self, script):
        connection = sqlite3.connect(self.path)
        connection.executescript(script)
        connection.close()

    def connect(self):
        connection = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        return connection.execute, connection.close

    def engine(self):
        return sqlalchemy.create_engine(self.url, poolclass=sqlalchemy.NullPool)

    def catalogue(self):
        """Tables, columns, defaults and indexes, however they were written."""
        connection = sqlite3.connect(self.path)
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {
            name: (
                connection.execute(f"PRAGMA table_info({name})").fetchall(),
                sorted(row[1:3] for row in connection.execute(f"PRAGMA index_list({name})")),
                connection.execute("SELECT wr FROM pragma_table_list WHERE name = ?", (name,)).fetchall(),
            )
            for name in tables
        }
        connection.close()
        return found


class Postgres:
    """A schema of our own."""

    def __init__(self, url):
        self.url = url

    def open(self):
        return open_storage(self.url)

    def make_old(self):
        self.execute(f"CREATE SCHEMA {self.url.partition('schema=')[2]};" + for_postgres(VERSION_1))

    def execute(self, script):
        with connect(self.url) as connection:
            connection.execute(script)

    def connect(self):
        connection = connect(self.url)

        def execute(statement, values=()):
            return connection.execute(statement.replace("?", "%s"), values)

        return execute, connection.close

    def engine(self):
        return sqlalchemy.create_engine(
            "postgresql+psycopg://", creator=lambda: connect(self.url), poolclass=sqlalchemy.NullPool
        )

    def catalogue(self):
        with connect(self.url) as connection:
            columns = connection.execute(
                "SELECT c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, "
                "       replace(pg_get_expr(d.adbin, d.adrelid), '''0''::bigint', '0'), c.reloptions "
                "  FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid "
                "  LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum "
                " WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attnum > 0 "
                "   AND NOT a.attisdropped"
            ).fetchall()
            indexes = connection.execute(
                "SELECT indexname, replace(indexdef, schemaname || '.', '') FROM pg_indexes "
                " WHERE schemaname = current_schema()"
            ).fetchall()
        return sorted(columns, key=str), sorted(indexes)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, path):
    if request.param == "sqlite":
        yield SQLite(path)
    else:
        with fresh("postgres") as url:
            yield Postgres(url)


@pytest.fixture
def storage(place):
    storage = place.open()
    yield storage
    storage.close()


def test_F06_a_new_database_is_made_whole_and_noted_as_of_the_present_version(storage):
    assert storage.schema_state().words.startswith("no tables yet")
    begin(storage)
    assert storage.schema_state().words == f"version {schema.VERSION}, the present one"
    assert storage.upgrade() == []


def test_F06_an_empty_database_may_be_upgraded_first(storage):
    assert storage.upgrade() == [upgrades.HEAD]
    session = begin(storage)
    assert stored(storage, session) == session
    assert storage.upgrade() == []


def test_F06_an_older_schema_is_refused_with_the_command_that_helps(place, storage):
    place.make_old()
    with pytest.raises(ConfigError, match="flask tessera db upgrade"):
        storage.check()
    assert "older" in storage.schema_state().words


def test_F06_an_upgrade_keeps_all_records(place, storage):
    place.make_old()
    assert storage.upgrade() == APPLIED
    assert storage.upgrade() == []
    found = storage.sessions.find(OLD_SID)
    assert (found.session.user_id, found.session.user_agent) == ("7", "u")
    assert (found.session.user_stamp, found.session.issued_for) == ("", "")
    assert storage.sessions.rotate(OLD_SID, 0, at=T0 + 1, leeway=LEEWAY, idle=IDLE).outcome == "rotated"
    page = storage.revocations.after(0, at=T0 + 1)
    assert [(entry.sid, entry.reason) for entry in page.entries] == [(bytes(range(1, 17)), "logout")]
    storage.sessions.end(OLD_SID, "kick", at=T0 + 2)
    fresh = storage.revocations.after(page.cursor, at=T0 + 2)
    assert [entry.sid for entry in fresh.entries] == [OLD_SID]


TABLES = ("sessions", "principals", "log", "entries", "values")


def without_what_stays(catalogue):
    """Without the order of columns, and the column that a file keeps since to drop it would rewrite all rows."""
    if not isinstance(catalogue, dict):
        columns, indexes = catalogue
        return sorted((table, name, *rest[:2]) for table, _, name, *rest in columns), indexes
    return {
        table: (sorted(row[1:] for row in rows if row[1] != "era"), *rest)
        for table, (rows, *rest) in catalogue.items()
        if table != "sqlite_sequence"
    }


@pytest.mark.parametrize("version", [1, 4])
def test_F06_an_upgraded_schema_is_the_same_as_a_new_one(place, storage, version):
    begin(storage)
    new = without_what_stays(place.catalogue())
    storage.close()
    for name in TABLES:
        place.execute(f"DROP TABLE tessera_{name}")
    if isinstance(place, SQLite):
        place.execute(DUMPS[version])
    else:
        place.execute(POSTGRES_4 if version == 4 else for_postgres(VERSION_1))
    assert storage.upgrade() == APPLIED[version - 1 :]
    upgraded = without_what_stays(place.catalogue())
    if version == 1 or isinstance(place, SQLite):
        # Defaults of columns that were added to rows that were there.
        upgraded, new = without_defaults(upgraded), without_defaults(new)
    assert upgraded == new
    assert stored(storage, new_session(sid=OLD_SID)).user_id == "7"
    begin(storage)


def without_defaults(catalogue):
    if not isinstance(catalogue, dict):
        return catalogue
    return {table: ([row[:3] for row in rows], *rest) for table, (rows, *rest) in catalogue.items()}


def test_F04_what_was_over_since_a_backup_was_put_back_stays_over(place, storage):
    """Eras told it; the column of a session that was begun before the last restore has a lower number."""
    place.make_old()
    place.execute(
        "ALTER TABLE tessera_sessions ADD COLUMN era BIGINT DEFAULT 0 NOT NULL;"
        "ALTER TABLE tessera_log ADD COLUMN era BIGINT DEFAULT 0 NOT NULL;"
        f"UPDATE tessera_log SET era = 1, born_at = {T0 + 50}, schema_version = 2;"
    )
    execute, close = place.connect()
    execute(OLD_INSERT.replace("amr)", "amr, era)").replace("'')", "'', 1)"), (bytes(16),))
    close()
    storage.upgrade()
    assert storage.sessions.rotate(OLD_SID, 0, at=T0 + 60, leeway=LEEWAY, idle=IDLE).reason == "expiry"
    assert stored(storage, new_session(sid=bytes(16))).ended_at == 0
    page = storage.revocations.after(0, at=T0 + 60)
    assert page.valid_from == T0 + 50
    assert stored(storage, new_session(sid=bytes(16))).created_at == T0 + 50


@pytest.mark.parametrize("version", DUMPS)
def test_F06_our_own_file_of_any_version_is_upgraded_when_it_is_opened(path, store, version):
    other = SQLite(path.with_name("other.db"))
    begin(other.open())
    SQLite(path).execute(DUMPS[version])
    assert stored(store, new_session(sid=OLD_SID)).user_id == "7"
    found, new = (without_defaults(without_what_stays(each.catalogue())) for each in (SQLite(path), other))
    assert found == new
    assert store.schema_state().words == f"version {schema.VERSION}, the present one"
    assert store.upgrade() == []


def test_F06_a_step_of_a_later_version_is_the_only_one_that_a_present_file_takes(path, url, monkeypatch):
    """Whatever the next version brings: files of all versions before it can be opened."""
    begin(open_storage(url))
    step = f"ALTER TABLE tessera_values ADD COLUMN version_{schema.VERSION + 1} BIGINT DEFAULT 0 NOT NULL"
    monkeypatch.setattr(upgrades, "_STEPS", {**upgrades._STEPS, schema.VERSION + 1: step})
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    later = open_storage(url)
    begin(later)
    later.close()
    execute, close = SQLite(path).connect()
    assert execute("SELECT schema_version FROM tessera_log").fetchall() == [(schema.VERSION,)]
    assert execute(f"SELECT count(version_{schema.VERSION}) FROM tessera_values").fetchall() == [(0,)]
    close()


def test_F06_every_version_has_a_step_and_an_old_file_to_test_it_on():
    # Version 4 changed nothing that is still there.
    assert [*upgrades._STEPS] == [2, 3, *range(5, schema.VERSION + 1)]
    assert {*range(1, schema.VERSION)} <= set(DUMPS)


def test_F06_a_newer_schema_is_refused_and_left_as_it_is(place, storage):
    begin(storage)
    storage.close()
    place.execute("UPDATE tessera_log SET schema_version = 99")
    before = place.catalogue()
    other = place.open()
    for step in (other.check, other.upgrade):
        with pytest.raises(ConfigError, match="version 99"):
            step()
    assert "newer" in other.schema_state().words
    assert place.catalogue() == before
    other.close()


def test_F06_a_process_at_work_goes_on_when_the_schema_becomes_newer(place, storage):
    session = begin(storage)
    place.execute("UPDATE tessera_log SET schema_version = 99")
    assert stored(storage, session) == session
    begin(storage)


def test_X11_a_process_of_the_old_version_that_is_at_work_loses_nothing_and_then_fails(place, storage):
    """What it wrote before the upgrade is there; after it, it can end nothing that nobody would hear of."""
    place.make_old()
    stop, failures, counts = threading.Event(), [], []

    def work(number):
        execute, close = place.connect()
        count = 0
        while not stop.is_set():
            try:
                execute(OLD_INSERT, (number.to_bytes(2, "big") + count.to_bytes(14, "big"),))
                count += 1
            except (sqlite3.Error, psycopg.Error) as error:
                failures.append(error)
        with pytest.raises((sqlite3.Error, psycopg.Error)):
            execute(OLD_ENDING)
        counts.append(count)
        close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        # On a busy machine it may find no turn beside them; it may be run again.
        applied = []
        wait_until(lambda: is_available(lambda: applied.extend(storage.upgrade())), "the upgrade has found its turn")
        assert applied == APPLIED
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert len(counts) == len(threads)
    assert len(storage.sessions.list("", "9", at=0)) == sum(counts)


def test_an_upgrade_waits_for_who_reads_the_file_of_a_host(tmp_path):
    place = SQLite(tmp_path / "host.db")
    place.make_old()
    with closing(sqlite3.connect(place.path, isolation_level=None)) as reader, ThreadPoolExecutor(1) as pool:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM tessera_log").fetchall()
        upgrade = pool.submit(place.open().upgrade)
        wait_until(lambda: upgrade.done() or refuses_readers(place.path), "the upgrade is about to commit")
        reader.execute("COMMIT")
        assert upgrade.result() == APPLIED


def refuses_readers(path):
    with closing(sqlite3.connect(path, timeout=0)) as connection:
        try:
            connection.execute("SELECT * FROM tessera_log")
        except sqlite3.OperationalError:
            return True
    return False


DYING = """
import os, signal, sys
import sqlalchemy
from flask_tessera.storage.from_url import open_engine, open_storage
from flask_tessera.storage.sql import upgrades
url = sys.argv[1]
# What a child would import, each again: most of this test's time.
import flask_tessera.storage.sql.postgres, flask_tessera.storage.sql.sqlite
left = 0
all_of_it = upgrades.upgrade

def upgrade(execute, version, *, postgres):
    def execute_or_die(statement):
        global left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(statement)

    return all_of_it(execute_or_die, version, postgres=postgres)

upgrades.upgrade = upgrade
deaths = 0
while True:
    child = os.fork()
    if not child:
        left = deaths + 1
        storage = open_engine(sqlalchemy.create_engine(url)) if url.startswith("sqlite") else open_storage(url)
        os._exit(0 if len(storage.upgrade()) == int(sys.argv[2]) else 3)
    status = os.waitpid(child, 0)[1]
    if not os.WIFSIGNALED(status):
        break
    deaths += 1
print(status, deaths)
"""


@pytest.mark.slow
@pytest.mark.unix("fork")
def test_X11_an_upgrade_that_dies_at_any_statement_can_be_started_again(place, storage):
    place.make_old()
    command = [sys.executable, "-W", "error", "-c", DYING, place.url, str(len(APPLIED))]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=150)
    status, deaths = map(int, done.stdout.split())
    assert (status, done.stderr) == (0, "")
    assert deaths > 5
    assert storage.sessions.find(OLD_SID).session.user_id == "7"
    assert storage.upgrade() == []


def make_host(connection):
    """A host's own tables and revision, and what its autogenerate finds to do."""
    metadata = sqlalchemy.MetaData()
    sqlalchemy.Table("orders", metadata, sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True))
    metadata.create_all(connection)
    context = alembic.migration.MigrationContext.configure(connection)
    context._ensure_version_table()
    connection.execute(sqlalchemy.text("INSERT INTO alembic_version VALUES ('host1')"))
    connection.commit()
    return metadata


def test_X11_a_hosts_migrations_and_ours_leave_each_other_alone(place, storage):
    engine = sqlalchemy.create_engine(place.url) if isinstance(place, SQLite) else host_engine(place.url)
    options = {"include_name": is_not_ours} if isinstance(place, SQLite) else {}
    with engine.connect() as connection:
        metadata = make_host(connection)
        place.make_old()
        assert storage.upgrade() == APPLIED
        begin(storage)
        context = alembic.migration.MigrationContext.configure(connection, opts=options)
        assert alembic.autogenerate.compare_metadata(context, metadata) == []
        assert context.get_current_heads() == ("host1",)
        metadata.drop_all(connection)
        connection.execute(sqlalchemy.text("DROP TABLE alembic_version"))
        connection.commit()
    engine.dispose()


def host_engine(url):
    """As a host opens it: without our schema."""
    return sqlalchemy.create_engine(url.partition("?")[0].replace("postgresql:", "postgresql+psycopg:"))
