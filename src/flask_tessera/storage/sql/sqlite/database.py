"""Steps on one SQLite file, our own or a host's."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ....errors import StorageUnavailableError
from ....fork import fork_between_writes, renew_in_children
from .. import schema, upgrades
from ..database import Database, Failure
from ..dialect import SQLITE
from .connection import LONGEST_WAIT, NO_FILE, Connection, identify
from .place import fault_of_place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from ..transaction import Values

_IS_PREPARED: Final = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'tessera_log'"
_CONNECTIONS: Final = 64
"""Of one process at most."""
_PATIENCE: Final = 30
"""Seconds for which an upgrade waits for the write lock, for which no request waits."""
_PAUSE: Final = 0.001
_OF_PLACE: Final = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM)
"""Errors of which the file or its folder may be the cause."""
_HELD: Final = (
    f": another transaction has held the file for {LONGEST_WAIT} s, most often the application's own, not "
    "yet committed (db.session.flush() before login()): commit it first"
)


class SQLiteDatabase(Database[Connection]):
    """A SQLite database of our own, or the one of a host.

    Args:
        path: of its file.
        is_ours: whether we create the file, choose its journal and bring an older schema up to date: nobody else reads
            it, and whoever runs the ready service has one command.
        makes_folder: whether its folder is made where it is missing.
    """

    dialect = SQLITE
    errors = (sqlite3.Error, OSError)
    begin = "BEGIN IMMEDIATE"
    gap = 0.025
    """Seconds between two transactions that remove. Processes that wait for the write lock do not queue: SQLite lets
    them try again after up to 25 ms, in their first tenth of a second."""

    def __init__(self, path: str, *, is_ours: bool, makes_folder: bool = False) -> None:
        super().__init__(_CONNECTIONS)
        self.path = path
        self._is_ours = is_ours
        self._makes_folder = makes_folder
        self._file = NO_FILE
        self._removed_at = 0.0
        renew_in_children(self)
        # SQLite keeps in memory which locks of the file this process holds. A child that is forked within a
        # transaction would take it for its own, and wait for its end for ever.
        fork_between_writes(self)

    def reset_after_fork(self) -> None:
        """A parent's threads do not live in its child, but what they held stays held."""
        # SQLite lets one writer in; those of one process queue here, which is fairer than its busy wait.
        self.write_lock = threading.Lock()

    def remove(self, statement: str, rows: Sequence[Values]) -> int:
        # There is a gap before it, in which others get at the write lock.
        time.sleep(max(0.0, self._removed_at + self.gap - time.monotonic()))
        try:
            return super().remove(statement, rows)
        finally:
            self._removed_at = time.monotonic()

    def version(self) -> int:
        file = Path(self.path)
        return 0 if file.parent.is_dir() and not file.exists() else super().version()

    def upgrade(self) -> list[str]:
        give_up_at = time.monotonic() + _PATIENCE
        try:
            with closing(self._dial(0)) as connection:
                connection.deadline = 0
                _until_free(connection, "BEGIN IMMEDIATE", give_up_at)
                applied = create_or_upgrade(connection)
                # Where the journal is a host's, it waits for those who read.
                _until_free(connection, "COMMIT", give_up_at)
                return applied
        except self.errors as error:
            raise self.unavailable(error, writing=True) from error

    def close(self) -> None:
        self._is_at_work = False
        super().close()

    def _dial(self, give_up_at: float) -> Connection:  # noqa: ARG002 - to open a file takes no time
        if self._makes_folder:
            _make_folder(Path(self.path).parent)
        if self._is_ours:
            # For its owner only: it holds addresses and device names. Never a file that is there: closing any
            # descriptor of it drops the locks that SQLite holds in this process, and then another process deletes the
            # journal from under it (sqlite.org/howtocorrupt.html §2.2).
            with suppress(FileExistsError):
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600))
        return Connection(self.path)

    def _version_on(self, connection: Connection) -> int:
        return version_of(connection)

    def _prepare(self, connection: Connection) -> int:
        if self._is_ours:
            connection.choose_journal()
        version = version_of(connection)
        if not version or (version < schema.VERSION and self._is_ours):
            # Two processes may start at once: the second waits, and finds all in place.
            connection.execute("BEGIN IMMEDIATE")
            create_or_upgrade(connection)
            connection.execute("COMMIT")
            version = version_of(connection)
        connection.file = identify(self.path)
        if connection.file != self._file:
            self._file, self._is_at_work = connection.file, False
        return version

    def failure(self, error: BaseException) -> Failure:
        return Failure.DUPLICATE if isinstance(error, sqlite3.IntegrityError) else Failure.OTHER

    def _words(self, error: BaseException) -> str:
        words = str(error).splitlines()[0] if str(error) else "no detail"
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_BUSY:
            return words + _HELD
        fault = fault_of_place(self.path) if isinstance(error, OSError) or code in _OF_PLACE else ""
        return f"{words}: {fault}" if fault else words

    def _lend(self, give_up_at: float, *, writing: bool) -> AbstractContextManager[Connection]:
        lent = super()._lend(give_up_at, writing=writing)
        return self._queued(lent) if writing else lent

    @contextmanager
    def _queued(self, lent: AbstractContextManager[Connection]) -> Iterator[Connection]:
        lock = self.write_lock
        if not lock.acquire(timeout=LONGEST_WAIT):
            raise StorageUnavailableError("waited too long for the write lock", writing=True)
        try:
            with lent as connection:
                yield connection
        finally:
            lock.release()


def _until_free(connection: Connection, statement: str, give_up_at: float) -> None:
    """Carry it out once the lock is free: it is asked for more often than SQLite asks, for it is free for moments."""
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= give_up_at:
                raise
            time.sleep(_PAUSE)
        else:
            return


def create_or_upgrade(connection: sqlite3.Connection) -> list[str]:
    """Bring the schema up to date in the transaction of the connection; gives the steps that were applied.

    Raises:
        ConfigError: it is newer than this process knows.
    """
    version = version_of(connection)
    if version >= schema.VERSION:
        schema.refuse_other(version)
        return []
    if version:
        return upgrades.upgrade(connection.execute, version, postgres=False)
    for statement in schema.creation(SQLITE):
        connection.execute(statement)
    return [upgrades.HEAD]


def version_of(connection: sqlite3.Connection) -> int:
    """Of the schema that is there; 0 where there is none, or where the row of its log is gone."""
    if connection.execute(_IS_PREPARED).fetchone() is None:
        return 0
    row = connection.execute(schema.READ_VERSION).fetchone()
    return 0 if row is None else int(row[0])


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnavailableError(
            f"the folder {folder} cannot be made: {error.strerror}; name a file in a folder that can be written",
            writing=True,
        ) from error
