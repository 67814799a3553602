"""Connections to one database: opened when needed, one transaction for each step, errors translated."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from ....errors import StorageUnavailableError, TesseraError
from ....fork import fork_between_writes, renew_in_children
from . import preparation
from .transaction import LONGEST_WAIT, begin, transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine
    from sqlalchemy.pool import PoolProxiedConnection

    FileIdentity = tuple[int, int]

QUEUE_WAIT: Final = 0.75
"""Seconds to wait for another thread that opens or looks, which may itself have to wait `LONGEST_WAIT`."""
_PATIENCE: Final = 30
"""Seconds for which a migration waits for the write lock, for which no request waits."""
_PAUSE: Final = 0.001
_GAP: Final = 0.025
"""Seconds between two transactions that remove. Processes that wait for the write lock do not queue: SQLite lets them
try again after up to 25 ms, in their first tenth of a second."""
NO_FILE: Final = (0, 0)
_HELD: Final = (
    f": another transaction has held the file for {LONGEST_WAIT} s, most often the application's own, not "
    "yet committed (db.session.flush() before login()): commit it first"
)


class Database:
    """A SQLite database of our own, or the one of a host; the connections are ours in both cases.

    Args:
        path: of its file.
        is_ours: whether we create the file, choose its journal and bring an older schema up to date.
        makes_folder: whether its folder is made where it is missing.
    """

    def __init__(self, path: str, *, is_ours: bool, makes_folder: bool = False) -> None:
        self.path = path
        self._makes_folder = makes_folder
        self._is_ours = is_ours
        self._engine: Engine | None = None
        self._left_by_parent: list[Engine] = []
        self._errors: tuple[type[Exception], ...] = (SQLAlchemyError, OSError)
        self._process = 0
        self._removed_at = 0.0
        self.file: FileIdentity = NO_FILE
        """Which file the connections lead to: its device and inode."""
        renew_in_children(self)
        # SQLite keeps in memory which locks of the file this process holds. A child that is forked within a
        # transaction would take it for its own, and wait for its end for ever.
        fork_between_writes(self)

    def renew_locks(self) -> None:
        """A parent's threads do not live in its child, but what they held stays held."""
        self._opening = threading.Lock()
        # SQLite lets one writer in; those of one process queue here, which is fairer than its busy wait.
        self.write_lock = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[PoolProxiedConnection]:
        """A connection for statements that read.

        Raises:
            StorageUnavailableError: the database does not answer.
        """
        engine = self.open()
        try:
            with closing(engine.raw_connection()) as connection:
                yield connection
        except self._errors as error:
            raise StorageUnavailableError(_say(error)) from error

    @contextmanager
    def writing(self) -> Iterator[PoolProxiedConnection]:
        """A connection in a transaction of its own that holds the write lock; committed at the end.

        Raises:
            StorageUnavailableError: the database does not answer, or the outcome of the commit is not known.
        """
        engine, lock = self.open(), self.write_lock
        give_up_at = time.monotonic() + LONGEST_WAIT
        if not lock.acquire(timeout=LONGEST_WAIT):
            raise StorageUnavailableError("waited too long for the write lock", writing=True)
        try:
            with closing(engine.raw_connection()) as connection:
                begin(connection, give_up_at - time.monotonic())
                yield from transaction(connection)
        except self._errors as error:
            raise StorageUnavailableError(_say(error), writing=True) from error
        finally:
            lock.release()

    @contextmanager
    def removing(self) -> Iterator[PoolProxiedConnection]:
        """As `writing`, for one of many transactions that nobody waits for: there is a gap before it.

        Raises:
            StorageUnavailableError: the database does not answer, or the outcome of the commit is not known.
        """
        time.sleep(max(0.0, self._removed_at + _GAP - time.monotonic()))
        try:
            with self.writing() as connection:
                yield connection
        finally:
            self._removed_at = time.monotonic()

    def open(self) -> Engine:
        """The engine, its schema in place, leading to the file that is at `path` now.

        A child process gets connections of its own; a file that was replaced or deleted is left.

        Raises:
            StorageUnavailableError: the database cannot be opened.
            ConfigError: it is not one we can work with.
        """
        engine = self._engine
        if engine is not None and self._is_current():
            return engine
        lock = self._opening
        if not lock.acquire(timeout=QUEUE_WAIT):
            raise StorageUnavailableError("waited too long for another thread to open the database")
        try:
            if self._engine is None or not self._is_current():
                self._let_go()
                self._engine = self._open_anew()
            return self._engine
        finally:
            lock.release()

    def _make_file(self) -> None:
        if self._makes_folder:
            _make_folder(Path(self.path).parent)
        if self._is_ours:
            _create_private(self.path)

    @contextmanager
    def migrating(self) -> Iterator[sqlalchemy.Connection]:
        """A connection that holds the write lock, whatever the schema; committed at the end.

        Raises:
            StorageUnavailableError: the database does not answer.
        """
        engine = make_engine(self.path, sets_pragmas=self._is_ours)
        try:
            self._make_file()
            with engine.connect() as connection:
                _begin_among_others(connection, time.monotonic() + _PATIENCE)
                yield connection
                connection.commit()
        except (SQLAlchemyError, OSError) as error:
            raise StorageUnavailableError(_say(error), writing=True) from error
        finally:
            engine.dispose()

    def close(self) -> None:
        """Close all connections; the next step opens them again, and creates the schema where it is gone."""
        with self._opening:
            self._let_go()

    def _is_current(self) -> bool:
        return self._process == os.getpid() and identify(self.path) == self.file

    def _let_go(self) -> None:
        engine, self._engine = self._engine, None
        if engine is None:
            return
        if self._process == os.getpid():
            self._closing()
        else:
            self._closing.detach()
            # To close the parent's connections from here could undo what it is just writing.
            self._left_by_parent.append(engine)

    def _open_anew(self) -> Engine:
        engine = make_engine(self.path, sets_pragmas=self._is_ours)
        self._errors = (SQLAlchemyError, engine.dialect.loaded_dbapi.Error, OSError)
        try:
            self._make_file()
            with closing(engine.raw_connection()) as connection:
                preparation.prepare(connection, is_ours=self._is_ours)
            self.file, self._process = identify(self.path), os.getpid()
        except self._errors as error:
            engine.dispose()
            raise StorageUnavailableError(_say(error), writing=True) from error
        except TesseraError:
            engine.dispose()
            raise
        # A storage that is dropped leaves no open connection.
        self._closing = weakref.finalize(self, _dispose, engine, self._process)
        return engine


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnavailableError(
            f"the folder {folder} cannot be made: {error.strerror}; name a file in a folder that can be written",
            writing=True,
        ) from error


