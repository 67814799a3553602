"""`db …`: the schema of an SQL storage, and what is said of a storage that has none."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest
import sqlalchemy

from flask_tessera.errors import ConfigError
from flask_tessera.server import create_app
from flask_tessera.storage.memory import MemoryStorage
from flask_tessera.storage.sql import schema
from tests.storage.test_upgrades import APPLIED, VERSION_1, for_postgres

from .calling import SECRET, assert_refused, close, in_app
from .stores import store_url

UPGRADED = "".join(f"applied {revision}\n" for revision in APPLIED) + "the schema is up to date\n"
CURRENT = f"version {schema.VERSION}, the present one\n"
NEWER = "UPDATE tessera_log SET schema_version = 999"


@pytest.fixture(params=["sqlite", "postgres"])
def sql_url(request, tmp_path):
    """Of an SQL storage in which there is nothing yet."""
    with store_url(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def old_url(tmp_path):
    """Of a database on a server as an earlier version of the package has left it."""
    with store_url("postgres", tmp_path) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA tessera")
        execute(url, for_postgres(VERSION_1))
        yield url


def execute(url: str, script: str) -> None:
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        connection.executescript(script)
        connection.close()
        return
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET search_path TO tessera")
        connection.execute(script)


@pytest.mark.parametrize("act", ["check", "upgrade"])
def test_memory_has_no_schema(run, host, act):
    for result in (run("db", act, "--store", "memory:"), in_app(host("", storage=MemoryStorage()), "db", act)):
        assert (result.exit_code, result.stdout) == (0, "this storage has no schema\n")


@pytest.mark.parametrize("kind", ["redis8", "redis8-cluster"])
def test_redis_has_a_layout_which_begins_at_first_use(run, tmp_path, kind):
    """tests/storage/redis/test_layout.py brings an older one up to date."""
    with store_url(kind, tmp_path) as url:
        for act, said in (("check", "no revocation log yet"), ("upgrade", "the schema is up to date")):
            result = run("db", act, "--store", url)
            assert (result.exit_code, result.stdout.startswith(said)) == (0, True)


def test_F06_a_schema_that_is_not_there_yet_needs_nothing_and_is_made(run, sql_url):
    result = run("db", "check", "--store", sql_url)
    assert result.exit_code == 0
    assert result.stdout.startswith("no tables yet; ")
    # Looking has made nothing.
    assert run("db", "check", "--store", sql_url).stdout == result.stdout
    assert run("db", "upgrade", "--store", sql_url).stdout == f"applied {APPLIED[-1]}\nthe schema is up to date\n"
    for _ in range(2):
        assert run("db", "upgrade", "--store", sql_url).stdout == "the schema is up to date\n"
        assert run("db", "check", "--store", sql_url).stdout == CURRENT


def test_F06_an_older_schema_stops_the_service_until_it_is_upgraded(run, old_url, tmp_path):
    result = run("db", "check", "--store", old_url)
    assert result.exit_code == 1
    assert result.stdout == f"version 1, older than {schema.VERSION}; run: flask tessera db upgrade\n"
    assert_refused(run("sessions", "list", "1", "--store", old_url), "run: flask tessera db upgrade")
    environment = {"SECRET_KEY": SECRET, "TESSERA_STORE_URL": old_url}
    with pytest.raises(ConfigError, match="run: flask tessera db upgrade"):
        create_app(environment=environment, data=str(tmp_path))
    assert "FAIL  the storage does not work: STORE_URL: the schema" in run("doctor", "--store", old_url).stdout
    result = run("db", "upgrade", "--store", old_url)
    assert (result.exit_code, result.stdout) == (0, UPGRADED)
    result = run("db", "check", "--store", old_url)
    assert (result.exit_code, result.stdout) == (0, CURRENT)
    app = create_app(environment=environment, data=str(tmp_path))
    assert 200 in (app.test_client().get("/healthz").status_code for _ in range(20))
    close(app)


def test_F06_an_application_upgrades_the_tables_in_its_own_database(host, tmp_path):
    execute(f"sqlite:///{tmp_path}/own.db", VERSION_1)
    app = host("", storage=sqlalchemy.create_engine(f"sqlite:///{tmp_path}/own.db", poolclass=sqlalchemy.NullPool))
    assert in_app(app, "db", "check").exit_code == 1
    assert_refused(in_app(app, "purge"), "run: flask tessera db upgrade")
    assert in_app(app, "db", "upgrade").stdout == UPGRADED
    assert in_app(app, "db", "check").stdout == CURRENT
    assert in_app(app, "purge", "--force").exit_code == 0


def test_F06_a_newer_schema_is_left_alone(run, sql_url):
    assert run("db", "upgrade", "--store", sql_url).exit_code == 0
    execute(sql_url, NEWER)
    result = run("db", "check", "--store", sql_url)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"version 999, newer than {schema.VERSION} ")
    assert_refused(run("db", "upgrade", "--store", sql_url), f"newer than {schema.VERSION}")


@pytest.mark.parametrize("act", ["check", "upgrade"])
@pytest.mark.parametrize("url", ["sqlite:///{}/nowhere/at.db", "postgresql://me:hunter2@127.0.0.1:1/nowhere"])
def test_F02_K08_a_database_that_cannot_be_reached_is_one_sentence(run, tmp_path, act, url):
    result = run("db", act, "--store", url.format(tmp_path))
    assert_refused(result, "")
    assert "hunter2" not in result.output
