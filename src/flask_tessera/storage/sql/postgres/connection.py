"""A connection that gives up in time, whatever the server does."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from psycopg import Connection as DriverConnection
from psycopg import Error, OperationalError
from psycopg.conninfo import make_conninfo
from psycopg.types.numeric import Int8Dumper
from psycopg.waiting import Ready, Wait

from ..pool import LEAST
from ..transaction import percented

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from typing import Self

    from psycopg import Cursor

    from ..transaction import Rows, Statement, Values

Result = TypeVar("Result")
# The server gives up before we do, so that nothing of a step goes on that was given up. All we read has an index, so
# nothing is worth compiling; the planner's own settings stay as the server has them.
SETTINGS: Final = """
SET default_transaction_isolation TO 'read committed';
SET statement_timeout TO 2000;
SET lock_timeout TO 2000;
SET idle_in_transaction_session_timeout TO 5000;
SET jit TO off;
SET client_min_messages TO warning"""
_PATIENCE: Final = 0.3
"""Seconds after which a host has taken too long for another one."""


class Connection(DriverConnection[Any]):
    """One of our own, in autocommit; one thread at a time uses it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.deadline = 0.0
        """Steady second at which it stops waiting for the server."""
        self.process = os.getpid()
        """Whose it is. A forked child says nothing on it and does not close it: the server would hear the parent."""
        self.identity = ""
        """Names the server, as far as that is no secret, its timeline and the tables."""
        # Whatever their size: else each mixture of sizes would be prepared as a statement of its own.
        self.adapters.register_dumper(int, Int8Dumper)

    @classmethod
    def dial(cls, options: Mapping[str, str], give_up_at: float) -> Self:
        """Connect.

        Args:
            options: of libpq.
            give_up_at: steady second until which to wait once the server has let us in.

        Raises:
            psycopg.Error: nobody answers, or not as we need it.
        """
        connection = cls.connect(make_conninfo("", **options), client_encoding="utf8", autocommit=True)
        connection.deadline = max(give_up_at, time.monotonic() + LEAST)
        connection.execute(SETTINGS)
        return connection

    def close(self) -> None:
        """Say goodbye and close it; in a forked child nothing, since it is the parent's."""
        if self.process == os.getpid():
            super().close()

    @property
    def is_quiet(self) -> bool:
        """Whether the server has not said goodbye."""
        try:
            self.take_input()
        except OperationalError:
            return False
        return not self.closed

    def take_input(self) -> None:
        """Take what the server has sent by itself, without waiting: to poll for it would release the GIL.

        Raises:
            psycopg.OperationalError: the server has closed the connection.
        """
        # Twice: the first read delivers the server's error, the second the end of file.
        self.pgconn.consume_input()
        self.pgconn.consume_input()

    def batch(self, statements: Sequence[Statement]) -> list[Rows]:
        # Statements that do not begin a transaction are one (PostgreSQL manual, 34.5.1.1).
        if len(statements) == 1:
            ((sql, values),) = statements
            return [_rows(self.execute(percented(sql), values, prepare=True))]
        with self.pipeline():
            cursors = [self.execute(percented(sql), values, prepare=True) for sql, values in statements]
        return [_rows(cursor) for cursor in cursors]

    def change(self, statement: str, rows: Sequence[Values]) -> int:
        if len(rows) == 1:
            return self.execute(percented(statement), rows[0], prepare=True).rowcount
        with self.cursor() as cursor:
            cursor.executemany(percented(statement), rows)
            return cursor.rowcount

    def wait(self, gen: Generator[Any, Any, Result], *arguments: Any, **options: Any) -> Result:
        """Consume a generator of the driver, as long as there is time: libpq knows no such limit."""
        return super().wait(self._until_deadline(gen), *arguments, **options)

    def _until_deadline(self, steps: Generator[Any, Any, Result]) -> Generator[Any, Any, Result]:
        try:
            wanted = next(steps)
            if wanted == Wait.R:
                # While other threads held the GIL the answer has come, most often: read before it is waited for, which
                # would release the GIL again.
                wanted = steps.send(Ready.R)
            while True:
                ready = yield wanted
                # Under gevent a greenlet that waits at the fork goes on in the child as well.
                if os.getpid() != self.process:
                    raise OperationalError("the connection is of the parent process")
                # The driver comes by ten times a second with nothing.
                if not ready and time.monotonic() >= self.deadline:
                    raise OperationalError("no answer in time")
                wanted = steps.send(ready)
        except StopIteration as end:
            result: Result = end.value
            return result


def _rows(cursor: Cursor[Any]) -> list[Any]:
    return cursor.fetchall() if cursor.description else []


def dial_one_of(hosts: list[dict[str, str]], give_up_at: float) -> Connection:
    """Connect to the host that answered last, or to the next one: there is time for one that hangs, not for two.

    Args:
        hosts: the options of libpq for each; one that does not answer is moved to the end.
        give_up_at: as of `Connection.dial`.

    Raises:
        psycopg.Error: as of `Connection.dial`.
    """
    for left, host in zip(reversed(range(len(hosts))), list(hosts), strict=True):
        began = time.monotonic()
        try:
            return Connection.dial(host, give_up_at)
        except Error:
            hosts[:] = [*(each for each in hosts if each is not host), host]
            if not left or time.monotonic() - began > _PATIENCE:
                raise
    raise OSError("no host to connect to")
