"""What the SQL databases say differently, and what a connection layer offers to the stores.

Statements are written once, with `?` for each value. Locks are taken in one order, so that no two units of work wait
for each other: the principal, then sessions by descending sid, then the head of the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Values = Sequence[Any]
    Statement = tuple[str, Values]
    Rows = list[Sequence[Any]]

Result = TypeVar("Result")


@dataclass(frozen=True)
class Dialect:
    """The words of one database.

    Attributes:
        placeholder: stands for a value.
        lock: ends a SELECT that locks the sessions it gives; empty where a transaction locks all.
        lock_principal: statements, each with user id and realm, of which the last gives epoch and suspension, and after
            which nobody else gets at the principal, whether it was there or not.
        put_principal: writes one (user id, realm, epoch, suspension), over the one that is there.
        now: the milliseconds of Unix time by the server's own clock, at the moment.
        put_value: writes a value over one that has expired, or over any; given its columns, the expected version
            (0 or `ANY_VERSION`) twice, and the time.
        increment: changes a counter; its values are the columns of a value, then the time twice.
        notify: tells those who wait that the log has grown; empty where nobody can be told.
    """

    placeholder: str
    lock: str
    lock_principal: tuple[str, ...]
    put_principal: str
    now: str
    put_value: str
    increment: str
    notify: str = ""

    def sql(self, statement: str) -> str:
        """A statement as the driver takes it."""
        return _with_placeholder(statement, self.placeholder)


@cache
def _with_placeholder(statement: str, placeholder: str) -> str:
    return statement.replace("?", placeholder)


class Transaction(Protocol):
    """A transaction that is going on."""

    @property
    def identity(self) -> str:
        """Names the server, its timeline and the tables: where one of them is another, the log is."""
        ...

    def read(self, *statements: Statement) -> list[Rows]:
        """The rows that each statement gives, in one round trip where the driver can."""
        ...

    def write(self, statement: str, rows: Sequence[Values]) -> None:
        """Execute a statement for each row of values, at the latest before the commit."""
        ...


class Database(Protocol):
    """The connections to one database. Every method may raise StorageUnavailableError."""

    @property
    def dialect(self) -> Dialect:
        """Its words."""
        ...

    def read(self, *statements: Statement) -> tuple[list[Rows], str]:
        """The rows that each statement gives, and the identity of where they were read."""
        ...

    def transact(self, work: Callable[[Transaction], Result], *, again: bool = False) -> Result:
        """Carry out `work` as one transaction, committed at its end.

        Args:
            work: is called again where the transaction was rolled back by the database.
            again: whether it does no harm if it was committed already, and nobody heard of it.

        Raises:
            AlreadyExistsError: a row that was inserted was there already.
        """
        ...

    def run(self, *statements: Statement, again: bool = True) -> list[Rows]:
        """Execute statements as one transaction, in one round trip where the driver can; `again` as for `transact`."""
        ...

    def remove(self, statement: str, rows: Sequence[Values]) -> int:
        """Execute a statement that deletes, for each row of values, for which nobody waits; gives the rows deleted."""
        ...

    def close(self) -> None:
        """Let go of the connections; the next step opens others, and sees that the tables are as they should be."""
        ...
