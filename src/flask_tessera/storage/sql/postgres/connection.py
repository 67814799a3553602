"""A connection that gives up in time, whatever the server does."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from psycopg import Connection as DriverConnection
from psycopg import OperationalError
from psycopg.conninfo import make_conninfo
from psycopg.types.numeric import Int8Dumper
from psycopg.waiting import Ready, Wait

from ..pool import LEAST

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping
    from typing import Self

    from psycopg import Cursor

    from ..dialect import Statement

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


class Connection(DriverConnection[Any]):
    """One of our own, in autocommit; one thread at a time uses it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.deadline = 0.0
        """Steady second at which it stops waiting for the server."""
        self.opened_at = 0.0
        """Steady second before which it was not there."""
        self.process = os.getpid()
        """Whose it is. A forked child says nothing on it and does not close it: the server would hear the parent."""
        self.identity = ""
        """Names the server, as far as that is no secret, its timeline and the tables."""
        # Whatever their size: else each mixture of sizes would be prepared as a statement of its own.
        self.adapters.register_dumper(int, Int8Dumper)

    @classmethod
    def open(cls, options: Mapping[str, str], give_up_at: float) -> Self:
        """Connect.

        Args:
            options: of libpq.
            give_up_at: steady second until which to wait once the server has let us in.

        Raises:
            psycopg.Error: nobody answers, or not as we need it.
        """
        opened_at = time.monotonic()
        connection = cls.connect(make_conninfo("", **options), client_encoding="utf8", autocommit=True)
        connection.opened_at = opened_at
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
            # Call it twice: the first read delivers the server's error, the second the end of file. To poll instead
            # would release the GIL.
            self.pgconn.consume_input()
            self.pgconn.consume_input()
        except OperationalError:
            return False
        return not self.closed

    def batch(self, statements: Iterable[Statement]) -> list[list[Any]]:
        """Send statements in one round trip; the rows that each gives. Those between BEGIN and COMMIT are one step."""
        statements = list(statements)
        if len(statements) == 1:
            return [_rows(self.execute(*statements[0], prepare=True))]
        with self.pipeline():
            cursors = [self.execute(sql, values, prepare=True) for sql, values in statements]
        return [_rows(cursor) for cursor in cursors]

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
