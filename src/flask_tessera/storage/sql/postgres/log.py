"""`WaitingLog` in PostgreSQL: the table is the truth, a notification says that it has grown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...contract import Wakeup
from ..log import SQLLog
from .listener import Listener

if TYPE_CHECKING:
    from .database import PostgresDatabase


class PostgresLog(SQLLog):
    """The log, and the connection on which this process listens."""

    bound = 2

    def __init__(self, database: PostgresDatabase) -> None:
        super().__init__(database)
        self._listener = Listener(database)
        self.interrupt = self._listener.interrupt
        self.close = self._listener.close

    def wait(self, cursor: int, *, longest: float) -> Wakeup:  # noqa: ARG002 - what it wakes for is read
        self._listener.wait(longest)
        # Never "unchanged": notifications are lost where a connection is.
        return Wakeup()
