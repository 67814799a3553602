"""One server of each kind for a whole test run, started by whoever needs it first."""

from __future__ import annotations

import contextlib
import json
import secrets
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from . import binaries, run
from .cluster import Cluster
from .mariadb import MariaDBServer
from .postgres import PostgresServer
from .redis import RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .run import Owner
    from .server import Server

_MAKERS: dict[str, Callable[[Path, Owner], Server | Cluster]] = {
    "postgres": lambda folder, owner: PostgresServer(folder, owner=owner),
    "mariadb": lambda folder, owner: MariaDBServer(folder, owner=owner),
    "redis8": lambda folder, owner: RedisServer("redis8", folder, owner=owner),
    "redis6": lambda folder, owner: RedisServer("redis6", folder, owner=owner),
    "valkey9": lambda folder, owner: RedisServer("valkey9", folder, owner=owner),
    "redis8-cluster": lambda folder, owner: Cluster("redis8", folder, owner=owner),
    "valkey9-cluster": lambda folder, owner: Cluster("valkey9", folder, owner=owner),
}
KINDS = (*_MAKERS, "mysql")
MYSQL_KINDS = ("mariadb", "mysql")


@dataclass(frozen=True)
class Address:
    """Where a shared server is."""

    kind: str
    url: str


def why_not(kind: str) -> str | None:
    """Why this kind cannot be started here, as a reason to skip; `None`: it can."""
    return binaries.why_not(kind.removesuffix("-cluster"))


def is_available(kind: str) -> bool:
    """Tell whether this kind can be started here."""
    return why_not(kind) is None


@cache
def shared(kind: str) -> Address:
    """The server of this kind that the run shares, started if need be; it ends with the run.

    Raises:
        NoServerError: It cannot be started here.
        ServerError: It has ended again.
        TimeoutError: It does not answer.
    """
    binaries.refuse_elsewhere()
    if kind == "mysql":
        return Address(kind, binaries.mysql_url())
    with run.one_at_a_time(kind):
        file = run.folder() / f"{kind}.json"
        if not file.exists():
            server = _MAKERS[kind](run.folder() / kind, run.join()).start()
            server.leave()
            file.write_text(json.dumps(server.url))
        return Address(kind, json.loads(file.read_text()))


def fresh_url(kind: str) -> str:
    """A URL on the shared server under which there is nothing yet: a schema, a database, or a prefix of keys.

    Raises:
        NoServerError: It cannot be started here.
        ServerError: It has ended again.
        TimeoutError: It does not answer.
    """
    url, name = shared(kind).url, f"t{secrets.token_hex(8)}"
    if kind in MYSQL_KINDS:
        _execute_mysql(url, f"CREATE DATABASE {name}")
        return urlsplit(url)._replace(path=f"/{name}").geturl()
    return f"{url}?{'schema' if kind == 'postgres' else 'prefix'}={name}"


@contextlib.contextmanager
def fresh(kind: str) -> Iterator[str]:
    """A fresh URL for as long as the context lasts; its schema, its database or its keys are dropped then.

    Raises:
        NoServerError: It cannot be started here.
        ServerError: It has ended again.
        TimeoutError: It does not answer.
    """
    url = fresh_url(kind)
    try:
        yield url
    finally:
        if kind == "postgres":
            _execute("DROP SCHEMA IF EXISTS {} CASCADE", url.rpartition("=")[2])
        if kind in MYSQL_KINDS:
            _execute_mysql(shared(kind).url, f"DROP DATABASE IF EXISTS {urlsplit(url).path[1:]}")
        if url.startswith("redis"):
            _remove_keys(url)


@contextlib.contextmanager
def fresh_database() -> Iterator[str]:
    """The URL of a PostgreSQL database of one's own, which takes longer to make than a schema.

    Raises:
        NoServerError: It cannot be started here.
        ServerError: It has ended again.
        TimeoutError: It does not answer.
    """
    name = f"t{secrets.token_hex(8)}"
    _execute("CREATE DATABASE {}", name)
    try:
        yield shared("postgres").url.removesuffix("postgres") + name
    finally:
        _execute("DROP DATABASE {} WITH (FORCE)", name)


def _execute(statement: str, name: str) -> None:
    import psycopg
    from psycopg import sql

    with psycopg.connect(shared("postgres").url, autocommit=True) as connection:
        for tries_left in reversed(range(10)):
            try:
                connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
            except psycopg.errors.DeadlockDetected:
                # The server is still at a statement of a process that was killed.
                if not tries_left:
                    raise
            else:
                return


def _remove_keys(url: str) -> None:
    """Else every test that reads a whole server reads what all tests before it have left there."""
    import redis

    for place in urlsplit(url).netloc.split(","):
        host, _, port = place.partition(":")
        with redis.Redis(host, int(port)) as server, server.pipeline(transaction=False) as batch:
            for key in server.scan_iter(f"{url.rpartition('=')[2]}*", count=1000):
                batch.unlink(key)
            batch.execute()


def _execute_mysql(url: str, statement: str) -> None:
    import pymysql

    place = urlsplit(url)
    login = {"user": unquote(place.username or ""), "password": unquote(place.password or "")}
    # Without TLS, for which each connection would read all certificates of the machine.
    with closing(
        pymysql.connect(host=place.hostname, port=place.port or 3306, ssl_disabled=True, **login)
    ) as connection:
        connection.cursor().execute(statement)
