"""Where the database is: URLs of our own, and of a host's engine."""

from __future__ import annotations

import pytest
import sqlalchemy

from flask_tessera.errors import ConfigError
from flask_tessera.storage.from_url import open_engine, open_storage
from flask_tessera.storage.sql.postgres import address
from flask_tessera.storage.sql.url import url_of_engine
from flask_tessera.testing import race
from flask_tessera.testing.contract.base import begin, stored
from tests.servers import PostgresServer, fresh_database, shared

from ..databases import execute


def attempts(url):
    known = ("host", "port", "user", "password", "dbname", "target_session_attrs", "sslmode")
    return [{key: each[key] for key in known if key in each} for each in address.parse(url).attempts]


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2"])
def test_a_url_says_where_whatever_driver_it_names(scheme):
    place = address.parse(f"{scheme}://me:p%40ss@db.example:6543/app?sslmode=require")
    assert (place.schema, place.pool) == ("", 16)
    assert attempts(f"{scheme}://me:p%40ss@db.example:6543/app?sslmode=require") == [
        {
            "host": "db.example",
            "port": "6543",
            "user": "me",
            "password": "p@ss",
            "dbname": "app",
            "sslmode": "require",
        }
    ]


def test_a_url_may_leave_to_libpq_what_it_does_not_say():
    assert attempts("postgresql:///app") == [{"dbname": "app"}]
    assert attempts("postgresql:///app?host=/run/postgresql") == [{"host": "/run/postgresql", "dbname": "app"}]
    assert attempts("postgresql://[::1]/app") == [{"host": "::1", "dbname": "app"}]


def test_several_hosts_are_tried_one_after_the_other_for_one_that_can_be_written():
    for url in ("postgresql://u@/app?host=a:1,b:2", "postgresql://u@/app?host=a:1&host=b:2"):
        assert [(each["host"], each["port"]) for each in attempts(url)] == [("a", "1"), ("b", "2")]
        assert {each["target_session_attrs"] for each in attempts(url)} == {"read-write"}
    assert [each["port"] for each in attempts("postgresql://u@/app?host=a,b&port=7")] == ["7", "7"]
    assert {
        each["target_session_attrs"] for each in attempts("postgresql://u@/d?host=a,b&target_session_attrs=any")
    } == {"any"}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("shema=x", "'schema'"),
        ("sslmod=require", "'sslmode'"),
        ("pool_size=5", "no option 'pool_size'"),
        ("client_encoding=latin1", "no option"),
        ("replication=database", "no option"),
        ("password=hunter2", "no option 'password'"),
        ("schema=pg_mine", "pg_"),
        ("schema=" + "x" * 64, "1 to 63 bytes"),
    ],
)
def test_X15_an_option_that_is_not_known_is_refused_with_the_near_one(query, said):
    with pytest.raises(ConfigError, match=said) as caught:
        open_storage(f"postgresql://me:pa55word@host/db?{query}")
    assert "pa55word" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("read", [address.parse, lambda url: address.of_host(sqlalchemy.make_url(url))])
def test_X15_a_password_with_an_at_sign_is_not_taken_for_a_host(read):
    with pytest.raises(ConfigError, match="%40") as caught:
        read("postgresql://me:hunter@2secret@host/db")
    assert "secret" not in str(caught.value)
    assert read("postgresql://me:hunter%402secret@host/db").attempts[0]["password"] == "hunter@2secret"


@pytest.mark.parametrize("url", ["postgresql:", "postgresql:db", "postgresql://me:pa55word@host:port/db"])
def test_X15_a_url_that_is_none_is_refused_and_not_repeated(url):
    with pytest.raises(ConfigError, match="STORE_URL") as caught:
        open_storage(url)
    assert "pa55word" not in repr(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "asyncpg", "pg8000"])
def test_the_url_of_a_hosts_engine_is_taken_and_its_driver_left(driver):
    url = sqlalchemy.make_url(f"postgresql+{driver}://me:pw@host:5433/app?ssl=require&command_timeout=3")
    (attempt,) = address.of_host(url).attempts
    assert (attempt["host"], attempt["port"], attempt["user"], attempt["password"]) == ("host", "5433", "me", "pw")
    assert attempt["sslmode"] == "require"
    assert "command_timeout" not in attempt


def test_what_a_hosts_engine_was_given_beside_its_url_counts():
    """Else our connections would lead elsewhere, or be unencrypted where its own refuse to be."""
    given = {
        "host": "other",
        "password": "new",
        "sslmode": "verify-full",
        "connect_timeout": 60,
        "prepare_threshold": 3,
    }
    engine = sqlalchemy.create_engine("postgresql+psycopg://me:pw@host/app?sslmode=prefer", connect_args=given)
    (attempt,) = address.of_host(url_of_engine(engine)).attempts
    wanted = {"host": "other", "user": "me", "password": "new", "dbname": "app", "sslmode": "verify-full"}
    assert wanted.items() <= attempt.items()
    # Of this a request's time depends.
    assert attempt["connect_timeout"] == "2"
    assert "prepare_threshold" not in attempt


