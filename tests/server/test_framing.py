"""Where a request ends: what a proxy before the service could take for one request is never two here (H06)."""

from __future__ import annotations

import re
import socket

import pytest

BODY = b"0\r\n\r\n"
"""As chunks: the end. By a length of more, or of less: the beginning of what follows."""
HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
"""What is hidden behind it, in the hope of an answer."""
LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
WHOLE = len(BODY + HIDDEN)


def framed(*lines: str, version: str = "1.1", body: bytes = BODY + HIDDEN) -> bytes:
    head = "\r\n".join((f"POST /auth/refresh HTTP/{version}", "Host: x", "Content-Type: application/json", *lines))
    return f"{head}\r\n\r\n".encode("latin-1") + body


SMUGGLING = {
    "a length, then chunks": framed(f"Content-Length: {WHOLE}", "Transfer-Encoding: chunked"),
    "chunks, then a length": framed("Transfer-Encoding: chunked", f"Content-Length: {WHOLE}"),
    "a short length": framed("Content-Length: 0", "Transfer-Encoding: chunked"),
    "chunks in any case": framed(f"Content-Length: {WHOLE}", "transfer-encoding: CHUNKED"),
    "chunks in HTTP/1.0": framed(
        f"Content-Length: {len(BODY)}", "Transfer-Encoding: chunked", "Connection: keep-alive", version="1.0"
    ),
    "another coding": framed(f"Content-Length: {len(BODY)}", "Transfer-Encoding: xchunked"),
    "no coding": framed(f"Content-Length: {len(BODY)}", "Transfer-Encoding: identity"),
    "a coding after a tab": framed(f"Content-Length: {len(BODY)}", "Transfer-Encoding:\tchunked"),
    "a coding after a vertical tab": framed(f"Content-Length: {len(BODY)}", "Transfer-Encoding: \x0bchunked"),
    "a blank before the colon": framed(f"Content-Length: {len(BODY)}", "Transfer-Encoding : chunked"),
    "two lengths": framed(f"Content-Length: {WHOLE}", f"Content-Length: {len(BODY)}"),
    "two lengths in one": framed(f"Content-Length: {WHOLE}, {len(BODY)}"),
    "a length with a sign": framed(f"Content-Length: +{len(BODY)}"),
    "a length in hexadecimal": framed("Content-Length: 0x5"),
    "a length below zero": framed("Content-Length: -1"),
    "a chunk with a sign": framed("Transfer-Encoding: chunked", body=b"+0\r\n\r\n" + HIDDEN),
    "a chunk in hexadecimal": framed("Transfer-Encoding: chunked", body=b"0x0\r\n\r\n" + HIDDEN),
    "a line feed in a header": framed(f"Content-Length: {len(BODY)}", "X: y\nTransfer-Encoding: chunked"),
}


def answers_to(server, sent: bytes) -> list[int]:
    """The statuses of all that is answered until the server closes the connection."""
    received = b""
    with socket.create_connection((server.host, server.port), timeout=20) as connection:
        connection.sendall(sent)
        while more := connection.recv(65_536):
            received += more
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", received)]


@pytest.mark.parametrize("sent", SMUGGLING.values(), ids=SMUGGLING)
def test_H06_a_request_whose_end_is_not_certain_is_refused_and_the_connection_closed(two_servers, sent):
    assert answers_to(two_servers[0], sent) in ([400], [501])


def test_H06_a_request_in_chunks_and_the_next_are_two(two_servers):
    sent = framed("Transfer-Encoding: chunked", body=b"2\r\n{}\r\n" + BODY + LAST)
    assert answers_to(two_servers[0], sent) == [401, 200]
