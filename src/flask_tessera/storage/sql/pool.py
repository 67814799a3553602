"""The connections of one process: bounded, the last used first."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from ...errors import StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST: Final = 0.1
"""Seconds that the server has in any case, however long it took to find a connection."""
LONGEST_WAIT: Final = 1.5
"""Seconds to wait for a connection that another thread has."""
LONGEST_BEFORE_CONNECTING: Final = 0.75
"""Seconds of waiting after which there is no time left to open another one: that may take 2."""
_TOO_LONG: Final = "waited too long for one of the connections of this process"


class Lendable(Protocol):
    """A connection."""

    deadline: float
    """Steady second at which it stops waiting for the server."""

    @property
    def is_quiet(self) -> bool:
        """Whether the server has not said goodbye."""
        ...

    def close(self) -> None:
        """Say goodbye."""
        ...


Connection = TypeVar("Connection", bound=Lendable)


class Pool(Generic[Connection]):
    """Lends connections; opens one where none is idle.

    It knows nobody who uses it, so that it can be closed when its user is gone.

    Args:
        size: how many connections there may be.
    """

    def __init__(self, size: int) -> None:
        self._idle: deque[Connection] = deque()
        self._free = threading.Semaphore(size)
        self._is_closed = False

    def take(self, connect: Callable[[float], Connection], *, give_up_at: float) -> Connection:
        """A connection that was good a moment ago, for one step.

        Args:
            connect: opens a connection, given the steady second at which to give up.
            give_up_at: steady second until which it may wait for the server.

        Raises:
            StorageUnavailableError: all are in use.
        """
        began = time.monotonic()
        if not self._free.acquire(timeout=LONGEST_WAIT):
            raise StorageUnavailableError(_TOO_LONG)
        connection = None
        try:
            connection = self._find_idle()
            if connection is None:
                if time.monotonic() - began > LONGEST_BEFORE_CONNECTING:
                    raise StorageUnavailableError(_TOO_LONG)
                connection = connect(give_up_at)
        finally:
            if connection is None:
                self._free.release()
        connection.deadline = max(give_up_at, time.monotonic() + LEAST)
        return connection

    def give_back(self, connection: Connection, *, is_good: bool) -> None:
        """Let others have it; or close it, where nobody knows what is still to come from its server."""
        if is_good:
            self._idle.append(connection)
        else:
            connection.close()
        self._free.release()
        # Asked last: who closes it may not have seen this one.
        if self._is_closed:
            self.clear()

    def close(self) -> None:
        """Close those that are idle now, and each other one when it is given back."""
        self._is_closed = True
        self.clear()

    def clear(self) -> None:
        """Close those that are idle."""
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return

    def _find_idle(self) -> Connection | None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.is_quiet:
                return connection
            connection.close()
