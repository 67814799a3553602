"""All ports over one PostgreSQL database."""

from __future__ import annotations

import os
import selectors
import socket
import threading
import time
import weakref
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ....errors import StorageUnavailableError
from ....fork import renew_in_children
from ...model import Description, Wakeup
from ..database import STEP, Failure
from ..log import SQLLog
from ..pool import close_all, leave_to_parent
from ..storage import SQLStorage
from . import address
from .database import PostgresDatabase

if TYPE_CHECKING:
    import sqlalchemy

    from .connection import Connection

_SETTINGS: Final = """
SELECT current_setting('server_version'), current_setting('fsync'), current_setting('full_page_writes'),
       current_setting('synchronous_commit'), current_setting('synchronous_standby_names'), pg_is_in_recovery()"""
_OFF: Final = "off"


class _Channel:
    """A connection that listens, and a pair of sockets by which another thread ends the wait."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)

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


class PostgresLog(SQLLog):
    """`WaitingLog`: the table is the truth, a notification says that it has grown.

    Of those this process learns on a connection of their own, from the first wait on. Between two waits it stays open,
    and the server keeps the notifications for it.
    """

    bound = 2

    def __init__(self, database: PostgresDatabase) -> None:
        super().__init__(database)
        self._postgres = database
        self._channels: deque[_Channel] = deque()
        renew_in_children(self)
        weakref.finalize(self, close_all, self._channels)

    def reset_after_fork(self) -> None:
        """A thread of the parent may have been waiting, on a connection that is the parent's."""
        self._lock = threading.Lock()
        leave_to_parent(self._channels)

    def wait(self, cursor: int, *, longest: float) -> Wakeup:  # noqa: ARG002 - what it wakes for is read
        with self._lock:
            try:
                if not self._has_waited(longest):
                    # What was sent before is missed: the caller reads on at once.
                    self._listen()
            except StorageUnavailableError:
                close_all(self._channels)
                raise
            except self._postgres.errors as error:
                close_all(self._channels)
                raise self._postgres.unavailable(error, writing=False) from error
        # Never "unchanged": notifications are lost where a connection is.
        return Wakeup()

    def interrupt(self) -> None:
        # Another thread may close it just now: then nobody waits.
        with suppress(OSError, IndexError):
            self._channels[0].interrupt()

    def close(self) -> None:
        self.interrupt()
        with self._lock:
            close_all(self._channels)

    def _has_waited(self, longest: float) -> bool:
        """Whether there is a connection to wait on; one that the server has closed since the last wait is none."""
        if not self._channels or self._channels[0].connection.closed:
            return False
        try:
            self._channels[0].wait(longest)
        except self._postgres.errors as error:
            if self._postgres.failure(error) is Failure.LOST:
                return False
            raise
        return True

    def _listen(self) -> None:
        close_all(self._channels)
        connection = self._postgres.connect(time.monotonic() + STEP)
        self._channels.append(_Channel(connection))
        connection.execute(f"LISTEN {self._postgres.address.channel}")


def _take_notifications(connection: Connection) -> bool:
    """Take what the server has sent; says whether a notification was among it.

    Raises:
        psycopg.OperationalError: the server has closed the connection.
    """
    connection.take_input()
    has_any = False
    while connection.pgconn.notifies():
        has_any = True
    return has_any


class PostgresStorage(SQLStorage):
    """All records in one schema; connections and transactions of a host are left alone.

    Args:
        url: our own, as a text, or that of a host's engine.

    Raises:
        ConfigError: it is malformed, or has an option that is not known.
    """

    another_place = "?schema=NAME in the URL of the storage"

    def __init__(self, url: str | sqlalchemy.URL) -> None:
        database = PostgresDatabase(address.parse(url) if isinstance(url, str) else address.of_host(url))
        super().__init__(database, PostgresLog(database))

    def describe(self) -> Description:
        (((version, fsync, pages, commit, standbys, is_standby),),) = self._database.read((_SETTINGS, ()))
        warnings = []
        if fsync == _OFF:
            warnings.append("fsync=off: a power cut may destroy the database")
        if pages == _OFF:
            warnings.append("full_page_writes=off: a power cut may destroy pages of the database")
        if commit == _OFF:
            warnings.append("synchronous_commit=off: a crash of the server may take the last endings back")
        if is_standby:
            warnings.append("this server is a standby, which cannot be written to")
        return Description(f"PostgreSQL {version.split()[0]}", _durability(fsync, commit, standbys), tuple(warnings))


def _durability(fsync: str, commit: str, standbys: str) -> str:
    if _OFF in {fsync, commit}:
        return "a commit outlives its process, but not every crash of the server"
    if standbys and commit != "local":
        return f"a commit outlives a power cut and the loss of the primary (synchronous_commit={commit})"
    return "a commit outlives a power cut; the loss of the primary may take the last ones, if there is a standby"
