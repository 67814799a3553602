"""A connection of its own that hears notifications."""

from __future__ import annotations

import os
import select
import threading
import time
from typing import TYPE_CHECKING, Final

from ....errors import StorageUnavailableError
from ....fork import renew_in_children
from ...contract import Heard
from . import failures
from .connection import STEP, Connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Notify

    from ...contract import Revocation
    from .database import Database

_PAUSE: Final = 0.5
"""Seconds after which a thread that waits looks whether the storage was closed."""
_PATIENCE: Final = 0.3
"""Seconds after which a failed attempt has taken too long for another one."""


class Listener:
    """Opened at the first wait, and again after whatever has closed it. One thread waits at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._left_by_parent: list[Connection] = []
        self._process = os.getpid()
        self._heard: list[str] = []
        renew_in_children(self)

    def renew_locks(self) -> None:
        """A thread of the parent may have been waiting."""
        self._lock = threading.Lock()
        self._closing = False

    def hear(self, look: Callable[[Connection], tuple[Revocation, ...] | None], longest: float) -> Heard:
        """Block until something is heard, or is there already.

        Args:
            look: gives what there is, as far as that can be told; None if there is nothing.
            longest: seconds to wait.

        Raises:
            StorageUnavailableError: the database does not answer.
        """
        with self._lock:
            try:
                found = self._hear_now_or_again(look, longest)
            except (*failures.ERRORS, StorageUnavailableError) as error:
                self._let_go()
                raise failures.unavailable(error, writing=False) from error
            if self._closing:
                self._let_go()
            return Heard(self._take_beats(), found)

    def close(self) -> None:
        """Let go of the connection, at once or when the thread that waits comes back."""
        self._closing = True
        if self._lock.acquire(blocking=False):
            try:
                self._let_go()
            finally:
                self._lock.release()

    def _open(self) -> Connection:
        self._closing = False
        connection = self._connection
        if connection is not None and self._process == os.getpid() and not connection.closed:
            return connection
        self._let_go()
        connection = self._database.connect(time.monotonic() + STEP)
        self._connection, self._process = connection, os.getpid()
        # Called also for what comes beside the answer to a statement.
        connection.add_notify_handler(self._note)
        connection.execute(f"LISTEN {self._database.address.channel}")
        return connection

    def _hear_now_or_again(
        self, look: Callable[[Connection], tuple[Revocation, ...] | None], longest: float
    ) -> tuple[Revocation, ...]:
        began, was_open = time.monotonic(), self._connection is not None
        try:
            return self._hear(look, began + longest)
        except failures.ERRORS as error:
            # The server was started again since the last wait: nobody need hear of that.
            if not (was_open and failures.is_lost(error) and time.monotonic() - began < _PATIENCE):
                raise
        self._let_go()
        return self._hear(look, began + longest)

    def _hear(
        self, look: Callable[[Connection], tuple[Revocation, ...] | None], give_up_at: float
    ) -> tuple[Revocation, ...]:
        """What is found at once, or by the first notification that tells of something."""
        connection = self._open()
        while True:
            # Of what was there before this look; what comes beside its answer makes for another one.
            self._has_heard(connection)
            self._heard = [name for name in self._heard if name]
            connection.deadline = time.monotonic() + STEP
            found = look(connection)
            if found is not None or any(self._heard) or not self._wait(connection, give_up_at):
                return found or ()

    def _wait(self, connection: Connection, give_up_at: float) -> bool:
        """Until the server says something (True), or there is no time left.

        The driver's own generator would miss what came beside an answer.
        """
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        while not self._has_heard(connection):
            left = give_up_at - time.monotonic()
            if left <= 0 or self._closing:
                return False
            poll.poll(min(left, _PAUSE) * 1000)
        return time.monotonic() < give_up_at

    def _has_heard(self, connection: Connection) -> bool:
        connection.pgconn.consume_input()
        while notify := connection.pgconn.notifies():
            self._heard.append(notify.extra.decode())
        return bool(self._heard)

    def _note(self, notify: Notify) -> None:
        self._heard.append(notify.payload)

    def _take_beats(self) -> tuple[str, ...]:
        heard, self._heard = self._heard, []
        return tuple(name for name in heard if name)

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._process == os.getpid():
            connection.close()
        else:
            self._left_by_parent.append(connection)
