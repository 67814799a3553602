"""A connection to a SQLite file, and what the file is."""

from __future__ import annotations

import os
import sqlite3
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..transaction import Rows, Statement, Values

    FileIdentity = tuple[int, int]

NO_FILE: Final = (0, 0)
LONGEST_WAIT: Final = 2
"""Seconds to wait for a lock before the storage counts as unavailable."""


def identify(path: str) -> FileIdentity:
    """The device and inode of a file; `NO_FILE` where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - on every step, where a Path would cost more than the call
    except OSError:
        return NO_FILE
    return status.st_dev, status.st_ino


class Connection(sqlite3.Connection):
    """One of our own, in autocommit; one thread at a time uses it."""

    def __init__(self, path: str) -> None:
        self.process = os.getpid()
        """Whose it is: to close a parent's from its child could undo what that is just writing."""
        self._deadline = 0.0
        self._patience = 1000 * LONGEST_WAIT
        self._path = path
        self.file: FileIdentity = NO_FILE
        """Which file it leads to."""
        super().__init__(path, timeout=LONGEST_WAIT, isolation_level=None, check_same_thread=False)

    @property
    def identity(self) -> str:
        # Without the device, which may be numbered otherwise after a restart or in a neighbouring container.
        return str(self.file[1])

    @property
    def is_quiet(self) -> bool:
        """Whether the file is still at its path."""
        return identify(self._path) == self.file

    @property
    def deadline(self) -> float:
        """Steady second at which it stops waiting for a lock."""
        return self._deadline

    @deadline.setter
    def deadline(self, steady: float) -> None:
        self._deadline = steady
        patience = int(1000 * min(LONGEST_WAIT, max(0, steady - time.monotonic())))
        # Most often it is the longest, as it was before.
        if patience != self._patience:
            self.execute(f"PRAGMA busy_timeout = {patience}")
            self._patience = patience

    def batch(self, statements: Sequence[Statement]) -> list[Rows]:
        return [self.execute(sql, values).fetchall() for sql, values in statements]

    def change(self, statement: str, rows: Sequence[Values]) -> int:
        return self.executemany(statement, rows).rowcount

    def close(self) -> None:
        """Close it, if it is this process's."""
        if self.process == os.getpid():
            super().close()

    def choose_journal(self) -> None:
        """Choose a WAL; where another process is about to, SQLite fails at once: wait for a transaction of it."""
        give_up_at = time.monotonic() + LONGEST_WAIT
        while True:
            try:
                self.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError:
                if time.monotonic() >= give_up_at:
                    raise
            else:
                # An ending that was answered must outlive a power cut.
                self.execute("PRAGMA synchronous=FULL")
                return
            self.deadline = give_up_at
            self.execute("BEGIN IMMEDIATE")
            self.execute("ROLLBACK")
