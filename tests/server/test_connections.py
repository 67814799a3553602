"""Who holds many connections keeps nobody else out: real sockets, and addresses of this machine as clients."""

from __future__ import annotations

import select
import socket
from contextlib import ExitStack, suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from flask_tessera.server import connections
from flask_tessera.server.connections import (
    HEADERS_TIME,
    IDLE_TIME,
    LEAST_SHARE,
    FairAccept,
    connection_limit,
    network_of,
    share_of,
)
from tests.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

OTHER = "127.0.0.2"
"""Another client than the tests', where the whole of 127/8 is this machine."""
SURPLUS = 30


def idle_connections(opened: ExitStack, server, number: int, *, source: str = OTHER) -> list[socket.socket]:
    address = (server.host, server.port)
    try:
        return [
            opened.enter_context(socket.create_connection(address, timeout=20, source_address=(source, 0)))
            for _ in range(number)
        ]
    except OSError as error:
        pytest.skip(f"no client has the address {source} here: {error}")


def is_served(server) -> bool:
    """Tell whether one more connection gets an answer, and is not closed at once."""
    with ExitStack() as opened, suppress(ConnectionError):
        (another,) = idle_connections(opened, server, 1)
        another.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        return another.recv(12) == b"HTTP/1.1 200"
    return False


def closed(sockets: list[socket.socket], number: int) -> int:
    """How many the server has closed; waits until they are `number`, at most for twenty seconds."""
    ends: set[socket.socket] = set()
    poll = select.poll()
    by_descriptor = {each.fileno(): each for each in sockets}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    while len(ends) < number and (ready := poll.poll(20_000)):
        for descriptor, _ in ready:
            poll.unregister(descriptor)
            ends.add(by_descriptor[descriptor])
    return len(ends)


@pytest.mark.skipif(not hasattr(select, "poll"), reason="holds more sockets than this system's select can watch")
def test_H04_one_clients_idle_connections_keep_nobody_else_out(serve):
    server = serve()
    share = share_of(connection_limit())
    with ExitStack() as opened:
        idle = idle_connections(opened, server, share + SURPLUS)
        assert server.call("GET", "/").status == 200
        assert server.call("GET", "/user/detail", token=server.log_in()).json["code"] == 0
        assert closed(idle, SURPLUS) >= SURPLUS
        held = [each for each in idle if not select.select([each], [], [], 0)[0]]
        assert len(held) == share
        # One goes, and there is room for one.
        held[0].close()
        wait_until(lambda: is_served(server), "the server has noticed that")
    _, errors = server.stop()
    assert f"{OTHER} holds its share of {share} connections" in errors


@pytest.mark.skipif(not hasattr(select, "poll"), reason="holds more sockets than this system's select can watch")
def test_H04_behind_a_proxy_the_share_is_not_the_proxys(serve):
    server = serve(TESSERA_TRUSTED_PROXIES="1")
    with ExitStack() as opened:
        idle = idle_connections(opened, server, share_of(connection_limit()) + SURPLUS)
        idle[-1].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle[-1].recv(12) == b"HTTP/1.1 200"
        assert not select.select(idle[:20], [], [], 0)[0]


# -- How long a connection may wait ------------------------------------------------------------------------------------


@pytest.fixture
def channel(monkeypatch) -> Iterator[SimpleNamespace]:
    """A connection as waitress holds it, its other end, and the time."""
    from waitress.server import TcpWSGIServer

    server = TcpWSGIServer(lambda environ, start: [], host="127.0.0.1", port=0)
    server.channel_class = FairAccept(LEAST_SHARE)
    client = socket.create_connection(server.socket.getsockname(), timeout=20)
    select.select([server.socket], [], [], 20)
    server.handle_accept()
    (made,) = server.active_channels.values()
    told = SimpleNamespace(channel=made, client=client, now=made.creation_time)
    monkeypatch.setattr(connections.PatientChannel, "clock", lambda _: told.now)
    yield told
    client.close()
    made.handle_close()
    server.task_dispatcher.shutdown()
    server.close()


def is_closed_after(told: SimpleNamespace, seconds: float) -> bool:
    told.now += seconds
    told.channel.readable()
    return bool(told.channel.will_close)


def receive(told: SimpleNamespace, data: bytes) -> None:
    told.channel.received(data)


def test_a_connection_that_sends_nothing_is_closed(channel):
    assert not is_closed_after(channel, HEADERS_TIME)
    assert is_closed_after(channel, 1)


def test_a_header_that_trickles_buys_no_time(channel):
    for _ in range(HEADERS_TIME):
        receive(channel, b"GET" if channel.channel.request is None else b"x")
        assert not is_closed_after(channel, 1)
    receive(channel, b"x")
    assert is_closed_after(channel, 1)


def test_a_body_has_more_time_and_not_for_ever(channel):
    receive(channel, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
    assert not is_closed_after(channel, HEADERS_TIME + IDLE_TIME)
    assert is_closed_after(channel, 1)


def test_a_request_that_is_being_served_is_not_cut_off_and_the_next_may_be_waited_for(channel):
    channel.channel.requests = [object()]
    assert not is_closed_after(channel, 1000)
    channel.channel.requests = []
    assert not is_closed_after(channel, IDLE_TIME)
    assert is_closed_after(channel, 1)


# -- Figures -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("localhost", "localhost"),
    ],
)
def test_an_ipv6_client_counts_by_its_network(address, network):
    assert network_of(address) == network


def test_the_share_is_a_part_of_what_the_machine_can_hold():
    assert LEAST_SHARE <= share_of(connection_limit()) < connection_limit()
    assert share_of(2048) == 256
    assert share_of(20) == LEAST_SHARE
