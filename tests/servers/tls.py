"""Redis over TLS: none of the programs in the wheels speaks it, so a relay in this process does for them."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from .redis import RedisServer

PIECE = 65_536


class TlsRelay:
    """A port that speaks TLS for a server, with a certificate of an authority of its own; a context manager.

    Args:
        server: the server behind it, started.
        folder: for the certificates.
    """

    def __init__(self, server: RedisServer, folder: Path) -> None:
        self._server = server
        self.authority = folder / "authority.pem"
        """The certificate that a client must trust."""
        self._certificate = folder / "server.pem"
        self._listener: socket.socket | None = None
        self._connections: list[socket.socket] = []
        self.port = 0

    @property
    def url(self) -> str:
        """Where a storage finds it; the authority is in redis-py's own words."""
        return f"rediss://127.0.0.1:{self.port}/0?ssl_ca_certs={self.authority}"

    def start(self) -> Self:
        """Make the certificates, and listen."""
        from .certificates import write_certificates

        write_certificates(self.authority, self._certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener, context), daemon=True).start()
        return self

    def close(self) -> None:
        """Listen no longer, and cut all connections."""
        for connection in [self._listener, *self._connections]:
            if connection:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                connection.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self, listener: socket.socket, context: ssl.SSLContext) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = listener.accept()
                self._connections.append(client)
                threading.Thread(target=self._relay, args=(client, context), daemon=True).start()

    def _relay(self, plain: socket.socket, context: ssl.SSLContext) -> None:
        with contextlib.suppress(OSError):
            client = context.wrap_socket(plain, server_side=True)
            server = socket.create_connection(("127.0.0.1", self._server.port))
            self._connections += [client, server]
            threading.Thread(target=_pump, args=(server, client), daemon=True).start()
            _pump(client, server)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(PIECE):
            target.sendall(piece)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
