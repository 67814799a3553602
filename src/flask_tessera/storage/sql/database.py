"""Connections to one database: opened when needed, one transaction for each step, errors translated."""

from __future__ import annotations

import os
import secrets
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError

from ...errors import ConfigError, StorageUnavailableError
from . import schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Engine
    from sqlalchemy.pool import PoolProxiedConnection

LONGEST_WAIT: Final = 2
"""Seconds to wait for a lock or a free connection before the storage counts as unavailable."""


class Database:
    """A SQLite database of our own, or one that the host's engine leads to.

    Args:
        engine: the engine, or a function that gives it at first use (a host's may need its application context).
        is_ours: whether we may set PRAGMAs on its connections.
    """

    def __init__(self, engine: Engine | Callable[[], Engine], *, is_ours: bool) -> None:
        self._get_engine = engine if callable(engine) else lambda: engine
        self._is_ours = is_ours
        self._engine: Engine | None = None
        self._errors: tuple[type[Exception], ...] = (SQLAlchemyError,)
        self._process = 0
        self._opening = threading.Lock()
        # SQLite lets one writer in; those of one process queue here, which is fairer than its busy wait.
        self._writing = threading.Lock()
        self.path = ""
        """Of the database's file; known once the database was opened."""

    @contextmanager
    def reading(self) -> Iterator[PoolProxiedConnection]:
        """A connection for one statement that reads.

        Raises:
            StorageUnavailableError: the database does not answer.
        """
        engine = self.open()
        try:
            connection = engine.raw_connection()
            try:
                yield connection
            finally:
                connection.close()
        except self._errors as error:
            raise StorageUnavailableError(_say(error)) from error

    @contextmanager
    def writing(self) -> Iterator[PoolProxiedConnection]:
        """A connection in a transaction of its own that holds the write lock; committed at the end.

        Raises:
            StorageUnavailableError: the database does not answer, or the outcome of the commit is not known.
        """
        engine = self.open()
        if not self._writing.acquire(timeout=LONGEST_WAIT):
            raise StorageUnavailableError("waited too long for the write lock", writing=True)
        try:
            connection = engine.raw_connection()
            try:
                yield from _transaction(connection)
            finally:
                connection.close()
        except self._errors as error:
            raise StorageUnavailableError(_say(error), writing=True) from error
        finally:
            self._writing.release()

    def open(self) -> Engine:
        """The engine, its schema in place; a child process gets connections of its own.

        Raises:
            StorageUnavailableError: the database cannot be opened.
            ConfigError: it is not one we can work with.
        """
        if self._engine is not None and self._process == os.getpid():
            return self._engine
        with self._opening:
            if self._engine is not None and self._process != os.getpid():
                # Sockets and file locks of the parent must not be closed from here.
                self._engine.dispose(close=False)
                self._writing = threading.Lock()
                self._process = os.getpid()
            if self._engine is None:
                self._open_first()
        assert self._engine is not None  # noqa: S101 - for the type checker
        return self._engine

    def _open_first(self) -> None:
        engine = self._get_engine()
        if engine.dialect.name != "sqlite":
            raise ConfigError(f"STORE_URL: {engine.dialect.name} is not supported; use sqlite:///file or memory:")
        if not engine.url.database or engine.url.database == ":memory:" or "mode=memory" in engine.url.database:
            raise ConfigError("STORE_URL: SQLite in memory cannot be shared; use memory: or a file")
        self.path = os.path.abspath(engine.url.database)
        self._errors = (SQLAlchemyError, engine.dialect.loaded_dbapi.Error, OSError)
        try:
            if self._is_ours:
                _create_private(self.path)
            _create_schema(engine)
        except self._errors as error:
            engine.dispose()
            raise StorageUnavailableError(_say(error), writing=True) from error
        self._engine, self._process = engine, os.getpid()

    def close(self) -> None:
        """Close all connections; the next step opens them again, and creates the schema where it is gone."""
        with self._opening:
            if self._engine is not None:
                self._engine.dispose()
            self._engine = None


def our_engine(path: str) -> Engine:
    """An engine for a SQLite file of our own: WAL, durable commits, waits of at most `LONGEST_WAIT`."""
    engine = sqlalchemy.create_engine(
        sqlalchemy.URL.create("sqlite", database=path),
        connect_args={"timeout": LONGEST_WAIT, "isolation_level": None, "check_same_thread": False},
        pool_timeout=LONGEST_WAIT,
        pool_size=8,
        max_overflow=56,
    )
    sqlalchemy.event.listen(engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    # An ending that was answered must outlive a power cut.
    connection.execute("PRAGMA synchronous=FULL")


def _create_private(path: str) -> None:
    """Create the file so that only its owner may read it: it holds addresses and device names."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _create_schema(engine: Engine) -> None:
    with engine.connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        # Two processes may start at once: the second waits here and then finds all in place.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            schema.metadata.create_all(connection)
            row = connection.execute(sqlalchemy.select(schema.log.c.schema_version)).first()
            if row is None:
                values = {"log_id": secrets.token_hex(8), "born_at": None, "schema_version": schema.VERSION}
                connection.execute(sqlalchemy.insert(schema.log).values(values))
            connection.exec_driver_sql("COMMIT")
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
    if row is not None and row.schema_version > schema.VERSION:
        raise ConfigError(f"STORE_URL: the schema is of version {row.schema_version}, newer than {schema.VERSION} known here")


def _transaction(connection: PoolProxiedConnection) -> Iterator[PoolProxiedConnection]:
    cursor = connection.cursor()
    cursor.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        cursor.execute("COMMIT")
    except BaseException:
        if connection.driver_connection.in_transaction:
            cursor.execute("ROLLBACK")
        raise


def _say(error: BaseException) -> str:
    """The driver's words without statement and parameters, which may hold personal data."""
    original = getattr(error, "orig", None) or error
    return f"{type(original).__name__}: {str(original).splitlines()[0] if str(original) else 'no detail'}"
