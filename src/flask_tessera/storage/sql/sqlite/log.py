"""The revocation log in SQLite, and whether it may have grown since the last look, for less than a microsecond.

How this works: each request asks whether revocations may have been written since the last one. SQLite notifies nobody,
and its own answer, `PRAGMA data_version`, costs more than all else that is done with a token. So every process that
writes a revocation changes, after the commit, 16 random bytes in a file beside the database, and each request reads
these bytes. They are never believed to say what has changed, only that the log must be read.

The side file can fail in these ways, and a look once a second makes up for each of them:

- a process dies between commit and change: `PRAGMA data_version` has changed, so the stamp gets a new salt;
- the side file is deleted or replaced: device and inode differ, so it is opened anew, by who writes next at once;
- it is truncated: the short read is another value, and the next change makes it whole;
- the database itself is replaced: there is another inode at its path, and the log begins to look anew.

Its name is made of the real path of the database: two names of one file, by a symbolic link, share it.

`data_version` counts by connection, and only what other connections commit, so the log has one of its own, on
which nothing is written once it looks. After a fork the child opens its own file and connection.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
import time
import weakref
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ....errors import StorageUnavailableError
from ....fork import renew_in_children
from ..log import SQLLog
from ..pool import close_all, leave_to_parent
from .connection import LONGEST_WAIT, identify

if TYPE_CHECKING:
    from collections.abc import Callable

    from .connection import Connection
    from .database import SQLiteDatabase

_SIZE: Final = 16
_HAS_PREAD: Final = hasattr(os, "pread")
"""Windows has neither it nor `pwrite`."""
# Of Windows; elsewhere all files are binary. There no child inherits a descriptor anyway.
_FLAGS: Final = (
    os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
)
_BACKSTOP: Final = 1.0
"""Seconds between looks at what the side file cannot tell."""
_QUEUE_WAIT: Final = 0.75
"""Seconds to wait for another thread that looks, which may itself have to wait `LONGEST_WAIT`."""


class _SideFile:
    """A value shared by all processes of one host, changed after each revocation.

    Reading takes 0.7 microseconds, where `PRAGMA data_version` takes four to seven. It is read, not mapped: a mapped
    file that somebody truncates kills the process. A torn read differs from both values around it, so it is only one
    look at the log too many; so is the short read of a truncated file, which the next change makes whole.
    """

    def __init__(self, path: str) -> None:
        self.salt = secrets.token_bytes(8)
        """Another one where there may be something new that nobody has told."""
        self._path = path
        # A link there would lead our bytes into another file.
        if Path(path).is_symlink():
            Path(path).unlink(missing_ok=True)
        self._descriptor = os.open(path, _FLAGS, 0o600)
        # Not before the last reader has let go: the number could lead to another file by then.
        weakref.finalize(self, os.close, self._descriptor)
        self._lock = threading.Lock()
        status = os.fstat(self._descriptor)
        self._identity = status.st_dev, status.st_ino
        if status.st_size < _SIZE:
            self.change()

    def read(self) -> bytes:
        """The present value with its salt; shorter where the file was truncated."""
        if _HAS_PREAD:
            return os.pread(self._descriptor, _SIZE, 0) + self.salt
        with self._lock:
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            return os.read(self._descriptor, _SIZE) + self.salt

    def change(self) -> None:
        """Put a fresh value: random, since two processes may change it at once."""
        value = secrets.token_bytes(_SIZE)
        if _HAS_PREAD:
            os.pwrite(self._descriptor, value, 0)
            return
        with self._lock:
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, value)

    def is_current(self) -> bool:
        """Whether the file at its path is still the one that is open."""
        return identify(self._path) == self._identity


class SQLiteLog(SQLLog):
    """`ChangingLog`: asks the side file for each request, `PRAGMA data_version` each second.

    Args:
        database: where it is.
        steady: gives seconds that only grow, for the interval between two looks at the file; for tests.
    """

    bound = 0

    def __init__(self, database: SQLiteDatabase, steady: Callable[[], float]) -> None:
        super().__init__(database)
        self._file = database
        self._steady = steady
        self._version = 0
        self._held: deque[Connection] = deque()
        """The connection, where there is one."""
        renew_in_children(self)
        weakref.finalize(self, close_all, self._held)

    def reset_after_fork(self) -> None:
        """A thread of the parent may have been looking; what it saw with is of no use to a child."""
        self._lock = threading.Lock()
        self._next_look = 0.0
        self._side_file: _SideFile | None = None
        leave_to_parent(self._held)

    def stamp(self) -> object:
        if self._steady() >= self._next_look:
            self._look()
        side_file = self._side_file
        if side_file is None:
            raise StorageUnavailableError("the database cannot be watched")
        try:
            return side_file.read()
        except OSError as error:
            raise StorageUnavailableError(f"the database cannot be watched: {error}") from error

    def announce(self) -> None:
        # Without the side file, or on a full disk, nothing is lost: each process looks by itself within a second.
        if self._side_file is None or not self._side_file.is_current():
            self._next_look = 0.0
            with suppress(StorageUnavailableError):
                self._look()
        side_file = self._side_file
        if side_file is not None:
            with suppress(OSError):
                side_file.change()

    def close(self) -> None:
        with self._lock:
            self._forget()

    def _look(self) -> None:
        lock = self._lock
        if not lock.acquire(timeout=_QUEUE_WAIT):
            raise StorageUnavailableError("waited too long for another thread that looks at the database")
        try:
            # Another thread may have looked while this one waited.
            if self._steady() >= self._next_look:
                # Taken before the look: what is found later must not seem younger than it is.
                due = self._steady() + _BACKSTOP
                self._look_locked()
                self._next_look = due
        except StorageUnavailableError:
            self._forget()
            raise
        except (sqlite3.Error, OSError) as error:
            self._forget()
            raise self._file.unavailable(error, writing=False) from error
        finally:
            lock.release()

    def _look_locked(self) -> None:
        side_file, version = self._side_file, self._version
        if side_file and self._held and self._held[0].is_quiet and side_file.is_current():
            self._version = _version_of(self._held[0])
            if version != self._version:
                side_file.salt = secrets.token_bytes(8)
            return
        self._forget()
        self._held.append(self._file.connect(time.monotonic() + LONGEST_WAIT))
        # Read before the new stamp can be seen: a commit in between must change the next version.
        self._version = _version_of(self._held[0])
        self._side_file = _SideFile(f"{os.path.realpath(self._file.path)}-tessera")

    def _forget(self) -> None:
        self._next_look, self._side_file = 0.0, None
        close_all(self._held)


def _version_of(connection: Connection) -> int:
    version: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return version
