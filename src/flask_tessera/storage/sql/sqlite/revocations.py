"""`RevocationLog` in SQLite: the table is the truth, a side file tells that it may have grown."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from ....errors import StorageUnavailableError
from ...contract import Revocation, Revocations, Wakeup
from .change_detector import ChangeDetector

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.pool import PoolProxiedConnection

    from .database import Database, FileIdentity

_ENTRIES: Final = """
SELECT number, forget_at, reason, sid, realm, user_id, epoch, except_sid FROM tessera_revocations
 WHERE number > ? AND forget_at > ? ORDER BY number LIMIT ?"""
_ENDED_ALL: Final = """
SELECT 1 FROM tessera_revocations WHERE number > ? AND user_id = ? AND realm = ? AND epoch > 0 LIMIT 1"""
_PAGE: Final = 5000
"""Entries that are read at once: some 20 ms."""
_END: Final = -1
"""In place of a cursor: after all entries."""
_LAST: Final = "SELECT coalesce(max(number), 0) FROM tessera_revocations"
_LOG: Final = "SELECT log_id, born_at, file, era FROM tessera_log"
_BORN: Final = "UPDATE tessera_log SET born_at = ?, file = ? WHERE born_at IS NULL OR file <> ?"
_RESTORE: Final = "UPDATE tessera_log SET log_id = ?, born_at = ?, file = ?, era = era + 1 RETURNING era"
# The newest entry stays, so that the last number can always be read.
_FORGETTABLE: Final = """
SELECT number FROM tessera_revocations
 WHERE number > ? AND forget_at <= ? AND number < (SELECT max(number) FROM tessera_revocations)
 ORDER BY number LIMIT ?"""
_PURGE: Final = "DELETE FROM tessera_revocations WHERE number = ?"
_FEW: Final = 1000
"""Entries that one transaction of a purge removes: a few ms."""
_PAUSE: Final = 0.05
"""Seconds between two looks of `wait`, for which nobody has a use where each request looks."""


class SQLiteRevocations:
    """The log, and this process's detector of changes."""

    bound = 0

    def __init__(self, database: Database, steady: Callable[[], float]) -> None:
        self._database = database
        self._log_id = ""
        self._is_interrupted = False
        detector = ChangeDetector(database, steady)
        self.stamp = detector.stamp
        self.announce = detector.announce
        self.close = detector.close

    def after(self, cursor: int, *, at: int) -> Revocations:
        page = self._born(cursor, at)
        self._log_id = page.log_id
        return page

    def tail(self, *, at: int) -> Revocations:
        return self._born(_END, at)

    def ended_all(self, realm: str, user_id: str, *, after: int) -> bool:
        with self._database.reading() as connection:
            return connection.cursor().execute(_ENDED_ALL, (after, user_id, realm)).fetchone() is not None

    def wait(self, cursor: int, *, longest: float) -> Wakeup:
        self._is_interrupted = False
        give_up_at = time.monotonic() + longest
        while not self._has_grown(cursor):
            left = give_up_at - time.monotonic()
            if left <= 0 or self._is_interrupted:
                return Wakeup(is_unchanged=True)
            time.sleep(min(_PAUSE, left))
        return Wakeup()

    def interrupt(self) -> None:
        self._is_interrupted = True

    def restore(self, *, at: int) -> int:
        self._database.open()
        file = _inode(self._database.file)
        with self._database.writing() as connection:
            (era,) = connection.cursor().execute(_RESTORE, (secrets.token_hex(8), at, file)).fetchone()
        self.announce()
        return int(era)

    def purge(self, *, at: int) -> None:
        after = 0
        while few := self._forgettable(after, at):
            with self._database.removing() as connection:
                connection.cursor().executemany(_PURGE, few)
            (after,) = few[-1]

    def _forgettable(self, after: int, at: int) -> list[tuple[int]]:
        with self._database.reading() as connection:
            rows: list[tuple[int]] = connection.cursor().execute(_FORGETTABLE, (after, at, _FEW)).fetchall()
        return rows

    def _born(self, cursor: int, at: int) -> Revocations:
        """What follows `cursor` in the log of this file, which is born if nobody has read it before."""
        while True:
            self._database.open()
            # Taken before the read, and part of the log's name: a restored copy is another log, though it has grown
            # since.
            file = self._database.file
            with self._database.reading() as connection:
                page = _read(connection, cursor, file, at)
            if page is not None:
                return page
            with self._database.writing() as connection:
                connection.cursor().execute(_BORN, (at, _inode(file), _inode(file)))

    def _has_grown(self, cursor: int) -> bool:
        self._database.open()
        file = self._database.file
        with self._database.reading() as connection:
            sql = connection.cursor()
            (last,) = sql.execute(_LAST).fetchone()
            log = sql.execute(_LOG).fetchone()
        return last != cursor or log is None or (bool(self._log_id) and _name(log[0], file) != self._log_id)


def _read(connection: PoolProxiedConnection, cursor: int, file: FileIdentity, at: int) -> Revocations | None:
    """The log after `cursor`; None if nobody has read it before, in this file."""
    sql = connection.cursor()
    log = sql.execute(_LOG).fetchone()
    if log is None:
        raise StorageUnavailableError("table tessera_log has no row; the next connection writes one")
    log_id, born_at, born_as, era = log
    if born_at is None or born_as != _inode(file):
        return None
    (last,) = sql.execute(_LAST).fetchone()
    if cursor == _END:
        return Revocations((), 0, _name(log_id, file), born_at, era, last=last)
    # A log that is shorter than what was read is another one: a copy was restored.
    rows: list[Any] = sql.execute(_ENTRIES, (cursor if cursor <= last else 0, at, _PAGE)).fetchall()
    entries = tuple(Revocation(*row[1:]) for row in rows)
    # Where a page is not full, all that follows could be forgotten.
    reached = rows[-1][0] if len(rows) == _PAGE else max([last, *(row[0] for row in rows[-1:])])
    return Revocations(entries, reached, _name(log_id, file), born_at, era, len(rows) < _PAGE or reached == last)


def _name(log_id: str, file: FileIdentity) -> str:
    return f"{log_id}.{file[0]}.{file[1]}"


def _inode(file: FileIdentity) -> str:
    # Without the device, which may be numbered otherwise after a restart or in a neighbouring container.
    return str(file[1])
