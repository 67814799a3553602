"""Records in a SQLite database in memory, for tests and for applications of one process that may forget."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from ..errors import AlreadyExistsError
from ..fork import fork_between_writes, renew_in_children
from .contract import Description
from .engine import Storage
from .sql.log import SQLLog
from .sql.sessions import SQLSessions
from .sql.sqlite.database import SQLiteTransaction
from .sql.sqlite.dialect import SQLITE
from .sql.sqlite.preparation import create_or_upgrade
from .sql.values import SQLValues

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .sql.dialect import Rows, Statement, Values

Result = TypeVar("Result")
_IDENTITY: Final = "memory"


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


class MemoryDatabase:
    """`Database` over one connection, which one thread at a time uses."""

    dialect = SQLITE

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        create_or_upgrade(self.connection.cursor())
        renew_in_children(self)
        # SQLite's own locks would stay held in a child for ever.
        fork_between_writes(self)

    def renew_locks(self) -> None:
        """A thread of the parent may have held it."""
        self.write_lock = threading.Lock()

    def read(self, *statements: Statement) -> tuple[list[Rows], str]:
        with self.write_lock:
            return SQLiteTransaction(self.connection, _IDENTITY).read(*statements), _IDENTITY

    def transact(self, work: Callable[[SQLiteTransaction], Result], *, again: bool = False) -> Result:  # noqa: ARG002 - no commit is lost
        with self._writing():
            return work(SQLiteTransaction(self.connection, _IDENTITY))

    def run(self, *statements: Statement, again: bool = True) -> list[Rows]:  # noqa: ARG002 - as above
        return self.transact(lambda transaction: transaction.read(*statements))

    def remove(self, statement: str, rows: Sequence[Values]) -> int:
        with self._writing():
            removed: int = self.connection.executemany(statement, rows).rowcount
            return removed

    def close(self) -> None:
        """Nothing: what it would let go of is the records."""

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            # The connection commits, or rolls back where an error comes out.
            with self.write_lock, self.connection:
                self.connection.execute("BEGIN")
                yield
        except sqlite3.IntegrityError as error:
            raise AlreadyExistsError("a row of this key") from error


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
