"""Steps on one database: each with a connection of ours, in time, repeated where that does no harm."""

from __future__ import annotations

import random
import time
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from ....errors import AlreadyExistsError, TesseraError
from ..pooled import STEP, PooledDatabase
from . import failures
from .connection import Connection
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


class MySQLDatabase(PooledDatabase[Connection]):
    """A MySQL or MariaDB database."""

    write_something = """
INSERT INTO tessera_values (kind, name, value, version, expires_at, owner) VALUES ('check', '', '', 0, 0, '')
ON DUPLICATE KEY UPDATE version = version + 1"""
    dialect = MYSQL

    def __init__(self, address: Address) -> None:
        self.address = address
        super().__init__(address.pool)

    def run(self, *statements: Statement, again: bool = True) -> list[Rows]:
        if len(statements) == 1:
            return self._carry_out(lambda connection: connection.batch(statements), writing=True, again=again)
        return self.transact(lambda transaction: transaction.read(*statements), again=again)

    def transact(self, work: Callable[[MySQLTransaction], Result], *, again: bool = False) -> Result:
        return self._carry_out(partial(_in_transaction, work), writing=True, again=again)

    def remove(self, statement: str, rows: Sequence[Values]) -> int:
        return self.transact(lambda transaction: transaction.remove(statement, rows), again=True)

    def _dial(self, give_up_at: float) -> Connection:
        return Connection.dial(self.address.options, give_up_at)

    def _prepare(self, connection: Connection, *, is_first: bool) -> None:
        prepare(connection, is_first=is_first)

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

    def _is_harmless(self, error: Exception, again: bool) -> bool:
        """Whether the step may be carried out once more, on a connection that is new."""
        if not failures.is_lost(error) and not failures.is_stale(error):
            return False
        # The others are of the same age, and of the same opinion about the tables.
        self.close()
        return again or failures.is_stale(error) or isinstance(error, failures.NotCommittedError)


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
