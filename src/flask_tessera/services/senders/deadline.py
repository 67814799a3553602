"""A connection that is over in time, however slowly its other end goes on."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from ...clocks import boot_clock

if TYPE_CHECKING:
    from types import TracebackType


class Deadline:
    """Connects, and ends the connection when the time is over: the time-out of a socket is for each of its reads.

    Leaving the `with` block after that raises `TimeoutError`, whatever the block has made of the end. Looking up a name
    takes as long as the system lets it.

    Args:
        seconds: for all.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends_at = boot_clock() + seconds
        self._timer: threading.Timer | None = None
        self._handle: socket.socket | None = None
        self._is_over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._timer and self._handle:
            self._timer.cancel()
            # It may be ending the connection at this moment.
            self._timer.join()
            self._handle.close()
        if self._is_over and (error is None or isinstance(error, Exception)):
            raise TimeoutError(f"not done within {self._seconds:g} s") from None

    def connect(self, host: str, port: int) -> socket.socket:
        """A connection to the first address that takes one; the time that is left is divided among them.

        Raises:
            OSError: none does.
        """
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for waiting, (*_, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
            try:
                connection = socket.create_connection((str(address[0]), port), self._left() / waiting)
            except OSError:
                if waiting == 1:
                    raise
            else:
                return self._guarded(connection)
        raise OSError("the name has no address")

    def _guarded(self, connection: socket.socket) -> socket.socket:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(self._left())
        # A handle of its own: TLS takes the other one over.
        self._handle = connection.dup()
        self._timer = threading.Timer(self._left(), self._end, (self._handle,))
        self._timer.daemon = True
        self._timer.start()
        return connection

    def _end(self, handle: socket.socket) -> None:
        self._is_over = True
        with suppress(OSError):
            handle.shutdown(socket.SHUT_RDWR)

    def _left(self) -> float:
        return max(0.001, self._ends_at - boot_clock())
