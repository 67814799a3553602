"""A small HTTP client that keeps a server busy over a few connections of loopback."""

from __future__ import annotations

import contextlib
import itertools
import re
import selectors
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CONNECTIONS = 8
"""Enough that no worker waits for the next request."""
_CHUNK = 65_536
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
PATIENCE = 10
"""Seconds without any answer after which the server counts as broken."""


def request(path: str, token: str) -> bytes:
    """The bytes of a request with a bearer token."""
    lines = (
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64)",
        "Accept: application/json",
        f"Authorization: Bearer {token}",
    )
    return "\r\n".join(lines).encode("ascii") + _HEAD_END


class Load:
    """Sends these requests in rotation; a connection is kept as long as the server keeps it.

    Args:
        port: of the server on 127.0.0.1.
        requests: as bytes.
    """

    def __init__(self, port: int, requests: Sequence[bytes]) -> None:
        self._port = port
        self._requests = itertools.cycle(requests)
        self._answers: dict[socket.socket, bytes] = {}

    def run(self, seconds: float) -> tuple[int, float]:
        """Send for about so long; how many requests were answered with 200, and in how many seconds.

        Raises:
            ValueError: another status was answered.
            TimeoutError: nothing is.
        """
        done, began = 0, time.perf_counter()
        with selectors.DefaultSelector() as selector:
            try:
                for _ in range(CONNECTIONS):
                    self._open(selector)
                while (now := time.perf_counter()) < began + seconds:
                    done += self._take_answers(selector)
            finally:
                for connection in list(self._answers):
                    self._close(connection, selector)
        return done, now - began

    def _take_answers(self, selector: selectors.BaseSelector) -> int:
        """Wait for something to come, and send on; how many answers are whole now."""
        ready = selector.select(PATIENCE)
        if not ready:
            raise TimeoutError("a server of the benchmark does not answer")
        return sum(self._receive(key.data, selector) for key, _ in ready)

    def once(self) -> None:
        """Send one request, and have it answered; errors as of `run`."""
        with contextlib.closing(socket.create_connection(("127.0.0.1", self._port), PATIENCE)) as connection:
            connection.sendall(next(self._requests))
            answer = b""
            while not _is_whole(answer):
                answer += connection.recv(_CHUNK) or _end_of_nothing(answer)

    def _open(self, selector: selectors.BaseSelector) -> None:
        connection = socket.create_connection(("127.0.0.1", self._port), PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ, connection)
        self._send(connection)

    def _send(self, connection: socket.socket) -> None:
        self._answers[connection] = b""
        connection.sendall(next(self._requests))

    def _close(self, connection: socket.socket, selector: selectors.BaseSelector) -> None:
        selector.unregister(connection)
        del self._answers[connection]
        connection.close()

    def _receive(self, connection: socket.socket, selector: selectors.BaseSelector) -> int:
        """Read on, and send the next request where an answer is whole; 1 if it is."""
        data = connection.recv(_CHUNK)
        answer = self._answers[connection] + data
        if not data or ((is_whole := _is_whole(answer)) and _CLOSE.search(answer)):
            # A server may close a connection between two requests, but not in an answer.
            if answer and not data:
                _end_of_nothing(answer)
            self._close(connection, selector)
            self._open(selector)
            return int(bool(data))
        if is_whole:
            self._send(connection)
        else:
            self._answers[connection] = answer
        return int(is_whole)


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(_HEAD_END)
    if not end:
        return False
    if not head.startswith(b"HTTP/1.1 200"):
        raise ValueError(f"a request of the benchmark was answered {head.splitlines()[0]!r}")
    length = _LENGTH.search(head)
    return length is not None and len(body) >= int(length[1])


def _end_of_nothing(answer: bytes) -> bytes:
    raise ValueError(f"a server of the benchmark closed a connection after {len(answer)} bytes of an answer")
