"""A connection of its own that waits for notifications."""

from __future__ import annotations

import os
import selectors
import socket
import threading
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ....errors import StorageUnavailableError
from ....fork import renew_in_children
from ..pooled import STEP
from . import failures

if TYPE_CHECKING:
    from .connection import Connection
    from .database import PostgresDatabase

_left_by_parents: Final[list[_Channel]] = []
"""Kept, never used: they are the parent's."""


class _Channel:
    """A connection that listens, and a pair of sockets by which another thread ends the wait."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)

    @property
    def is_usable(self) -> bool:
        return self.connection.process == os.getpid() and not self.connection.closed

    def wait(self, longest: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection.fileno(), selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            if not _take_notifications(self.connection):
                selector.select(longest)
        if self.connection.process != os.getpid():
            # A greenlet of the parent, which goes on in the child.
            return
        with suppress(BlockingIOError):
            self._woken.recv(64)
        _take_notifications(self.connection)

    def interrupt(self) -> None:
        # A byte is enough, and a few of them always fit.
        self._waker.send(b"\0")

    def close(self) -> None:
        for each in (self.connection, self._woken, self._waker):
            each.close()


class Listener:
    """Opened at the first wait, and again after whatever has closed it. One thread waits at a time.

    Between two waits the connection stays open, and the server keeps the notifications for it.
    """

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self._channels: list[_Channel] = []
        renew_in_children(self)
        # As for the pool: what nobody holds any more is closed.
        weakref.finalize(self, _close_all, self._channels).atexit = False

    def renew_locks(self) -> None:
        """A thread of the parent may have been waiting, on a connection that is the parent's."""
        self._lock = threading.Lock()
        _left_by_parents.extend(self._channels)
        self._channels.clear()

    def wait(self, longest: float) -> None:
        """Block until a notification comes, or `interrupt` is called; at once where one may have been missed.

        Args:
            longest: seconds to wait.

        Raises:
            StorageUnavailableError: the database does not answer.
        """
        with self._lock:
            try:
                if not self._has_waited(longest):
                    # What was sent before is missed: the caller reads on at once.
                    self._open()
            except (*failures.ERRORS, StorageUnavailableError) as error:
                _close_all(self._channels)
                raise failures.unavailable(error, writing=False) from error

    def interrupt(self) -> None:
        """Let the thread that waits, or the next one that is about to, return at once."""
        # Another thread may close it just now: then nobody waits.
        with suppress(OSError, IndexError):
            self._channels[0].interrupt()

    def close(self) -> None:
        """Let go of the connection; a thread that waits returns."""
        self.interrupt()
        with self._lock:
            _close_all(self._channels)

    def _has_waited(self, longest: float) -> bool:
        """Whether there is a connection to wait on; one that the server has closed since the last wait is none."""
        if not self._channels or not self._channels[0].is_usable:
            return False
        try:
            self._channels[0].wait(longest)
        except failures.ERRORS as error:
            if failures.is_lost(error):
                return False
            raise
        return True

    def _open(self) -> None:
        _close_all(self._channels)
        connection = self._database.connect(time.monotonic() + STEP)
        self._channels.append(_Channel(connection))
        connection.execute(f"LISTEN {self._database.address.channel}")


def _close_all(channels: list[_Channel]) -> None:
    while channels:
        channels.pop().close()


def _take_notifications(connection: Connection) -> bool:
    """Take what the server has sent; says whether a notification was among it.

    Raises:
        psycopg.OperationalError: the server has closed the connection.
    """
    # Call it twice: the first read delivers the server's error, the second the end of file.
    connection.pgconn.consume_input()
    connection.pgconn.consume_input()
    has_any = False
    while connection.pgconn.notifies():
        has_any = True
    return has_any
