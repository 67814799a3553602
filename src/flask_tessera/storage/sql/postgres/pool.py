"""The connections of one process: bounded, the last used first."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from ....errors import StorageUnavailableError
from .connection import LEAST

if TYPE_CHECKING:
    from collections.abc import Callable

    from .connection import Connection

SIZE: Final = 16
LONGEST_WAIT: Final = 0.75
"""Seconds to wait for a connection that another thread has."""


class Pool:
    """Lends connections; opens one where none is idle.

    Args:
        connect: opens a connection, given the steady second at which to give up.
    """

    def __init__(self, connect: Callable[[float], Connection]) -> None:
        self._connect = connect
        self._idle: deque[Connection] = deque()
        self._free = threading.Semaphore(SIZE)

    def take(self, *, give_up_at: float) -> Connection:
        """A connection that was good a moment ago, for one step.

        Args:
            give_up_at: steady second until which it may wait for the server.

        Raises:
            StorageUnavailableError: all are in use.
        """
        if not self._free.acquire(timeout=LONGEST_WAIT):
            raise StorageUnavailableError(f"waited too long for one of {SIZE} connections")
        try:
            connection = self._find(give_up_at)
        except BaseException:
            self._free.release()
            raise
        connection.deadline = max(give_up_at, time.monotonic() + LEAST)
        connection.has_begun = True
        return connection

    def give_back(self, connection: Connection) -> None:
        """Let others have it."""
        self._idle.append(connection)
        self._free.release()

    def discard(self, connection: Connection) -> None:
        """Close it: who knows what is still to come from its server."""
        connection.close()
        self._free.release()

    def clear(self) -> None:
        """Close those that are idle."""
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return

    def _find(self, give_up_at: float) -> Connection:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._connect(give_up_at)
            if connection.is_quiet:
                return connection
            connection.close()
