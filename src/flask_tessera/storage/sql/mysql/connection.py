"""A connection that gives up in time, whatever the server does."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import pymysql

from ..pool import LEAST
from ..transaction import percented

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..transaction import Rows, Statement, Values

ERRORS: Final = (pymysql.err.MySQLError, OSError, UnicodeError)
"""All that the driver may raise."""
_CONNECTING: Final = 1
_ANSWER: Final = 2
"""Seconds for one answer. Of the handshake too: a server that hangs still accepts."""
# Each by itself: the first cannot be combined. The server gives a lock up before we do. Whatever a host's sql_mode is,
# ours refuses what it cannot keep, in place of cutting it.
_SETTINGS: Final = (
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION innodb_lock_wait_timeout = 2, lock_wait_timeout = 1, sql_mode = 'STRICT_TRANS_TABLES'",
)
_contexts: Final[dict[object, Any]] = {}
"""Of TLS, by their options: the driver would read the system's certificates for each connection, for 50 ms."""


class Connection(pymysql.connections.Connection):  # type: ignore[misc] # the driver has no types
    """One of our own, in autocommit; one thread at a time uses it."""

    identity = ""
    """Names the server, as far as it has a name, and the tables."""
    is_quiet = True
    """Not asked: of one that the server has closed while it was idle nothing is lost; its next use replaces it."""
    _deadline = 0.0

    def __init__(self, **options: Any) -> None:
        self.process = os.getpid()
        """Whose it is. A forked child says nothing on it and does not close it: the server would hear the parent."""
        super().__init__(**options)

    @classmethod
    def dial(cls, options: Mapping[str, Any], give_up_at: float) -> Connection:
        """Connect.

        Args:
            options: of PyMySQL.
            give_up_at: steady second until which to wait once the server has let us in.

        Raises:
            pymysql.err.Error: nobody answers, or not as we need it.
        """
        limits = {"connect_timeout": _CONNECTING, "read_timeout": _ANSWER, "write_timeout": _ANSWER}
        connection = cls(**{**options, **limits, "charset": "utf8mb4", "autocommit": True})
        connection.deadline = give_up_at
        for statement in _SETTINGS:
            connection.all(statement)
        return connection

    @property
    def deadline(self) -> float:
        """Steady second at which it stops waiting for the server."""
        return self._deadline

    @deadline.setter
    def deadline(self, steady: float) -> None:
        self._deadline = steady
        # The driver asks for them before each read and write; no public name changes them later.
        self._read_timeout = self._write_timeout = max(LEAST, steady - time.monotonic())

    def close(self) -> None:
        """Say goodbye and close it; in a forked child nothing, since it is the parent's."""
        if self.process == os.getpid():
            with suppress(*ERRORS):
                super().close()

    def all(self, sql: str, values: Any = ()) -> list[Any]:
        """All rows that a statement gives; none if it gives no rows."""
        return list(self._executed(sql, values).fetchall())

    def batch(self, statements: Sequence[Statement]) -> list[Rows]:
        return [self.all(sql, values) for sql, values in statements]

    def change(self, statement: str, rows: Sequence[Values]) -> int:
        return sum(self._executed(statement, row).rowcount for row in rows)

    def _executed(self, sql: str, values: Any) -> Any:
        """A cursor that has executed a statement, which waited no longer than there is time."""
        if self.process != os.getpid():
            raise pymysql.err.InterfaceError("the connection is of the parent process")
        self.deadline = self._deadline
        cursor = self.cursor()
        cursor.execute(percented(sql), values or None)
        return cursor

    def _create_ssl_ctx(self, options: Mapping[str, Any]) -> Any:
        name = tuple(sorted(options.items()))
        if name not in _contexts:
            _contexts[name] = super()._create_ssl_ctx(options)
        return _contexts[name]
