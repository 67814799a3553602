"""A transaction, on a connection to any of the databases.

Statements are written once, with `?` for each value. Locks are taken in one order, so that no two units of work wait
for each other: the principal, then sessions by descending sid, then the head of the log.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    Values = Sequence[Any]
    Statement = tuple[str, Values]
    Rows = list[Sequence[Any]]


@cache
def percented(statement: str) -> str:
    """The statement as drivers take it that know `%s` in place of `?`."""
    return statement.replace("?", "%s")


class Connection(Protocol):
    """A connection of ours, in autocommit; one thread at a time uses it."""

    deadline: float
    """Steady second at which it stops waiting for the database."""

    @property
    def identity(self) -> str:
        """Names the server or file, its timeline and the tables: where one of them is another, the log is."""
        ...

    @property
    def is_quiet(self) -> bool:
        """Whether it leads to where it should, and the server has not said goodbye."""
        ...

    def batch(self, statements: Sequence[Statement]) -> list[Rows]:
        """The rows that each statement gives, in one round trip where the driver can."""
        ...

    def change(self, statement: str, rows: Sequence[Values]) -> int:
        """Execute a statement for each row of values; gives how many rows of the table that has changed."""
        ...

    def close(self) -> None:
        """Close it; in a forked child nothing, since it is the parent's."""
        ...


class Transaction:
    """It begins with its first read, in one trip with that; what is written is sent together with the commit.

    So others wait for its locks as shortly as can be.
    """

    def __init__(self, connection: Connection, begin: str) -> None:
        self.identity = connection.identity
        self._connection = connection
        self._begin: list[Statement] = [(begin, ())]
        self._writes: list[Statement] = []

    def read(self, *statements: Statement) -> list[Rows]:
        """The rows that each statement gives."""
        begin, self._begin = self._begin, []
        return self._connection.batch([*begin, *statements])[len(begin) :]

    def write(self, statement: str, rows: Sequence[Values]) -> None:
        """Execute a statement for each row of values, with the commit."""
        self._writes += [(statement, row) for row in rows]

    def begin(self) -> None:
        """Begin, if nothing was read: who commits then knows that the connection was good."""
        if self._begin:
            self.read()

    def commit(self) -> None:
        """Write what is to be written."""
        self._connection.batch([*self._writes, ("COMMIT", ())])

    def roll_back(self) -> None:
        """End it without a trace."""
        if not self._begin:
            self._connection.batch([("ROLLBACK", ())])
