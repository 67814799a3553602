"""Whether the database may have changed since the last look, for a tenth of a microsecond."""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Final

from ...errors import StorageUnavailableError
from .cell import Cell
from .database import LONGEST_WAIT

if TYPE_CHECKING:
    from .database import Database

_BACKSTOP: Final = 1.0
"""Seconds between looks at what the cell cannot tell: a crash between commit and cell, a lost file."""
# Goes on while the machine sleeps, where there is such a clock. Only intervals are taken from it.
_STEADY: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Watch:
    """One process's eye on one SQLite file: a cell for each request, `PRAGMA data_version` each second."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._cell: Cell | None = None
        self._connection: sqlite3.Connection | None = None
        self._left_by_parent: list[object] = []
        self._file: tuple[int, int] = (0, 0)
        self._version = 0
        self._salt = b""
        self._next_look = 0.0
        self._process = 0

    def stamp(self) -> bytes:
        """A value that differs from an earlier one if the database may have changed.

        Raises:
            StorageUnavailableError: the database or the cell cannot be read.
        """
        if time.clock_gettime(_STEADY) >= self._next_look or self._process != os.getpid():
            self._look()
        cell = self._cell
        if cell is None:
            raise StorageUnavailableError("the cell beside the database cannot be read")
        return cell.read() + self._salt

    def announce(self) -> None:
        """Let every process of this host look; called after a commit.

        Without a cell nothing is lost: each process looks by itself within a second.
        """
        if self._cell is None or self._process != os.getpid() or not self._cell.is_current():
            try:
                self._look()
            except StorageUnavailableError:
                return
        if self._cell is not None:
            self._cell.change()

    def _look(self) -> None:
        self._database.open()
        with self._lock:
            try:
                self._look_locked()
            except (sqlite3.Error, OSError) as error:
                self._forget()
                raise StorageUnavailableError(f"the database cannot be watched: {error}") from error

    def _look_locked(self) -> None:
        # Taken before the look: what is found later must not seem younger than it is.
        due = time.clock_gettime(_STEADY) + _BACKSTOP
        if self._process != os.getpid():
            self._forget()
        status = os.stat(self._database.path)
        if (status.st_dev, status.st_ino) != self._file or self._cell is None or not self._cell.is_current():
            self._begin((status.st_dev, status.st_ino))
        assert self._connection is not None  # noqa: S101 - for the type checker
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self._version, self._salt = version, secrets.token_bytes(8)
        self._next_look = due

    def _begin(self, file: tuple[int, int]) -> None:
        if self._file not in ((0, 0), file):
            # Somebody put another file in place: all connections lead to the old one.
            self._database.close()
            self._database.open()
        self._forget()
        path = self._database.path
        self._cell = Cell(f"{path}-tessera")
        self._connection = sqlite3.connect(path, LONGEST_WAIT, isolation_level=None, check_same_thread=False)
        self._file, self._process, self._salt = file, os.getpid(), secrets.token_bytes(8)

    def _forget(self) -> None:
        # A parent's connection must not be closed in the child, and another thread may just read the cell.
        self._left_by_parent = [*self._left_by_parent[-8:], self._connection, self._cell]
        self._connection, self._cell, self._file, self._next_look = None, None, (0, 0), 0.0