def _listened():
    engine = sqlalchemy.create_engine("postgresql+psycopg://host/app")
    sqlalchemy.event.listen(engine, "do_connect", lambda *_: None)
    return engine


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_listened, "do_connect"),
        (lambda: sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: None), "creator="),
        (
            lambda: sqlalchemy.create_engine("postgresql+psycopg://h/d", connect_args={"ssl_context": 1.5}),
            "ssl_context",
        ),
        (lambda: sqlalchemy.create_engine("postgresql+psycopg://h/d?tls=1"), "tls"),
    ],
)
def test_an_engine_that_connects_by_more_than_a_url_can_say_is_refused(make, said):
    with pytest.raises(ConfigError, match=f"{said}.*give the storage a URL of its own"):
        open_engine(make())


def test_a_hosts_tables_and_open_transactions_are_left_alone():
    with fresh_database() as url:
        engine = sqlalchemy.create_engine(
            url.replace("postgresql:", "postgresql+psycopg:"), pool_size=1, max_overflow=0
        )
        storage = open_engine(engine)
        with engine.connect() as held:
            held.exec_driver_sql("CREATE TABLE orders (id int)")
            session = begin(storage)
            held.rollback()
        assert stored(storage, session) == session
        assert sqlalchemy.inspect(engine).get_table_names() == []
        storage.close()
        engine.dispose()


def test_a_schema_of_an_odd_name_is_a_schema_like_any_other():
    name, url = 'Odd "näme"', shared("postgres").url
    storage = open_storage(url + "?schema=Odd%20%22n%C3%A4me%22")
    try:
        session = begin(storage)
        assert stored(storage, session) == session
        storage.revocations.wait(storage.revocations.after(0, at=1).cursor, longest=0.01)
        assert execute(url, f"SELECT 1 FROM pg_namespace WHERE nspname = '{name}'") == [(1,)]
    finally:
        storage.close()
        execute(url, 'DROP SCHEMA "Odd ""näme""" CASCADE')


def test_the_pool_of_a_url_bounds_the_connections_of_a_process(url):
    name = "pool of three"
    storage = open_storage(f"{url}&pool=3&application_name={name.replace(' ', '%20')}")
    session = begin(storage)
    found = race(12, lambda _number: [storage.sessions.find(session.sid) for _ in range(20)][-1])
    assert {each.session.sid for each in found} == {session.sid}
    (count,) = execute(url, f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}'")
    assert 1 <= count[0] <= 3
    storage.close()


@pytest.mark.parametrize("pool", ["0", "-1", "many", "1001"])
def test_X15_a_pool_that_is_no_number_of_connections_is_refused(pool):
    with pytest.raises(ConfigError, match="pool= must be a number"):
        address.parse(f"postgresql://host/db?pool={pool}")


@pytest.mark.slow
def test_a_hosts_new_tables_do_not_land_among_ours_whatever_its_role_is_called(server):
    """A schema that is called like the role is the first in its search path."""
    execute(
        server.url,
        "DROP SCHEMA IF EXISTS tessera CASCADE",
        "DROP DATABASE IF EXISTS of_role",
        "DROP ROLE IF EXISTS tessera",
        "CREATE ROLE tessera LOGIN",
        "CREATE DATABASE of_role OWNER tessera",
    )
    url = server.url.replace("postgres@", "tessera@").removesuffix("postgres") + "of_role"
    storage = open_storage(url)
    session = begin(storage)
    execute(url, "CREATE TABLE orders (id int)")
    assert execute(url, "SELECT schemaname FROM pg_tables WHERE tablename = 'orders'") == [("public",)]
    assert execute(url, "SELECT schemaname FROM pg_tables WHERE tablename = 'tessera_log'") == [("tessera_storage",)]
    # Whoever connects finds the same tables, also once the other schema is there.
    execute(url, "CREATE SCHEMA tessera")
    other = open_storage(server.url.removesuffix("postgres") + "of_role")
    assert stored(other, session) == session
    for each in (storage, other):
        each.close()
    execute(server.url, "DROP DATABASE of_role WITH (FORCE)", "DROP ROLE tessera")


@pytest.mark.slow
def test_X5_a_host_that_is_gone_or_hangs_makes_way_for_the_next(server):
    port = server.url.rpartition(":")[2].partition("/")[0]
    with PostgresServer() as second:
        hosts = f"host=127.0.0.1:{second.port},127.0.0.1:{port}"
        storage = open_storage(f"postgresql://postgres@/postgres?{hosts}")
        execute(server.url, "DROP SCHEMA IF EXISTS tessera CASCADE")
        begin(storage)
        assert execute(server.url, "SELECT to_regnamespace('tessera')") == [(None,)]
        second.kill()
        storage.check()
        assert execute(server.url, "SELECT count(*) FROM tessera.tessera_log") == [(1,)]
        storage.close()


def test_a_storage_says_what_it_promises(store, server):
    said = store.describe()
    assert said.engine.startswith("PostgreSQL ")
    assert {each.partition("=")[0] for each in said.warnings} == {"fsync", "full_page_writes", "synchronous_commit"}
    safe = open_storage(server.url)
    assert safe.describe().warnings == ()
    assert "outlives a power cut" in safe.describe().durability
    safe.close()
