"""Steps on one database: each with a connection of this process, in time, repeated where that does no harm."""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from contextlib import ExitStack, closing
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final, Generic, TypeVar

from ...errors import AlreadyExistsError, ConfigError, StorageUnavailableError, TesseraError
from ..pace import refuse_if_given_up
from . import schema
from .pool import AnyConnection, Pool
from .transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from .dialect import Dialect
    from .transaction import Rows, Statement, Values

Result = TypeVar("Result")
STEP: Final = 2.4
"""Seconds for a whole step of ours; with the search for a connection it stays below 3."""
_PATIENCE: Final = 0.3
"""Seconds after which an attempt has taken too long for another one on a new connection."""
_LONGEST_PAUSE: Final = 0.03
"""Seconds between two attempts of those of whom the server has ended one for another."""


class Failure(Enum):
    """What became of a step that the driver has given up."""

    UNDONE = auto()
    """Rolled back by the server, since two transactions waited for each other."""
    NOTHING_DONE = auto()
    """A new connection would put it right: it sees that the tables are there."""
    LOST = auto()
    """The connection is gone: what was sent last may have been done or not."""
    DUPLICATE = auto()
    OTHER = auto()


class NotCommittedError(ConnectionError):
    """The connection was lost before the commit was sent."""


class Database(ABC, Generic[AnyConnection]):
    """What the stores ask of a database. Its connections are ours, also where it is a host's.

    Every method may raise StorageUnavailableError.

    Args:
        pool: how many connections there may be.
    """

    dialect: Dialect
    """Its words."""
    errors: ClassVar[tuple[type[Exception], ...]]
    """All that the driver may raise."""
    begin: ClassVar = "BEGIN"

    def __init__(self, pool: int) -> None:
        self._pool: Pool[AnyConnection] = Pool(self, pool)
        self._is_at_work = False

    def read(self, *statements: Statement) -> list[Rows]:
        """The rows that each statement gives."""
        return self.read_at(*statements)[0]

    def read_at(self, *statements: Statement) -> tuple[list[Rows], str]:
        """The rows that each statement gives, and the identity of where they were read."""

        def work(connection: AnyConnection) -> tuple[list[Rows], str]:
            return connection.batch(statements), connection.identity

        return self._carry_out(work, writing=False, again=True)

    def transact(self, work: Callable[[Transaction], Result], *, again: bool = False) -> Result:
        """Carry out `work` as one transaction, committed at its end.

        Args:
            work: is called again where nothing of the transaction was kept.
            again: whether it does no harm if it was committed already, and nobody heard of it.

        Raises:
            AlreadyExistsError: a row that was inserted was there already.
        """
        return self._carry_out(partial(self._in_transaction, work), writing=True, again=again)

    def run(self, *statements: Statement, again: bool = True) -> list[Rows]:
        """Execute statements as one transaction, in one round trip where the driver can; `again` as for `transact`."""
        if len(statements) > 1:
            return self.transact(lambda transaction: transaction.read(*statements), again=again)
        return self._carry_out(lambda connection: connection.batch(statements), writing=True, again=again)

    def change(self, statement: str, values: Values) -> bool:
        """Execute one statement by itself, which does no harm if it is repeated; tells whether it changed a row."""
        return self._carry_out(lambda connection: connection.change(statement, [values]), writing=True, again=True) > 0

    def remove(self, statement: str, rows: Sequence[Values]) -> int:
        """Execute a statement that deletes, for each row of values, for which nobody waits; gives the rows deleted."""

        def work(connection: AnyConnection) -> int:
            connection.batch([(self.begin, ())])
            removed = connection.change(statement, rows)
            connection.batch([("COMMIT", ())])
            return removed

        return self._carry_out(work, writing=True, again=True)

    def close(self) -> None:
        """Let go of the connections; the next step opens others, and sees that the tables are as they should be."""
        self._pool.close()

    def connect(self, give_up_at: float) -> AnyConnection:
        """A new connection, the schema in place.

        Args:
            give_up_at: steady second until which it may wait for the server once that has answered.

        Raises:
            Exception: an error of the driver: nobody answers.
            ConfigError: the database is not one we can work with.
        """
        refuse_if_given_up()
        connection = self._dial(give_up_at)
        with ExitStack() as undoing:
            undoing.callback(connection.close)
            try:
                version = self._prepare(connection)
                # A process that is at work already goes on when the schema is upgraded beneath it.
                if not self._is_at_work:
                    schema.refuse_other(version)
            except ConfigError as error:
                if not self._is_at_work:
                    raise
                # It was well: rights were taken, or tables are gone, and may come back.
                raise StorageUnavailableError(str(error)) from error
            self._is_at_work = True
            undoing.pop_all()
        return connection

    def version(self) -> int:
        """Of the schema that is there; 0 where there is none, or where its log has lost its row. Looking makes nothing.

        Raises:
            StorageUnavailableError: the database does not answer.
        """
        try:
            with closing(self._dial(time.monotonic() + STEP)) as connection:
                return self._version_on(connection)
        except self.errors as error:
            raise self.unavailable(error, writing=False) from error

    @abstractmethod
    def upgrade(self) -> list[str]:
        """As `SQLStorage.upgrade`, of tables that are there."""

    @abstractmethod
    def failure(self, error: BaseException) -> Failure:
        """What an error of the driver means."""

    @abstractmethod
    def _dial(self, give_up_at: float) -> AnyConnection:
        """A new connection, to a database that nobody has looked at."""

    @abstractmethod
    def _version_on(self, connection: AnyConnection) -> int:
        """As `version`, on a connection that nobody has looked at."""

    @abstractmethod
    def _prepare(self, connection: AnyConnection) -> int:
        """See that the database suits us and has our tables, and learn which it is; gives the version of its schema.

        Raises:
            ConfigError: it does not suit us, or we lack a right.
        """

    @abstractmethod
    def _words(self, error: BaseException) -> str:
        """What a driver says, without statement, parameters and address."""

    def unavailable(self, error: BaseException, *, writing: bool) -> StorageUnavailableError:
        """The error that leaves the storage in place of a driver's."""
        if isinstance(error, NotCommittedError):
            return self.unavailable(error.__cause__ or error, writing=writing)
        return StorageUnavailableError(f"{type(error).__name__}: {self._words(error)}", writing=writing)

    def _lend(self, give_up_at: float, *, writing: bool) -> AbstractContextManager[AnyConnection]:  # noqa: ARG002 - some queue to write
        return self._pool.lend(self.connect, give_up_at)

    def _carry_out(self, work: Callable[[AnyConnection], Result], *, writing: bool, again: bool) -> Result:
        """Try, and again where that does no harm; the driver's errors become StorageUnavailableError."""
        began, is_new = time.monotonic(), False
        while True:
            try:
                with self._lend(began + STEP, writing=writing) as connection:
                    return work(connection)
            except self.errors as error:
                passed = time.monotonic() - began
                is_early = isinstance(error, NotCommittedError)
                failure = Failure.NOTHING_DONE if is_early else self.failure(error)
                if failure in (Failure.NOTHING_DONE, Failure.LOST):
                    # The others are of the same age, and of the same opinion about the tables.
                    self._pool.close()
                is_harmless = failure is Failure.NOTHING_DONE or (failure is Failure.LOST and again)
                if failure is Failure.UNDONE and passed < STEP:
                    # Not at once: who has won has not finished yet.
                    time.sleep(random.uniform(0, _LONGEST_PAUSE))  # noqa: S311 - no secret
                elif is_harmless and not is_new and passed <= _PATIENCE:
                    is_new = True
                else:
                    raise self.unavailable(error, writing=writing) from error

    def _in_transaction(self, work: Callable[[Transaction], Result], connection: AnyConnection) -> Result:
        transaction = Transaction(connection, self.begin)
        try:
            result = work(transaction)
            transaction.begin()
        except TesseraError:
            transaction.roll_back()
            raise
        except self.errors as error:
            if self.failure(error) is Failure.LOST:
                # Whatever was sent, nothing was committed.
                raise NotCommittedError from error
            raise
        try:
            transaction.commit()
        except self.errors as error:
            if self.failure(error) is Failure.DUPLICATE:
                connection.batch([("ROLLBACK", ())])
                raise AlreadyExistsError("a row of this key") from error
            raise
        return result
