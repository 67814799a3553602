"""A loopback TCP proxy between an application and its storage, which loses, delays and withholds replies."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

CHUNK = 65_536
AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends RST, as from a host that has forgotten the connection."""
Kind = Literal["cut", "hold", "delay"]


@dataclass
class Fault:
    """What is done to replies: to those of requests that hold `marks`, to so many of them."""

    kind: Kind
    marks: tuple[bytes, ...] = ()
    """Any of these; none: every request."""
    most: int = 1_000_000
    seconds: float = 0.0
    """Of a delay."""
    struck: int = 0
    """Replies that it has hit."""
    at_once: int = 0
    """Replies that it is just keeping back."""
    most_at_once: int = 0

    def takes(self, request: bytes) -> bool:
        """Whether the reply to this request is hit."""
        if self.struck >= self.most or (self.marks and not any(mark in request for mark in self.marks)):
            return False
        self.struck += 1
        return True


class Proxy:
    """Passes on what it is sent, until a fault begins; a context manager that closes all its connections.

    Args:
        url: of the server behind it.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.target = _address(url)
        """Where new connections lead: change it, and call `reset`, for a fail-over behind one address."""
        self._links: set[_Link] = set()
        self._lock = threading.Lock()
        self._fault: Fault | None = None
        self._healed = threading.Event()
        self._healed.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._listen()

    @property
    def url(self) -> str:
        """The URL of the server, by way of this proxy."""
        host, port = _address(self._url)
        return self._url.replace(f"{host}:{port}", f"127.0.0.1:{self.port}", 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._healed.set()
        self._hush()
        self.reset()

    @contextlib.contextmanager
    def fault(self, kind: Kind, *marks: bytes, most: int = 1_000_000, seconds: float = 0.0) -> Iterator[Fault]:
        """Cut, withhold or delay replies while the block lasts; what was withheld is then passed on."""
        fault = Fault(kind, marks, most, seconds)
        self._healed.clear()
        self._fault = fault
        try:
            yield fault
        finally:
            self._fault = None
            self._healed.set()

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuse connections while the block lasts, and cut those that there are."""
        self._hush()
        self.reset()
        try:
            yield
        finally:
            self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
            self._listen()

    def reset(self) -> None:
        """Cut every connection."""
        with self._lock:
            links, self._links = self._links, set()
        for link in links:
            link.cut()

    def _hush(self) -> None:
        # Wakes the thread that accepts, which `close` alone does not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _listen(self) -> None:
        self._thread = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.target, timeout=5)
            except OSError:
                _reset(client)
                continue
            server.settimeout(None)
            link = _Link(self, client, server)
            with self._lock:
                self._links.add(link)
            link.start()

    def act_on(self, request: bytes) -> Fault | None:
        """The fault that hits the reply to this request, if one does."""
        with self._lock:
            fault = self._fault
            return fault if fault is not None and fault.takes(request) else None

    def keep_back(self, fault: Fault) -> None:
        """Block while a fault lasts, as many seconds at most as it delays."""
        with self._lock:
            fault.at_once += 1
            fault.most_at_once = max(fault.most_at_once, fault.at_once)
        self._healed.wait(fault.seconds or None)
        with self._lock:
            fault.at_once -= 1


class _Link:
    """One connection: a thread each way."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client, self._server = client, server
        self._request = b""

    def start(self) -> None:
        for pump in (self._send_requests, self._send_replies):
            threading.Thread(target=pump, daemon=True).start()

    def cut(self) -> None:
        """End it for both sides, with what is under way."""
        _reset(self._client)
        _reset(self._server)

    def _send_requests(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._client.recv(CHUNK):
                self._request = data
                self._server.sendall(data)
        self.cut()

    def _send_replies(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._server.recv(CHUNK):
                fault = self._proxy.act_on(self._request)
                if fault is not None and fault.kind == "cut":
                    break
                if fault is not None:
                    self._proxy.keep_back(fault)
                self._client.sendall(data)
        self.cut()


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        connection.shutdown(socket.SHUT_RD)
    connection.close()


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0
