"""Connections to one database: opened when needed, one transaction for each step, errors translated."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from ....errors import AlreadyExistsError, StorageUnavailableError, TesseraError
from ....fork import fork_between_writes, renew_in_children
from . import preparation
from .dialect import SQLITE
from .opening import NO_FILE, create_private, describe_error, dispose, identify, make_engine, make_folder
from .transaction import LONGEST_WAIT, begin, transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy.engine import Engine
    from sqlalchemy.pool import PoolProxiedConnection

    from ..dialect import Rows, Statement, Values
    from .opening import FileIdentity

Result = TypeVar("Result")
QUEUE_WAIT: Final = 0.75
"""Seconds to wait for another thread that opens or looks, which may itself have to wait `LONGEST_WAIT`."""
_PATIENCE: Final = 30
"""Seconds for which an upgrade waits for the write lock, for which no request waits."""
_PAUSE: Final = 0.001
_GAP: Final = 0.025
"""Seconds between two transactions that remove. Processes that wait for the write lock do not queue: SQLite lets them
try again after up to 25 ms, in their first tenth of a second."""


class SQLiteDatabase:
    """A SQLite database of our own, or the one of a host; the connections are ours in both cases.

    Args:
        path: of its file.
        is_ours: whether we create the file, choose its journal and bring an older schema up to date.
        makes_folder: whether its folder is made where it is missing.
    """

    dialect = SQLITE

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

    def read(self, *statements: Statement) -> tuple[list[Rows], str]:
        engine = self.open()
        # Taken before the read: a restored copy is another log, though it has grown since.
        identity = self._identity
        try:
            with closing(engine.raw_connection()) as connection:
                return [connection.cursor().execute(sql, values).fetchall() for sql, values in statements], identity
        except self._errors as error:
            raise StorageUnavailableError(describe_error(error)) from error

    def transact(self, work: Callable[[SQLiteTransaction], Result], *, again: bool = False) -> Result:  # noqa: ARG002 - no commit is lost
        with self.writing() as connection:
            return work(SQLiteTransaction(connection, self._identity))

    def run(self, *statements: Statement, again: bool = True) -> list[Rows]:  # noqa: ARG002 - no commit is lost
        return self.transact(lambda tx: tx.read(*statements))

    def remove(self, statement: str, rows: Sequence[Values]) -> int:
        # There is a gap before it, in which others get at the write lock.
        time.sleep(max(0.0, self._removed_at + _GAP - time.monotonic()))
        try:
            with self.writing() as connection:
                removed: int = connection.cursor().executemany(statement, rows).rowcount
        finally:
            self._removed_at = time.monotonic()
        return removed

    @contextmanager
    def writing(self) -> Iterator[PoolProxiedConnection]:
        """A connection in a transaction of its own that holds the write lock; committed at the end.

        Raises:
            AlreadyExistsError: a row that was inserted was there already.
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
            if isinstance(error, sqlite3.IntegrityError):
                raise AlreadyExistsError("a row of this key") from error
            raise StorageUnavailableError(describe_error(error), writing=True) from error
        finally:
            lock.release()

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

    def upgrade(self) -> list[str]:
        """Bring the schema up to date, whatever it is; gives the steps that were applied.

        Raises:
            ConfigError: the schema is newer than known here.
            StorageUnavailableError: the database does not answer; nothing was changed.
        """
        return self._with_patience(preparation.create_or_upgrade)

    def schema_version(self) -> int:
        """Of the schema that is there; 0 where there is none. Looking makes no file.

        Raises:
            StorageUnavailableError: the database does not answer.
        """
        file = Path(self.path)
        if file.parent.is_dir() and not file.exists():
            return 0
        return self._with_patience(preparation.version_of)

    def close(self) -> None:
        """Close all connections; the next step opens them again, and creates the schema where it is gone."""
        with self._opening:
            self._let_go()

    @property
    def _identity(self) -> str:
        # Without the device, which may be numbered otherwise after a restart or in a neighbouring container.
        return str(self.file[1])

    def _make_file(self) -> None:
        if self._makes_folder:
            make_folder(Path(self.path).parent)
        if self._is_ours:
            create_private(self.path)

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
            raise StorageUnavailableError(describe_error(error), writing=True) from error
        except TesseraError:
            engine.dispose()
            raise
        # A storage that is dropped leaves no open connection.
        self._closing = weakref.finalize(self, dispose, engine, self._process)
        return engine

    def _with_patience(self, work: Callable[[Any], Result]) -> Result:
        """Do something in a transaction that holds the write lock, which is asked for more often than SQLite asks.

        Under load it is free for moments only.
        """
        engine = make_engine(self.path, sets_pragmas=self._is_ours)
        give_up_at = time.monotonic() + _PATIENCE
        try:
            self._make_file()
            with closing(engine.raw_connection()) as connection:
                while not _has_begun(connection, give_up_at):
                    time.sleep(_PAUSE)
                result = [work(each.cursor()) for each in transaction(connection)]
                return result[0]
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise StorageUnavailableError(describe_error(error), writing=True) from error
        finally:
            engine.dispose()


class SQLiteTransaction:
    """A connection that holds the write lock."""

    def __init__(self, connection: PoolProxiedConnection | sqlite3.Connection, identity: str) -> None:
        self._cursor = connection.cursor()
        self.identity = identity

    def read(self, *statements: Statement) -> list[Rows]:
        return [self._cursor.execute(sql, values).fetchall() for sql, values in statements]

    def write(self, statement: str, rows: Sequence[Values]) -> None:
        self._cursor.executemany(statement, rows)


def _has_begun(connection: PoolProxiedConnection, give_up_at: float) -> bool:
    try:
        begin(connection, 0)
    except sqlite3.OperationalError:
        if time.monotonic() >= give_up_at:
            raise
        return False
    return True
