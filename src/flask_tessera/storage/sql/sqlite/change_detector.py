"""Whether the database may have changed since the last look, for less than a microsecond.

How this works: each request asks whether revocations may have been written since the last one. SQLite notifies nobody,
and its own answer, `PRAGMA data_version`, costs more than all else that is done with a token. So every process that
writes a revocation changes, after the commit, 16 random bytes in a file beside the database, and each request reads
these bytes. They are never believed to say what has changed, only that the log must be read.

The side file can fail in these ways, and a look once a second makes up for each of them:

- a process dies between commit and change: `PRAGMA data_version` has changed, so the stamp gets a new salt;
- the side file is deleted or replaced: device and inode differ, so it is opened anew, by who writes next at once;
- it is truncated: the short read is another value, and the next change makes it whole;
- the database itself is replaced: `SQLiteDatabase.open` finds another inode, and the detector begins anew.

Its name is made of the real path of the database: two names of one file, by a symbolic link, share it.

`data_version` counts by connection, and only what other connections commit, so the detector has one of its own, on
which nothing is ever written. After a fork the child opens its own file and connection; to close those of the parent
could drop locks that the parent holds, so they are kept, and never used.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from ....clocks import boot_clock
from ....errors import StorageUnavailableError
from ....fork import renew_in_children
from .database import QUEUE_WAIT
from .opening import NO_FILE
from .side_file import SideFile
from .transaction import LONGEST_WAIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from .database import SQLiteDatabase
    from .opening import FileIdentity

_BACKSTOP: Final = 1.0
"""Seconds between looks at what the side file cannot tell."""


class _Source(NamedTuple):
    """What a stamp is made of; one object, since other threads read it without a lock."""

    side_file: SideFile
    salt: bytes


class ChangeDetector:
    """Of one process for one SQLite file: the side file for each request, `PRAGMA data_version` each second."""

    def __init__(self, database: SQLiteDatabase, steady: Callable[[], float] = boot_clock) -> None:
        self._database = database
        self._steady = steady
        self._source: _Source | None = None
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
            StorageUnavailableError: the database or the side file cannot be read.
        """
        if self._steady() >= self._next_look:
            self._look()
        source = self._source
        if source is None:
            raise StorageUnavailableError("the database cannot be watched")
        try:
            return source.side_file.read() + source.salt
        except OSError as error:
            raise StorageUnavailableError(f"the database cannot be watched: {error}") from error

    def announce(self) -> None:
        """Let every process of this host look; called after a commit.

        Without the side file nothing is lost: each process looks by itself within a second.
        """
        source = self._source
        if source is None or not source.side_file.is_current():
            self._next_look = 0.0
            try:
                self._look()
            except StorageUnavailableError:
                return
            source = self._source
        if source is not None:
            # It was committed: on a full disk, too, each process looks by itself within a second.
            with suppress(OSError):
                source.side_file.change()

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
        source, connection = self._source, self._connection
        if source is None or connection is None or not self._is_current(source):
            self._begin()
        else:
            version = _version_of(connection)
            if version != self._version:
                self._version, self._source = version, _Source(source.side_file, secrets.token_bytes(8))
        self._next_look = due

    def _is_current(self, source: _Source) -> bool:
        return self._process == os.getpid() and self._file == self._database.file and source.side_file.is_current()

    def _begin(self) -> None:
        path, file = self._database.path, self._database.file
        side_file = SideFile(f"{os.path.realpath(path)}-tessera")
        connection = sqlite3.connect(path, timeout=LONGEST_WAIT, isolation_level=None, check_same_thread=False)
        try:
            # Read before the new stamp can be seen: a commit in between must change the next version.
            version = _version_of(connection)
        except sqlite3.Error:
            connection.close()
            raise
        self._let_go_of_connection()
        self._closing = weakref.finalize(self, _close, connection, os.getpid())
        self._connection, self._version, self._file, self._process = connection, version, file, os.getpid()
        self._source = _Source(side_file, secrets.token_bytes(8))

    def _forget(self) -> None:
        self._next_look, self._source = 0.0, None
        self._let_go_of_connection()

    def _let_go_of_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._process == os.getpid():
            self._closing()
        else:
            self._closing.detach()
            # Closing it would meddle with the parent's locks.
            self._left_by_parent.append(connection)


def _close(connection: sqlite3.Connection, process: int) -> None:
    if process == os.getpid():
        connection.close()


def _version_of(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return version
