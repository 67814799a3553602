"""The connections of one process: bounded, the last used first; closed with their user, and left alone in a child."""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from ...errors import StorageUnavailableError, TesseraError
from ...fork import renew_in_children
from .transaction import Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LEAST: Final = 0.1
"""Seconds that the server has in any case, however long it took to find a connection."""
LONGEST_WAIT: Final = 1.5
"""Seconds to wait for a connection that another thread has."""
LONGEST_BEFORE_CONNECTING: Final = 0.75
"""Seconds of waiting after which there is no time left to open another one: that may take 2."""
_TOO_LONG: Final = "waited too long for one of the connections of this process"
_left_by_parents: Final[list[Any]] = []
"""Kept, never used: what they lead to is the parent's, and not even to be collected here."""

AnyConnection = TypeVar("AnyConnection", bound=Connection)


def leave_to_parent(held: deque[Any]) -> None:
    """In a child: neither use nor close what its parent talks through."""
    _left_by_parents.extend(held)
    held.clear()


def close_all(held: deque[Any]) -> None:
    """Close what nobody uses now."""
    while True:
        try:
            held.pop().close()
        except IndexError:
            return


class Pool(Generic[AnyConnection]):
    """Lends connections; opens one where none is idle.

    Args:
        user: it is closed when nobody holds that any more.
        size: how many connections there may be.
    """

    def __init__(self, user: object, size: int) -> None:
        self._size = size
        self._idle: deque[AnyConnection] = deque()
        self._closings = 0
        renew_in_children(self)
        weakref.finalize(user, self.close)

    def reset_after_fork(self) -> None:
        """A child gets connections of its own."""
        self._free = threading.Semaphore(self._size)
        self._closings += 1
        leave_to_parent(self._idle)

    @contextmanager
    def lend(self, connect: Callable[[float], AnyConnection], give_up_at: float) -> Iterator[AnyConnection]:
        """A connection that was good a moment ago, for one step. After an error of the driver it is closed.

        Args:
            connect: opens a connection, given the steady second at which to give up.
            give_up_at: steady second until which it may wait for the server.

        Raises:
            StorageUnavailableError: all are in use.
        """
        free, closings = self._free, self._closings
        connection = self._take(connect, give_up_at)
        is_good = False
        try:
            connection.deadline = max(give_up_at, time.monotonic() + LEAST)
            yield connection
            is_good = True
        except StorageUnavailableError:
            # What it found there must not be: the next connection puts it right.
            close_all(self._idle)
            raise
        except TesseraError:
            is_good = True
            raise
        finally:
            if is_good:
                self._idle.append(connection)
            else:
                connection.close()
            free.release()
            # Asked last: who closes them may not have seen this one.
            if closings != self._closings:
                close_all(self._idle)

    def close(self) -> None:
        """Close those that are idle now, and each other one when it is given back."""
        self._closings += 1
        close_all(self._idle)

    def _take(self, connect: Callable[[float], AnyConnection], give_up_at: float) -> AnyConnection:
        began = time.monotonic()
        # Less where an attempt before this one has taken its time.
        if not self._free.acquire(timeout=min(LONGEST_WAIT, max(LEAST, give_up_at - began))):
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
        return connection

    def _find_idle(self) -> AnyConnection | None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.is_quiet:
                return connection
            connection.close()
