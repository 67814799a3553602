"""An engine for each kind of database that the users may live in: with few connections, each of which gives up in time.

Who asks waits for a free connection (`_FREE_WITHIN`) and then for the server: 2 seconds to let us in, or `STEP` from
the beginning for an answer; 2 for a lock of SQLite. Together that is less than 3.
All of them commit each statement.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import DisconnectionError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Engine
    from sqlalchemy.pool import ConnectionPoolEntry

    from ...storage.sql.mysql.address import Address as MySQLAddress
    from ...storage.sql.postgres.address import Address as PostgresAddress
    from ...storage.sql.postgres.connection import Connection

STEP: Final = 2.4
"""Seconds for a step."""
EARLY: Final = 0.3
"""Seconds after which there is no time for another attempt."""
_FREE_WITHIN: Final = 0.9
_LEAST: Final = 0.1
"""Seconds that a server has in any case."""


class _Step(threading.local):
    """The step that this thread is at."""

    give_up_at = 0.0
    """Steady second."""


_step: Final = _Step()


def begin_step(connection: sa.Connection | None = None) -> None:
    """From now on, this thread waits for `STEP` seconds, also for what it asks of this connection."""
    _step.give_up_at = time.monotonic() + STEP
    raw: Any = connection and connection.connection.dbapi_connection
    if hasattr(raw, "deadline"):
        raw.deadline = _step.give_up_at


def code_of(error: BaseException) -> Any:
    """The number or name by which a database calls an error; None if it has none."""
    said = next(iter(error.args), None)
    return said if isinstance(said, int) else getattr(error, "sqlstate", getattr(error, "sqlite_errorname", None))


def sqlite_engine(path: Path) -> Engine:
    """An engine whose connections are given up when another file lies at the path.

    It must not know the database that holds it, which could not be let go of.
    """
    engine = _create(
        sa.URL.create("sqlite", database=f"file:{quote(str(path))}", query={"uri": "true", "mode": "rw"}),
        connect_args={"timeout": 2},
        pool_size=8,
        max_overflow=56,
    )

    def note_file(_connection: object, entry: ConnectionPoolEntry) -> None:
        entry.info["file"] = _identify(path)

    def refuse_another_file(_connection: object, entry: ConnectionPoolEntry, _proxy: object) -> None:
        if entry.info.get("file") != _identify(path):
            raise DisconnectionError("another file lies where the users were")

    sa.event.listen(engine, "connect", note_file)
    sa.event.listen(engine, "checkout", refuse_another_file)
    return engine


def postgres_engine(place: PostgresAddress) -> Engine:
    """An engine for one schema, which its connections need not know."""
    from ...storage.sql.postgres.connection import dial_one_of
    from ...storage.sql.postgres.database import use_schema

    hosts = list(place.attempts)

    def connect() -> Connection:
        return dial_one_of(hosts, _step.give_up_at)

    engine = _create("postgresql+psycopg://", creator=connect, use_native_hstore=False)

    def choose_schema(raw: Connection, entry: ConnectionPoolEntry) -> None:
        entry.info["schema"] = use_schema(raw, place)

    sa.event.listen(engine, "connect", choose_schema)
    sa.event.listen(engine, "checkout", _limit)
    return engine


def mysql_engine(place: MySQLAddress) -> Engine:
    """An engine for MySQL or MariaDB."""
    from ...storage.sql.mysql.connection import Connection

    def connect() -> Connection:
        return Connection.dial(place.options, _step.give_up_at)

    engine = _create("mysql+pymysql://", creator=connect, pool_size=min(4, place.pool))
    sa.event.listen(engine, "checkout", _limit)
    return engine


def _limit(raw: Any, *_: object) -> None:
    raw.deadline = max(_step.give_up_at, time.monotonic() + _LEAST)


def _create(url: sa.URL | str, **options: Any) -> Engine:
    few = {"pool_size": 4, "max_overflow": 0, "pool_timeout": _FREE_WITHIN}
    return sa.create_engine(url, isolation_level="AUTOCOMMIT", **{**few, **options})


def _identify(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
