"""Steps on one database: each with a connection of ours, in time, repeated where that does no harm."""

from __future__ import annotations

import random
import time
import weakref
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from ....errors import AlreadyExistsError, StorageUnavailableError, TesseraError
from ....fork import renew_in_children
from ..pool import Pool
from . import failures
from .connection import STEP, Connection
from .dialect import MYSQL
from .preparation import prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..dialect import Rows, Statement, Values
    from .address import Address

Result = TypeVar("Result")
_PATIENCE: Final = 0.3
"""Seconds after which an attempt has taken too long for another one on a new connection."""
_LONGEST_PAUSE: Final = 0.03
"""Seconds between two attempts of those of whom the server has ended one for another."""
_left_by_parents: Final[list[Pool[Connection]]] = []
"""Kept, never used: the connections in them are the parent's, and not even to be collected here."""


class MySQLDatabase:
    """A MySQL or MariaDB database; the connections are ours, also where it is a host's."""

    dialect = MYSQL

    def __init__(self, address: Address) -> None:
        self.address = address
        self._is_first = True
        self._pools: list[Pool[Connection]] = []
        renew_in_children(self)
        # A storage that nobody holds any more closes its connections. With the process they go anyway.
        weakref.finalize(self, _close_all, self._pools).atexit = False

    def renew_locks(self) -> None:
        """A child gets connections of its own: it may neither use nor close what its parent talks through."""
        _left_by_parents.extend(self._pools)
        self._pools[:] = [Pool(self.address.pool)]

    def read(self, *statements: Statement) -> tuple[list[Rows], str]:
        return self._carry_out(
            lambda connection: (connection.batch(statements), connection.identity), writing=False, again=True
        )

    def run(self, *statements: Statement, again: bool = True) -> list[Rows]:
        if len(statements) == 1:
            return self._carry_out(lambda connection: connection.batch(statements), writing=True, again=again)
        return self.transact(lambda transaction: transaction.read(*statements), again=again)

    def transact(self, work: Callable[[MySQLTransaction], Result], *, again: bool = False) -> Result:
        return self._carry_out(partial(_in_transaction, work), writing=True, again=again)

    def remove(self, statement: str, rows: Sequence[Values]) -> int:
        return self.transact(lambda transaction: transaction.remove(statement, rows), again=True)

    def connect(self, give_up_at: float) -> Connection:
        """A new connection, the schema in place.

        Args:
            give_up_at: steady second until which it may wait for the server.

        Raises:
            pymysql.err.Error: nobody answers.
            ConfigError: the database is not one we can work with.
        """
        connection = Connection.dial(self.address.options, give_up_at)
        is_good = False
        try:
            prepare(connection, is_first=self._is_first)
            is_good = True
        finally:
            if not is_good:
                connection.close()
        self._is_first = False
        return connection

    def close(self) -> None:
        """Close all connections, those in use when they are given back; the next step opens others."""
        old, self._pools[-1] = self._pools[-1], Pool(self.address.pool)
        old.close()

    def _carry_out(self, work: Callable[[Connection], Result], *, writing: bool, again: bool) -> Result:
        began = time.monotonic()
        is_new = False
        while True:
            try:
                return self._try(work, began + STEP)
            except failures.ERRORS as error:
                passed = time.monotonic() - began
                if failures.is_deadlock(error) and passed < STEP:
                    # Not at once: who has won has not finished yet.
                    time.sleep(random.uniform(0, _LONGEST_PAUSE))  # noqa: S311 - no secret
                    continue
                if is_new or passed > _PATIENCE or not self._is_harmless(error, again):
                    raise failures.unavailable(error, writing=writing) from error
                is_new = True

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

    def _is_harmless(self, error: Exception, again: bool) -> bool:
        """Whether the step may be carried out once more, on a connection that is new."""
        if not failures.is_lost(error) and not failures.is_stale(error):
            return False
        # The others are of the same age, and of the same opinion about the tables.
        self.close()
        return again or failures.is_stale(error) or isinstance(error, failures.NotCommittedError)


def _close_all(pools: list[Pool[Connection]]) -> None:
    for pool in pools:
        pool.close()


class MySQLTransaction:
    """A transaction; what is written waits for the commit, so that others wait for its locks as shortly as can be."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._writes: list[tuple[str, Sequence[Values]]] = []
        self.identity = connection.identity

    def read(self, *statements: Statement) -> list[Rows]:
        return self._connection.batch(statements)

    def write(self, statement: str, rows: Sequence[Values]) -> None:
        self._writes.append((statement, rows))

    def remove(self, statement: str, rows: Sequence[Values]) -> int:
        """Execute a statement that deletes for each row of values, now; gives how many rows are gone."""
        return self._connection.each(statement, rows)

    def flush(self) -> None:
        """Write what is to be written."""
        for statement, rows in self._writes:
            self._connection.each(statement, rows)


def _in_transaction(work: Callable[[MySQLTransaction], Result], connection: Connection) -> Result:
    transaction = MySQLTransaction(connection)
    try:
        connection.all("BEGIN")
        result = work(transaction)
        transaction.flush()
    except TesseraError:
        connection.all("ROLLBACK")
        raise
    except failures.ERRORS as error:
        if failures.code_of(error) == failures.DUPLICATE:
            connection.all("ROLLBACK")
            raise AlreadyExistsError("a row of this key") from error
        if failures.is_lost(error):
            # Whatever was sent, nothing was committed.
            raise failures.NotCommittedError(*error.args) from error
        # The connection is closed, and with it ends what the server may have left open (a lock that it waited for).
        raise
    # Not repeated where its answer is lost: it may have been carried out.
    connection.all("COMMIT")
    return result
