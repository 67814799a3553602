"""Counts how often a client waits for its server, whatever driver it uses: a proxy that looks at directions only."""

from __future__ import annotations

import contextlib
import socket
import threading
from select import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 65_536


class Counter:
    """A proxy on a port of its own; `trips` grows when a client speaks after its server has spoken."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.trips = 0

    @property
    def port(self) -> int:
        """Where clients go instead."""
        return int(self._listener.getsockname()[1])

    def serve(self) -> None:
        """Take clients until `close`."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def close(self) -> None:
        """Take no more."""
        # To close it alone would not wake the thread that accepts.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as server:
            has_server_spoken = True
            with contextlib.suppress(OSError):
                while True:
                    for source in select([client, server], [], [])[0]:
                        data = source.recv(_CHUNK)
                        if not data:
                            return
                        self.trips += source is client and has_server_spoken
                        has_server_spoken = source is server
                        (server if source is client else client).sendall(data)


@contextlib.contextmanager
def counting(port: int) -> Iterator[Counter]:
    """A proxy before the server on this port of 127.0.0.1."""
    counter = Counter(port)
    threading.Thread(target=counter.serve, daemon=True).start()
    try:
        yield counter
    finally:
        counter.close()
