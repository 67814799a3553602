"""The proxy does to replies what it is told, and nothing else."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading

import pytest

from tests.faults.proxy import Proxy


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            while data := self.request.recv(1024):
                self.request.sendall(data.upper())


@pytest.fixture
def proxy():
    """A proxy before a server that answers in capitals."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with Proxy(f"echo://127.0.0.1:{server.server_address[1]}/0") as proxy:
            yield proxy
        server.shutdown()


def connect(proxy):
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=10)


def say(connection, words):
    connection.sendall(words)
    return connection.recv(1024)


def test_it_passes_on_what_it_is_sent(proxy):
    assert proxy.url == f"echo://127.0.0.1:{proxy.port}/0"
    with connect(proxy) as connection:
        assert say(connection, b"a") == b"A"


def test_a_reply_is_cut_for_so_many_requests_that_hold_the_mark(proxy):
    with proxy.fault("cut", b"x", b"y", most=1) as fault:
        with connect(proxy) as connection:
            assert say(connection, b"a") == b"A"
            with pytest.raises(ConnectionResetError):
                say(connection, b"by")
        with connect(proxy) as connection:
            assert say(connection, b"x") == b"X"
    assert fault.struck == 1


def test_what_is_withheld_comes_when_the_fault_ends(proxy):
    with connect(proxy) as connection:
        with proxy.fault("hold"):
            connection.sendall(b"a")
            connection.settimeout(0.1)
            with pytest.raises(TimeoutError):
                connection.recv(1024)
        connection.settimeout(10)
        assert connection.recv(1024) == b"A"


def test_a_reply_is_late(proxy):
    with connect(proxy) as connection, proxy.fault("delay", seconds=60):
        connection.sendall(b"a")
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1024)
    with connect(proxy) as connection, proxy.fault("delay", seconds=0.01):
        assert say(connection, b"a") == b"A"


def test_connections_are_refused_and_let_in_again(proxy):
    with connect(proxy) as before:
        assert say(before, b"a") == b"A"
        with proxy.refusing():
            with pytest.raises(ConnectionResetError):
                before.recv(1024)
            with pytest.raises(ConnectionRefusedError):
                connect(proxy)
    with connect(proxy) as after:
        assert say(after, b"a") == b"A"


def test_it_leads_elsewhere_when_told(proxy):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as other:
        proxy.target = other.server_address
        with connect(proxy) as connection:
            connection.sendall(b"a")
            other.handle_request()
            assert connection.recv(1024) == b"A"
        proxy.reset()
