"""Users in a SQLite file: those of one machine."""

from __future__ import annotations

import os
import sqlite3
import time
import weakref
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import DisconnectionError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.schema import CreateTable

from ...errors import AlreadyExistsError, ConfigError, StorageUnavailableError
from .table import ALL, TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.pool import ConnectionPoolEntry

    from .database import Statement

_LONGEST_WAIT: Final = 2
"""Seconds to wait for a lock or a free connection."""
_PAUSE: Final = 0.01
"""Seconds between two tries to make the table."""
_sequence = sa.table("sqlite_sequence", sa.column("name"), sa.column("seq"))
_LAST_ID: Final = sa.select(_sequence.c.seq).where(_sequence.c.name == TABLE.name)
_ERRORS: Final = (SQLAlchemyError, OSError, UnicodeError, OverflowError)
"""All that the driver may raise."""


class FileDatabase:
    """The table of users in a file.

    A file that vanishes is not made anew while the process runs.
    One that is put (back) in its place is taken up with the next step.

    Args:
        path: the SQLite file; it and the table are created when something is to be written.
        may_create: whether they may be.
    """

    position = staticmethod(sa.func.instr)

    def __init__(self, path: Path, *, may_create: bool = True) -> None:
        self.path = path
        self._may_create = may_create
        self._engines: dict[int, Engine] = {}
        """By process: a parent's connections must be neither used nor closed by its child, which keeps them."""

    def read(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """As the Protocol says, also while another process writes; nobody is found where no file was made yet."""
        if not self._engines and not self.path.exists():
            return []
        with self._connection(writing=False) as connection:
            return connection.execute(statement, values).all()

    def write(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """As the Protocol says, in a transaction of its own."""
        with self._connection(writing=True) as connection:
            return connection.execute(statement, values).all()

    def everything(self) -> tuple[Sequence[Sequence[Any]], int]:
        """All users, and the last id that was given, 0 if none was; a file that is missing is not made.

        Raises:
            StorageUnavailableError: the file cannot be read.
        """
        if not self._engines and not self.path.exists():
            return [], 0
        with self._connection(writing=False) as connection:
            rows = connection.execute(ALL).all()
            return rows, connection.execute(_LAST_ID).scalar() or 0

    @contextmanager
    def _connection(self, *, writing: bool) -> Iterator[Connection]:
        try:
            engine = self._engines.get(os.getpid()) or self._open()
            with engine.begin() if writing else engine.connect() as connection:
                yield connection
        except IntegrityError as error:
            raise AlreadyExistsError("this phone number is taken") from error
        except _ERRORS as error:
            raise StorageUnavailableError(f"users: {type(error).__name__}", writing=writing) from error

    def _open(self) -> Engine:
        self._make_file()
        engine = _make_engine(self.path)
        # What nobody holds any more leaves no open connection.
        closing = weakref.finalize(self, _dispose, engine, os.getpid())
        try:
            _make_table(engine)
        except BaseException:
            closing()
            raise
        kept = self._engines.setdefault(os.getpid(), engine)
        if kept is not engine:
            # Another thread was faster.
            closing()
        return kept

    def _make_file(self) -> None:
        if not self._may_create and not self.path.exists():
            raise ConfigError(f"there are no users in {self.path}: only `serve` and `users add` make that file")
        # Readable for its owner only, since it holds the password hashes.
        # Only where there is none: closing a descriptor of it would drop all locks that SQLite holds in this process.
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _dispose(engine: Engine, process: int) -> None:
    if process == os.getpid():
        engine.dispose()


def _make_engine(path: Path) -> Engine:
    """An engine whose connections are given up when another file lies at the path.

    It must not know the database that holds it, which could not be let go of.
    """
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=f"file:{quote(str(path))}", query={"uri": "true", "mode": "rw"}),
        connect_args={"timeout": _LONGEST_WAIT},
        pool_timeout=_LONGEST_WAIT,
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


def _identify(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _make_table(engine: Engine) -> None:
    """Make the table where there is none: SQLite does not wait by itself where several processes make the file."""
    give_up_at = time.monotonic() + _LONGEST_WAIT
    while not _has_table(engine):
        if time.monotonic() >= give_up_at:
            raise StorageUnavailableError("users: the file stays locked", writing=True)
        time.sleep(_PAUSE)


def _has_table(engine: Engine) -> bool:
    """Make the table where there is none; False if another process is just at it."""
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            connection.execute(CreateTable(TABLE, if_not_exists=True))
    except OperationalError as error:
        if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return False
        raise
    return True
