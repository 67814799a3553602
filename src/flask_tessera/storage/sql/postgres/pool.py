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
LONGEST_WAIT: Final = 1.5
"""Seconds to wait for a connection that another thread has."""
LONGEST_BEFORE_CONNECTING: Final = 0.75
"""Seconds of waiting after which there is no time left to open another one: that may take 2."""
_TOO_LONG: Final = f"waited too long for one of {SIZE} connections"


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
        began = time.monotonic()
        if not self._free.acquire(timeout=LONGEST_WAIT):
            raise StorageUnavailableError(_TOO_LONG)
        try:
            connection = self._find_idle() or self._open(began, give_up_at)
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

    def _open(self, began: float, give_up_at: float) -> Connection:
        if time.monotonic() - began > LONGEST_BEFORE_CONNECTING:
            raise StorageUnavailableError(_TOO_LONG)
        return self._connect(give_up_at)

    def _find_idle(self) -> Connection | None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.is_quiet:
                return connection
            connection.close()
