"""The storages that can be measured here, each with a server of its own, which ends with the benchmark."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask_tessera.errors import ConfigError
from flask_tessera.storage.from_url import open_storage
from tests.servers.binaries import why_not
from tests.servers.mariadb import MariaDBServer
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer

from . import peers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask_tessera.storage.engine import Storage

SQLITE, REDIS, POSTGRES, MARIADB = "SQLite", "Redis", "PostgreSQL", "MariaDB"
KINDS = (SQLITE, REDIS, POSTGRES, MARIADB)
MEMORY = Path("/dev/shm")
"""A file system in memory, where there is one: there a flush costs nothing, so that what is left is work."""
POSTGRES_SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB"}
MARIADB_SETTINGS = {"innodb-buffer-pool-size": "1G", "innodb-log-file-size": "1G"}


@dataclass(frozen=True, slots=True)
class Store:
    """One kind of storage; `folder` is for files of databases, `server` is None where there is none."""

    kind: str
    version: str
    folder: Path
    server: RedisServer | PostgresServer | MariaDBServer | None = None
    port: int = 0
    """Of something that stands before the server; 0: nothing does."""

    def behind(self, port: int) -> Store:
        """The same store, spoken to through another port."""
        return replace(self, port=port)

    def url(self, name: str) -> str:
        """Of the database of this name: another name is another database, but for Redis and MariaDB, which have one."""
        if self.kind == SQLITE:
            return f"sqlite:///{self.folder / name}.db"
        return f"{self.server_url}?schema={name}" if self.kind == POSTGRES else self.server_url

    @property
    def server_url(self) -> str:
        """Of the server, for its own driver."""
        if self.server is None:
            raise ValueError(f"{self.kind} has no server")
        return self.server.url.replace(f":{self.server.port}", f":{self.port or self.server.port}")

    def settle(self) -> None:
        """Have done now what servers do some time after many writes: else they plan for an empty table."""
        if self.kind == POSTGRES:
            import psycopg

            with psycopg.connect(self.server_url, autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")
        if self.kind == MARIADB:
            for (table,) in self.ask_mariadb("SHOW TABLES"):
                self.ask_mariadb(f"ANALYZE TABLE {table}")

    def ask_mariadb(self, statement: str) -> list[tuple[Any, ...]]:
        """What MariaDB answers, asked on a connection of one's own."""
        import pymysql

        url = urlsplit(self.server_url)
        place = {"host": url.hostname, "port": url.port, "user": url.username, "database": url.path[1:]}
        with contextlib.closing(pymysql.connect(**place)) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[Storage]:
        """Our storage in the database of this name."""
        storage = open_storage(self.url(name))
        with contextlib.closing(storage):
            storage.check()
            yield storage


def reason_against(kind: str) -> str:
    """Why a kind cannot be measured here; an empty text: it can."""
    if kind == SQLITE:
        return ""
    url, program = {
        REDIS: ("redis://127.0.0.1:1/0", "redis8"),
        POSTGRES: ("postgresql://127.0.0.1:1/none", "postgres"),
        MARIADB: ("mysql://127.0.0.1:1/none", "mariadb"),
    }[kind]
    try:
        open_storage(url).close()
    except ConfigError as error:
        return str(error)
    return why_not(program) or ""


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder for databases, in memory where that is possible."""
    parent = str(MEMORY) if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) else None
    # A recorder's thread may still hold a file open.
    with tempfile.TemporaryDirectory(prefix="tessera-bench-", dir=parent, ignore_cleanup_errors=True) as folder:
        # A server that may not run as root goes in.
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextlib.contextmanager
def started(kind: str) -> Iterator[Store]:
    """One kind of storage, its server started; check `reason_against` before."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch())
        if kind == SQLITE:
            import sqlite3

            yield Store(kind, sqlite3.sqlite_version, folder)
        elif kind == REDIS:
            redis = stack.enter_context(RedisServer("redis8", folder))
            yield Store(
                kind, f"{redis.tell('INFO')['redis_version']}, redis-py {peers.version_of('redis')}", folder, redis
            )
        elif kind == MARIADB:
            yield mariadb(folder, stack.enter_context(MariaDBServer(folder, settings=MARIADB_SETTINGS)))
        else:
            postgres = stack.enter_context(PostgresServer(folder, settings=POSTGRES_SETTINGS))
            yield Store(kind, _postgres_version(postgres), folder, postgres)


def _postgres_version(server: PostgresServer) -> str:
    import psycopg

    with psycopg.connect(server.url) as connection:
        number = connection.info.server_version
    return f"{number // 10_000}.{number % 10_000}, psycopg {peers.version_of('psycopg')}"


def mariadb(folder: Path, server: MariaDBServer) -> Store:
    """The store on a server that runs."""
    nameless = Store(MARIADB, "", folder, server)
    ((version,),) = nameless.ask_mariadb("SELECT substring_index(version(), '-', 1)")
    return replace(nameless, version=f"{version}, PyMySQL {peers.version_of('pymysql')}")


def left_out(kinds: tuple[str, ...] = KINDS) -> list[str]:
    """A sentence for each kind that cannot be measured here."""
    return [f"Not measured: {kind}: {reason}." for kind in kinds if (reason := reason_against(kind))]


def present(kinds: tuple[str, ...] = KINDS) -> list[str]:
    """The kinds that can be measured here."""
    return [kind for kind in kinds if not reason_against(kind)]
