"""`RevocationLog` in SQL: the table is the truth, a watch tells that it has grown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...errors import StorageUnavailableError
from ..contract import Revocation, Revocations
from .watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.pool import PoolProxiedConnection

    from .database import Database, FileIdentity

_ENTRIES: Final = """
SELECT number, forget_at, reason, sid, realm, user_id, epoch, except_sid FROM tessera_revocations
 WHERE number > ? ORDER BY number"""
_LAST: Final = "SELECT coalesce(max(number), 0) FROM tessera_revocations"
_LOG: Final = "SELECT log_id, born_at, file FROM tessera_log"
_BORN: Final = "UPDATE tessera_log SET born_at = ?, file = ? WHERE born_at IS NULL OR file <> ?"
# The newest entry stays, so that the last number can always be read.
_PURGE: Final = """
DELETE FROM tessera_revocations
 WHERE forget_at <= ? AND number < (SELECT max(number) FROM tessera_revocations)"""


class SQLRevocations:
    """The log, and this process's eye on it."""

    bound = 0

    def __init__(self, database: Database, steady: Callable[[], float]) -> None:
        self._database = database
        watch = Watch(database, steady)
        self.stamp = watch.stamp
        self.announce = watch.announce
        self.close = watch.close

    def after(self, cursor: int, *, at: int) -> Revocations:
        self._database.open()
        # Taken before the read, and part of the log's name: a restored copy is another log, though it has grown since.
        file = self._database.file
        with self._database.reading() as connection:
            page = _read(connection, cursor, file)
        if page is not None:
            return page
        with self._database.writing() as connection:
            connection.cursor().execute(_BORN, (at, _inode(file), _inode(file)))
        return self.after(cursor, at=at)

    def purge(self, *, at: int) -> None:
        with self._database.writing() as connection:
            connection.cursor().execute(_PURGE, (at,))


def _read(connection: PoolProxiedConnection, cursor: int, file: FileIdentity) -> Revocations | None:
    """The log after `cursor`; None if nobody has read it before, in this file."""
    sql = connection.cursor()
    log = sql.execute(_LOG).fetchone()
    if log is None:
        raise StorageUnavailableError("the revocation log has lost its name")
    log_id, born_at, born_as = log
    if born_at is None or born_as != _inode(file):
        return None
    (last,) = sql.execute(_LAST).fetchone()
    # A log that is shorter than what was read is another one: a copy was restored.
    rows: list[Any] = sql.execute(_ENTRIES, (cursor if cursor <= last else 0,)).fetchall()
    entries = tuple(Revocation(*row[1:]) for row in rows)
    return Revocations(entries, rows[-1][0] if rows else last, f"{log_id}.{file[0]}.{file[1]}", born_at)


def _inode(file: FileIdentity) -> str:
    # Without the device, which may be numbered otherwise after a restart or in a neighbouring container.
    return str(file[1])
