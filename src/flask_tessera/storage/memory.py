"""Records in a SQLite database in memory, for tests and for applications of one process that may forget."""

from __future__ import annotations

import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .engine import Storage
from .model import Description
from .sql.log import SQLLog
from .sql.sessions import SQLSessions
from .sql.sqlite.connection import Connection
from .sql.sqlite.database import SQLiteDatabase, create_or_upgrade
from .sql.values import SQLValues

if TYPE_CHECKING:
    from collections.abc import Iterator


class MemoryStorage(Storage):
    """All ports over one connection. Each process has its own; a child begins with a copy of its parent's."""

    def __init__(self) -> None:
        database = MemoryDatabase()
        log = MemoryLog(database)
        super().__init__(SQLSessions(database, log.announce), log, SQLValues(database))

    def describe(self) -> Description:
        warning = "forgets all sessions when the process ends, and each worker has its own"
        return Description("memory", "one process; nothing outlives it", (warning,))

    def check(self) -> None:
        pass

    def close(self) -> None:
        pass


class MemoryDatabase(SQLiteDatabase):
    """One connection, which one thread at a time uses, and which stays open: else the records would be gone."""

    gap = 0.0

    def __init__(self) -> None:
        super().__init__(":memory:", is_ours=False)
        self.connection = Connection(":memory:")
        weakref.finalize(self, self.connection.close)
        create_or_upgrade(self.connection)

    def close(self) -> None:
        pass

    @contextmanager
    def _lend(self, _give_up_at: float, *, writing: bool) -> Iterator[Connection]:  # noqa: ARG002 - both need it
        with self.write_lock:
            try:
                yield self.connection
            finally:
                # What has failed has left its transaction open.
                self.connection.rollback()


class MemoryLog(SQLLog):
    """`ChangingLog`: whoever appends does so in this process."""

    bound = 0

    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database)
        self._changes = 0

    def stamp(self) -> object:
        return self._changes

    def announce(self) -> None:
        self._changes += 1
