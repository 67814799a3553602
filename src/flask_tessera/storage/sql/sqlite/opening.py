"""How connections to a SQLite file are made, and what the file is."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import sqlalchemy

from ....errors import StorageUnavailableError
from .transaction import LONGEST_WAIT, begin

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Engine

    FileIdentity = tuple[int, int]

NO_FILE: Final = (0, 0)
_HELD: Final = (
    f": another transaction has held the file for {LONGEST_WAIT} s, most often the application's own, not "
    "yet committed (db.session.flush() before login()): commit it first"
)


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


def make_folder(folder: Path) -> None:
    """Make a folder that only its owner may enter, where it is missing.

    Raises:
        StorageUnavailableError: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnavailableError(
            f"the folder {folder} cannot be made: {error.strerror}; name a file in a folder that can be written",
            writing=True,
        ) from error


def create_private(path: str) -> None:
    """Create the file so that only its owner may read it: it holds addresses and device names."""
    # Never a file that is there: closing any descriptor of it drops the locks that SQLite holds in this process,
    # and then another process deletes the journal from under it (sqlite.org/howtocorrupt.html §2.2).
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600))


def dispose(engine: Engine, process: int) -> None:
    """Close the connections of an engine, if they are this process's."""
    if process == os.getpid():
        engine.dispose()


def describe_error(error: BaseException) -> str:
    """The driver's words without statement and parameters, which may hold personal data."""
    original = getattr(error, "orig", None) or error
    words = f"{type(original).__name__}: {str(original).splitlines()[0] if str(original) else 'no detail'}"
    return words + _HELD if getattr(original, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY else words


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
