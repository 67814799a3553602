"""Whether the database may have changed since the last look, for a tenth of a microsecond."""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
from typing import TYPE_CHECKING, Final, NamedTuple

from ....clocks import boot_clock
from ....errors import StorageUnavailableError
from ....fork import renew_in_children
from .cell import Cell
from .database import NO_FILE, QUEUE_WAIT
from .transaction import LONGEST_WAIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from .database import Database, FileIdentity

_BACKSTOP: Final = 1.0
"""Seconds between looks at what the cell cannot tell: a crash between commit and cell, a lost file."""


class _Eye(NamedTuple):
    """What a stamp is made of; one object, since other threads read it without a lock."""

    cell: Cell
    salt: bytes


class Watch:
    """One process's eye on one SQLite file: a cell for each request, `PRAGMA data_version` each second."""

    def __init__(self, database: Database, steady: Callable[[], float] = boot_clock) -> None:
        self._database = database
        self._steady = steady
        self._eye: _Eye | None = None
        self._connection: sqlite3.Connection | None = None
        self._left_by_parent: list[sqlite3.Connection] = []
        self._file: FileIdentity = NO_FILE
        self._version = 0
        self._process = 0
        renew_in_children(self)

    def renew_locks(self) -> None:
        """A thread of the parent may have been looking; what it saw with is of no use to a child."""
        self._lock = threading.Lock()
        self._next_look = 0.0

    def stamp(self) -> bytes:
        """A value that differs from an earlier one if the database may have changed.

        Raises:
            StorageUnavailableError: the database or the cell cannot be read.
        """
        if self._steady() >= self._next_look:
            self._look()
        eye = self._eye
        if eye is None:
            raise StorageUnavailableError("the database cannot be watched")
        return eye.cell.read() + eye.salt

    def announce(self) -> None:
        """Let every process of this host look; called after a commit.

        Without a cell nothing is lost: each process looks by itself within a second.
        """
        eye = self._eye
        if eye is None or not eye.cell.is_current():
            self._next_look = 0.0
            try:
                self._look()
            except StorageUnavailableError:
                return
            eye = self._eye
        if eye is not None:
            eye.cell.change()

    def close(self) -> None:
        """Let go of the connection; the next stamp opens it again."""
        with self._lock:
            self._forget()

    def _look(self) -> None:
        lock = self._lock
        if not lock.acquire(timeout=QUEUE_WAIT):
            raise StorageUnavailableError("waited too long for another thread that looks at the database")
        try:
            # Another thread may have looked while this one waited.
            if self._steady() >= self._next_look:
                self._look_locked()
        except (sqlite3.Error, OSError) as error:
            self._forget()
            raise StorageUnavailableError(f"the database cannot be watched: {error}") from error
        except StorageUnavailableError:
            self._forget()
            raise
        finally:
            lock.release()

    def _look_locked(self) -> None:
        # Taken before the look: what is found later must not seem younger than it is.
        due = self._steady() + _BACKSTOP
        # Leaves a file that is no longer at its path.
        self._database.open()
        eye, connection = self._eye, self._connection
        if eye is None or connection is None or not self._is_current(eye):
            self._begin()
        else:
            version = _version_of(connection)
            if version != self._version:
                self._version, self._eye = version, _Eye(eye.cell, secrets.token_bytes(8))
        self._next_look = due

    def _is_current(self, eye: _Eye) -> bool:
        return self._process == os.getpid() and self._file == self._database.file and eye.cell.is_current()

    def _begin(self) -> None:
        path, file = self._database.path, self._database.file
        cell = Cell(f"{path}-tessera")
        connection = sqlite3.connect(path, LONGEST_WAIT, isolation_level=None, check_same_thread=False)
        try:
            # Read before the new stamp can be seen: a commit in between must change the next version.
            version = _version_of(connection)
        except sqlite3.Error:
            connection.close()
            raise
        self._let_go_of_connection()
        self._connection, self._version, self._file, self._process = connection, version, file, os.getpid()
        self._eye = _Eye(cell, secrets.token_bytes(8))

    def _forget(self) -> None:
        self._next_look, self._eye = 0.0, None
        self._let_go_of_connection()

    def _let_go_of_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._process == os.getpid():
            connection.close()
        else:
            # Closing it would meddle with the parent's locks.
            self._left_by_parent.append(connection)


def _version_of(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return version