def _dispose(engine: Engine, process: int) -> None:
    if process == os.getpid():
        engine.dispose()


def identify(path: str) -> FileIdentity:
    """The device and inode of a file; `NO_FILE` where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - on every step, where a Path would cost more than the call
    except OSError:
        return NO_FILE
    return status.st_dev, status.st_ino


def make_engine(path: str, *, sets_pragmas: bool) -> Engine:
    """An engine whose connections wait at most `LONGEST_WAIT`."""
    engine = sqlalchemy.create_engine(
        sqlalchemy.URL.create("sqlite", database=path),
        connect_args={"timeout": LONGEST_WAIT, "isolation_level": None, "check_same_thread": False},
        pool_timeout=LONGEST_WAIT,
        pool_size=8,
        max_overflow=56,
    )
    if sets_pragmas:
        sqlalchemy.event.listen(engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    _choose_wal(connection, time.monotonic() + LONGEST_WAIT)
    # An ending that was answered must outlive a power cut.
    connection.execute("PRAGMA synchronous=FULL")


def _choose_wal(connection: sqlite3.Connection, give_up_at: float) -> None:
    """Choose the journal; where another process is about to, SQLite fails at once, so wait for a transaction of it."""
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() >= give_up_at:
                raise
        else:
            return
        begin(connection, give_up_at - time.monotonic())
        connection.execute("ROLLBACK")


def _create_private(path: str) -> None:
    """Create the file so that only its owner may read it: it holds addresses and device names."""
    # Never a file that is there: closing any descriptor of it drops the locks that SQLite holds in this process,
    # and then another process deletes the journal from under it (sqlite.org/howtocorrupt.html §2.2).
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600))


def _begin_among_others(connection: sqlalchemy.Connection, give_up_at: float) -> None:
    """Begin with the write lock, asked for more often than SQLite asks: under load it is free for moments only."""
    # Through the driver: SQLAlchemy would begin at the first statement only, and without the lock.
    connection.exec_driver_sql("PRAGMA busy_timeout = 0")
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError:
            if time.monotonic() >= give_up_at:
                raise
            time.sleep(_PAUSE)
        else:
            break
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {LONGEST_WAIT * 1000}")


def _say(error: BaseException) -> str:
    """The driver's words without statement and parameters, which may hold personal data."""
    original = getattr(error, "orig", None) or error
    words = f"{type(original).__name__}: {str(original).splitlines()[0] if str(original) else 'no detail'}"
    return words + _HELD if getattr(original, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY else words
