"""Steps on one database: each with a connection of ours, in time, repeated where that does no harm."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import psycopg

from ....errors import AlreadyExistsError, TesseraError
from ..pooled import STEP, PooledDatabase
from . import failures, upgrading
from .connection import Connection
from .dialect import dialect_of
from .preparation import prepare
from .upgrading import BusyError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..dialect import Rows, Statement, Values
    from .address import Address

Result = TypeVar("Result")
_PATIENCE: Final = 0.3
"""Seconds after which an attempt has taken too long for another one."""
_ATTEMPTS: Final = 10
_BEGIN: Final[Statement] = ("BEGIN", ())
_COMMIT: Final[Statement] = ("COMMIT", ())
_ROLLBACK: Final[Statement] = ("ROLLBACK", ())


class PostgresDatabase(PooledDatabase[Connection]):
    """A PostgreSQL database."""

    write_something = """
INSERT INTO tessera_values (kind, name, value, version, expires_at, owner) VALUES ('check', '', '', 0, 0, '')
ON CONFLICT (kind, name) DO UPDATE SET version = tessera_values.version + 1"""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.dialect = dialect_of(address.channel)
        self._next_host = 0
        super().__init__(address.pool)

    def run(self, *statements: Statement, again: bool = True) -> list[Rows]:
        # Several statements in one pipeline are one transaction of the server's (PostgreSQL manual, 34.5.1.1).
        return self._carry_out(lambda connection: connection.batch(statements), writing=True, again=again)

    def transact(self, work: Callable[[PostgresTransaction], Result], *, again: bool = False) -> Result:
        return self._carry_out(partial(_in_transaction, work), writing=True, again=again)

    def remove(self, statement: str, rows: Sequence[Values]) -> int:
        def work(connection: Connection) -> int:
            with connection.cursor() as cursor:
                cursor.executemany(statement, rows)
                return cursor.rowcount

        return self._carry_out(work, writing=True, again=True)

    def upgrade(self) -> list[str]:
        """Bring the schema up to date, also while others are at work; gives the steps that were applied.

        Raises:
            ConfigError: the schema is newer than known here.
            StorageUnavailableError: the database does not answer, or is too busy; nothing was changed.
        """
        for _ in range(_ATTEMPTS - 1):
            with suppress(BusyError):
                return upgrading.upgrade(self.address)
        return upgrading.upgrade(self.address)

    def _dial(self, give_up_at: float) -> Connection:
        """Try the hosts, the one that answered last first; there is time for one that hangs, not for two."""
        hosts = self.address.attempts
        for attempt, number in enumerate(range(self._next_host, self._next_host + len(hosts)), 1):
            began = time.monotonic()
            try:
                connection = Connection.open(hosts[number % len(hosts)], give_up_at)
            except failures.ERRORS:
                self._next_host = (number + 1) % len(hosts)
                if attempt == len(hosts) or time.monotonic() - began > _PATIENCE:
                    raise
            else:
                self._next_host = number % len(hosts)
                return connection
        raise OSError("no host to connect to")

    def _prepare(self, connection: Connection, *, is_first: bool) -> None:
        prepare(connection, self.address, is_first=is_first)

    def _carry_out(self, work: Callable[[Connection], Result], *, writing: bool, again: bool) -> Result:
        give_up_at = time.monotonic() + STEP
        try:
            try:
                return self._try(work, give_up_at)
            except failures.ERRORS as error:
                is_early = time.monotonic() < give_up_at - STEP + _PATIENCE
                if not (self._is_harmless(error, again) and is_early):
                    raise
            return self._try(work, give_up_at)
        except failures.ERRORS as error:
            raise failures.unavailable(error, writing=writing) from error

    def _is_harmless(self, error: Exception, again: bool) -> bool:
        """Whether the step may be carried out once more, on a connection that is new."""
        is_lost = failures.is_lost(error)
        if not is_lost and not failures.is_undone(error):
            return False
        # The others are of the same age, and of the same opinion about the tables.
        self.close()
        return not is_lost or again or isinstance(error, failures.NotBegunError)


class PostgresTransaction:
    """A transaction that begins with its first read; what is written is sent together with the commit."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._has_begun = False
        self._writes: list[Statement] = []
        self.identity = connection.identity

    def read(self, *statements: Statement) -> list[Rows]:
        if self._has_begun:
            return self._connection.batch(statements)
        _, *results = self._begin(*statements)
        return results

    def write(self, statement: str, rows: Sequence[Values]) -> None:
        self._writes += [(statement, row) for row in rows]

    def commit(self) -> None:
        """Send what is to be written, in one round trip."""
        if not self._has_begun:
            self._begin()
        self._connection.batch([*self._writes, _COMMIT])

    def roll_back(self) -> None:
        """End it without a trace."""
        if self._has_begun:
            self._connection.batch([_ROLLBACK])

    def _begin(self, *statements: Statement) -> list[Rows]:
        try:
            results = self._connection.batch([_BEGIN, *statements])
        except psycopg.OperationalError as error:
            if failures.is_lost(error):
                # Whatever was sent, nothing was committed.
                raise failures.NotBegunError(str(error)) from error
            raise
        self._has_begun = True
        return results


def _in_transaction(work: Callable[[PostgresTransaction], Result], connection: Connection) -> Result:
    transaction = PostgresTransaction(connection)
    try:
        result = work(transaction)
    except TesseraError:
        transaction.roll_back()
        raise
    try:
        transaction.commit()
    except psycopg.errors.UniqueViolation as error:
        connection.rollback()
        raise AlreadyExistsError("a row of this key") from error
    return result
