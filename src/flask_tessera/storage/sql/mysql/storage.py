"""All ports over one MySQL or MariaDB database."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from ....fork import renew_in_children
from ...model import Description, Wakeup
from ..log import LOG, SQLLog
from ..storage import SQLStorage
from . import address
from .database import MySQLDatabase, name_in

if TYPE_CHECKING:
    import sqlalchemy

_SETTINGS: Final = """
SELECT @@GLOBAL.version, @@GLOBAL.innodb_flush_log_at_trx_commit, @@GLOBAL.innodb_doublewrite, @@GLOBAL.read_only"""
_PAUSE: Final = 0.75
"""Seconds between two looks: with what is read now and then, two statements a second for a worker that is idle."""


class MySQLLog(SQLLog):
    """`WaitingLog` of a server that tells nobody: its head is read again and again."""

    bound = 2

    def __init__(self, database: MySQLDatabase) -> None:
        super().__init__(database)
        self._seen: object = None
        renew_in_children(self)

    def reset_after_fork(self) -> None:
        """A parent's thread may have held the lock that is in it."""
        self._interrupted = threading.Event()

    def wait(self, cursor: int, *, longest: float) -> Wakeup:
        give_up_at = time.monotonic() + longest
        while True:
            is_interrupted = self._interrupted.wait(min(_PAUSE, max(0.0, give_up_at - time.monotonic())))
            self._interrupted.clear()
            (rows,), identity = self._database.read_at((LOG, ()))
            before, self._seen = self._seen, (rows, identity)
            # Whatever differs, and be it that the number is smaller, is worth a look: it may be another log.
            if is_interrupted or before != self._seen or not rows or rows[0][-1] != cursor:
                return Wakeup()
            if time.monotonic() >= give_up_at:
                return Wakeup(is_unchanged=True)

    def interrupt(self) -> None:
        self._interrupted.set()


class MySQLStorage(SQLStorage):
    """All records in tables of one database, each called `tessera_…`; connections of a host are left alone.

    Args:
        url: our own, as a text, or that of a host's engine.

    Raises:
        ConfigError: it is malformed, has an option that is not known, or names no database.
    """

    another_place = "another database of the server in the URL of the storage"

    def __init__(self, url: str | sqlalchemy.URL) -> None:
        database = MySQLDatabase(address.parse(url) if isinstance(url, str) else address.of_host(url))
        super().__init__(database, MySQLLog(database))

    def describe(self) -> Description:
        (((version, flush, pages, is_read_only),),) = self._database.read((_SETTINGS, ()))
        warnings = []
        if flush != 1:
            warnings.append(
                f"innodb_flush_log_at_trx_commit={flush}: a crash of the server may take the last endings back"
            )
        if str(pages) in {"0", "OFF"}:
            warnings.append("innodb_doublewrite=OFF: a power cut may destroy pages of the database")
        if is_read_only:
            warnings.append("read_only=ON: this server cannot be written to")
        durability = (
            "a commit outlives a power cut; the loss of the primary may take the last ones, if there is a replica"
            if flush == 1
            else "a commit outlives its process, but not every crash of the server"
        )
        return Description(f"{name_in(version)} {version.partition('-')[0]}", durability, tuple(warnings))
