"""What the databases of servers have in common: steps that borrow a connection of this process from a pool."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import TYPE_CHECKING, ClassVar, Final, Generic, Protocol, TypeVar

from ...errors import StorageUnavailableError, TesseraError
from ...fork import renew_in_children
from ..contract import CHECK_WRITES_EVERY
from ..pace import Pace
from .pool import Lendable, Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .dialect import Rows, Statement

STEP: Final = 2.4
"""Seconds for a whole step of ours; with the search for a connection it stays below 3."""
_left_by_parents: Final[list[Pool[Any]]] = []
"""Kept, never used: the connections in them are the parent's, and not even to be collected here."""


class Asked(Lendable, Protocol):
    """A connection that statements are sent through."""

    @property
    def identity(self) -> str:
        """As `Transaction.identity`."""
        ...

    def batch(self, statements: Sequence[Statement]) -> list[Rows]:
        """The rows that each statement gives."""
        ...


Connection = TypeVar("Connection", bound=Asked)
Result = TypeVar("Result")


class PooledDatabase(ABC, Generic[Connection]):
    """A database on a server; the connections are ours, also where it is a host's.

    Args:
        pool: how many connections there may be.
    """

    write_something: ClassVar[str]
    """Writes a row that nobody reads: not the one that polls read."""

    def __init__(self, pool: int) -> None:
        self._pool_size = pool
        self._writing = Pace(CHECK_WRITES_EVERY)
        self._is_first = True
        self._pools: list[Pool[Connection]] = []
        renew_in_children(self)
        # A storage that nobody holds any more closes its connections. With the process they go anyway.
        weakref.finalize(self, _close_all, self._pools).atexit = False

    def renew_locks(self) -> None:
        """A child gets connections of its own: it may neither use nor close what its parent talks through."""
        _left_by_parents.extend(self._pools)
        self._pools[:] = [Pool(self._pool_size)]

    def read(self, *statements: Statement) -> tuple[list[Rows], str]:
        """As `Database.read`."""
        return self._carry_out(
            lambda connection: (connection.batch(statements), connection.identity), writing=False, again=True
        )

    def connect(self, give_up_at: float) -> Connection:
        """A new connection, the schema in place.

        Args:
            give_up_at: steady second until which it may wait for the server once that has answered.

        Raises:
            Exception: an error of the driver: nobody answers.
            ConfigError: the database is not one we can work with.
        """
        connection = self._dial(give_up_at)
        with ExitStack() as undoing:
            undoing.callback(connection.close)
            self._prepare(connection, is_first=self._is_first)
            undoing.pop_all()
        self._is_first = False
        return connection

    def check(self) -> None:
        """See that it can be read, and now and then that it can be written.

        Raises:
            StorageUnavailableError: it cannot.
        """
        self.read(("SELECT 1 FROM tessera_log WHERE id = 1", ()))
        if self._writing.is_due:
            self.run((self.write_something, ()))
            self._writing.note_done()

    def close(self) -> None:
        """Close all connections, those in use when they are given back; the next step opens others."""
        old, self._pools[-1] = self._pools[-1], Pool(self._pool_size)
        old.close()

    @abstractmethod
    def run(self, *statements: Statement, again: bool = True) -> list[Rows]:
        """As `Database.run`."""

    @abstractmethod
    def _dial(self, give_up_at: float) -> Connection:
        """A new connection, to a database that nobody has looked at."""

    @abstractmethod
    def _prepare(self, connection: Connection, *, is_first: bool) -> None:
        """See that the schema is in place."""

    @abstractmethod
    def _carry_out(self, work: Callable[[Connection], Result], *, writing: bool, again: bool) -> Result:
        """Try once, and once more where that does no harm; the driver's errors become StorageUnavailableError."""

    def _try(self, work: Callable[[Connection], Result], give_up_at: float) -> Result:
        pool = self._pools[-1]
        connection = pool.take(self.connect, give_up_at=give_up_at)
        is_good = False
        try:
            result = work(connection)
            is_good = True
        except StorageUnavailableError:
            # What it found there must not be: the next connection puts it right.
            pool.clear()
            raise
        except TesseraError:
            is_good = True
            raise
        finally:
            pool.give_back(connection, is_good=is_good)
        return result


def _close_all(pools: list[Pool[Connection]]) -> None:
    for pool in pools:
        pool.close()
