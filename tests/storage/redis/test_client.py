"""The client of one Redis: bounded, nothing twice, nothing late, nothing from a replica (X6)."""

from __future__ import annotations

import multiprocessing
import os
import socket
import tempfile
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
import redis

from flask_tessera.errors import StorageUnavailableError
from flask_tessera.storage.from_url import open_storage
from flask_tessera.storage.redis import server as server_module
from flask_tessera.storage.redis.address import parse
from flask_tessera.storage.redis.client import Client
from flask_tessera.storage.redis.servers import Servers
from flask_tessera.storage.redis.storage import RedisStorage
from flask_tessera.testing import race
from flask_tessera.testing.contract.base import begin, stored
from tests.servers import RedisServer, Sentinel, TlsRelay, wait_until, why_not

from ..calls import assert_unavailable, is_available
from .scripting import COUNTS, REFUSES_LATE, counting


@pytest.fixture
def connected():
    """Makes clients, and lets go of their connections in the end."""
    clients = []

    def connect(url, credentials=None):
        clients.append(Client(Servers(parse(url), credentials)))
        return clients[-1]

    yield connect
    for client in clients:
        client.servers.close()


@pytest.fixture
def client(server, connected):
    """Of a server of its own."""
    return connected(server.url)


@pytest.fixture
def replica(server):
    """Of `server`."""
    with RedisServer("redis8", replica_of=server) as replica:
        yield replica
        replica.cont()


def count(client, key=b"{a}:n", **options):
    """Add one to a counter; gives the count."""
    ((_, counted),) = client.run(counting(key, **options))
    return counted


def refusal(client):
    with pytest.raises(StorageUnavailableError) as caught:
        count(client)
    return str(caught.value)


def has_refused_late(server):
    return "errorstat_LATE" in server.tell("INFO", "errorstats")


@pytest.mark.repeats("text")
@pytest.mark.parametrize(("text", "counted"), [(REFUSES_LATE + COUNTS, None), (COUNTS + b" --ARGV", "1")])
def test_X6_a_write_that_timed_out_is_not_made_later_nor_twice(text, counted, server, client, monkeypatch):
    """A server that stood still goes on with what lies in its sockets: that is why scripts look at its clock."""
    monkeypatch.setattr(server_module, "_LATEST", 1)
    count(client, b"{a}:warm", text=text)
    server.stop()
    too_late = int(time.time()) + 2
    with pytest.raises(StorageUnavailableError, match="Timeout") as caught:
        count(client, text=text)
    assert caught.value.writing
    wait_until(lambda: time.time() > too_late, "the time for the write is over")
    server.cont()
    wait_until(lambda: has_refused_late(server) or server.ask("GET", "{a}:n"), "it has looked into its sockets")
    assert server.ask("GET", "{a}:n") == counted


def test_X6_a_call_whose_connection_breaks_is_not_sent_again(server, client, monkeypatch):
    """It may have been executed; redis-py alone would send it ten times more."""
    client.command(b"a", "GET", b"a")
    sent = []
    send = redis.Connection.send_packed_command

    def noting(self, command, **options):
        sent.extend(part for part in command if b"BLPOP" in part)
        return send(self, command, **options)

    monkeypatch.setattr(redis.Connection, "send_packed_command", noting)
    thread = threading.Thread(target=assert_unavailable, args=(waiting, client))
    thread.start()
    wait_until(lambda: server.tell("INFO", "clients")["blocked_clients"] == "1", "it waits")
    server.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    thread.join()
    assert len(sent) == 1


def test_X6_a_server_whose_clock_was_set_is_written_to_at_once(server, client):
    """What it refuses as late is sent again with its own time."""
    count(client)
    (found,) = client.servers.all()
    found._clock_offset -= 3600
    assert count(client) == 2
    assert has_refused_late(server)


def test_X6_a_hanging_sentinel_is_asked_once(server, connected):
    """redis-py alone would ask it eleven times, each with a time-out."""
    with closing(socket.create_server(("127.0.0.1", 0))) as hanging, Sentinel("redis8", master=server) as sentinel:
        port = hanging.getsockname()[1]
        client = connected(f"redis+sentinel://127.0.0.1:{port},127.0.0.1:{sentinel.port}/mymaster")
        assert count(client) == 1
        hanging.setblocking(False)
        connections = []
        with suppress(BlockingIOError):
            while True:
                connections.append(hanging.accept()[0])
        for each in connections:
            each.close()
    assert len(connections) == 1


@pytest.mark.parametrize("scheme", ["unix", "redis+unix"])
def test_a_server_is_reached_by_its_unix_socket(scheme, connected):
    if reason := why_not("redis8"):
        pytest.skip(reason)
    # The name of a socket may have some hundred bytes only.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "s")
        with RedisServer("redis8", options={"unixsocket": str(path)}) as server:
            server.ask("ACL", "SETUSER", "some", "on", ">se/cret", "~*", "+@all")
            client = connected(f"{scheme}://some:se%2Fcret@{path}?db=3")
            assert count(client) == 1
            assert "addr=" + str(path) in server.ask("CLIENT", "LIST")
            assert "db=3" in server.ask("CLIENT", "LIST")
            (found,) = client.servers.all()
            assert found.connections[0].socket_connect_timeout < 1


def test_S01_a_server_is_reached_encrypted_and_its_certificate_verified(server, connected, tmp_path):
    with TlsRelay(server, tmp_path) as relay:
        client = connected(relay.url)
        wait_until(lambda: is_available(lambda: count(client)), "the hands are shaken in time, on a busy machine")
        # Certified is 127.0.0.1 alone.
        for wrong in (f"rediss://127.0.0.1:{relay.port}/0", relay.url.replace("127.0.0.1", "localhost")):
            client = connected(wrong)
            wait_until(lambda: "certificate" in refusal(client).lower(), "the certificate is refused")  # noqa: B023 - used at once


def test_a_user_may_have_only_what_the_scripts_need(server, connected):
    commands = "+evalsha +script|load +time +role +wait +incr"
    server.ask("ACL", "SETUSER", "few", "on", ">se cret", "~{a}:*", *commands.split())
    client = connected(f"redis://few:se%20cret@127.0.0.1:{server.port}/0")
    assert count(client, waits=True) == 1
    with pytest.raises(StorageUnavailableError, match="NoPermission") as caught:
        count(client, b"{b}:n")
    assert "cret" not in str(caught.value)
    with pytest.raises(StorageUnavailableError) as caught:
        count(connected(f"redis://few:hunter2@127.0.0.1:{server.port}/0"))
    assert "hunter2" not in str(caught.value)


def test_a_provider_of_credentials_is_asked_for_each_connection(server, connected):
    server.ask("ACL", "SETUSER", "changing", "on", ">first", "~*", "+@all")

    class Provider(redis.CredentialProvider):
        password = "first"

        def get_credentials(self):
            return "changing", self.password

    provider = Provider()
    client = connected(f"redis://ignored:ignored@127.0.0.1:{server.port}/0", provider)
    assert count(client) == 1
    provider.password = "second"
    server.ask("ACL", "SETUSER", "changing", "resetpass", ">second")
    client.servers.close()
    assert count(client) == 2


def test_a_storage_of_a_url_with_a_unix_socket_and_one_with_a_provider_of_credentials_work(server):
    """As an application opens them."""

    class Provider(redis.CredentialProvider):
        def get_credentials(self):
            return "provided", "pass"

    server.ask("ACL", "SETUSER", "provided", "on", ">pass", "~*", "+@all")
    server.ask("ACL", "SETUSER", "default", "off")
    storage = RedisStorage(server.url, credential_provider=Provider())
    session = begin(storage)
    assert stored(storage, session) == session
    storage.close()
    with tempfile.TemporaryDirectory() as folder, RedisServer("redis8", options={"unixsocket": f"{folder}/s"}):
        storage = open_storage(f"unix://{folder}/s?db=1&pool=2")
        assert stored(storage, begin(storage))
        storage.close()


def test_X9_a_write_waits_until_a_replica_has_it(server, replica, client):
    assert count(client, waits=True) == 1
    replica.stop()
    with pytest.raises(StorageUnavailableError, match="replica") as caught:
        count(client, waits=True)
    assert caught.value.writing
    # Only the wait has failed.
    assert count(client) == 3
    replica.cont()
    wait_until(lambda: is_available(lambda: count(client, waits=True)), "the replica confirms again")
    assert replica.ask("GET", "{a}:n") == server.ask("GET", "{a}:n")


@pytest.mark.slow
def test_X9_a_connection_that_was_cut_confirms_nothing(server, replica, client):
    """A wait on a new connection would be confirmed at once, whatever the replica has."""
    count(client)
    for _ in range(3):
        server.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        replica.stop()
        with pytest.raises(StorageUnavailableError):
            count(client, waits=True)
        replica.cont()


def test_X9_without_a_replica_nothing_waits(server, client):
    """And one that comes later is waited for."""
    assert count(client, waits=True) == 1
    assert "cmdstat_wait" not in server.tell("INFO", "commandstats")
    with RedisServer("redis8", replica_of=server):
        wait_until(
            lambda: count(client, waits=True) and "cmdstat_wait" in server.tell("INFO", "commandstats"),
            "it is waited for",
        )


def test_X6_a_replica_is_neither_read_nor_written(replica, connected):
    client = connected(replica.url)
    for call in (lambda: client.command(b"a", "GET", b"a"), lambda: count(client)):
        with pytest.raises(StorageUnavailableError, match="replica"):
            call()
    replica.ask("REPLICAOF", "NO", "ONE")
    assert count(client) == 1


@pytest.mark.parametrize("kind", ["redis8", "redis6", "valkey9"])
def test_X6_a_master_that_becomes_a_replica_is_left_by_its_first_refusal(kind, server, connected):
    """Also by connections that other threads have: none is read from afterwards."""
    if reason := why_not(kind):
        pytest.skip(reason)
    with RedisServer(kind) as demoted:
        client = connected(demoted.url)
        race(4, lambda _: count(client))
        demoted.ask("REPLICAOF", "127.0.0.1", server.port)
        with pytest.raises(StorageUnavailableError):
            count(client)
        with pytest.raises(StorageUnavailableError, match="replica"):
            client.command(b"a", "GET", b"a")


def test_X6_a_fail_over_by_sentinels_is_followed(server, replica, connected):
    with Sentinel("redis8", master=server) as sentinel:
        client = connected(sentinel.url)
        assert count(client, waits=True) == 1
        server.kill()
        wait_until(lambda: is_available(lambda: count(client)), "the replica has taken over")
        assert replica.ask("GET", "{a}:n") == "2"


def test_X6_connections_of_before_a_restart_fail_no_call(server, client):
    """A server that was restarted unnoticed has closed them."""
    race(8, lambda _: count(client))
    server.restart()
    for _ in range(10):
        count(client)


def test_X6_many_calls_go_in_one_and_forgotten_scripts_are_loaded_again(server, client):
    """Each is executed once."""
    keys = [b"{%d}:n" % number for number in range(450)]
    for counted in (1, 2):
        server.ask("SCRIPT", "FLUSH")
        assert client.run(*map(counting, keys)) == [[key, counted] for key in keys]


def test_X6_a_refusal_of_one_call_of_many_is_an_error_and_the_others_are_made(server, client):
    server.ask("LPUSH", "{a}:list", "x")
    with pytest.raises(StorageUnavailableError, match="WRONGTYPE"):
        client.run(counting(b"{a}:list"), counting(b"{a}:n"))
    assert server.ask("GET", "{a}:n") == "1"


def clients_of(server):
    return [line for line in server.ask("CLIENT", "LIST").splitlines() if "cmd=client" not in line]


def test_the_pool_bounds_the_connections_and_threads_wait_for_them(server, connected):
    client = connected(f"{server.url}?pool=3")

    def count_in_the_end():
        # On a busy machine some find no free connection in time, or no answer: those may have been counted.
        wait_until(lambda: is_available(lambda: count(client)), "a connection is free")

    race(24, lambda _: [count_in_the_end() for _ in range(20)])
    assert count(client) >= 24 * 20 + 1
    assert len(clients_of(server)) <= 3


def test_X6_threads_that_find_no_free_connection_give_up(server, connected):
    client = connected(f"{server.url}?pool=1")
    count(client)
    server.stop()
    race(3, lambda _: assert_unavailable(count, client))
    server.cont()
    wait_until(lambda: is_available(lambda: count(client)), "it is used again")


def test_P10_who_listens_keeps_one_connection_beside_the_others(server, connected):
    client = connected(f"{server.url}?pool=1")
    command = ("XREAD", "BLOCK", 10, "STREAMS", b"{a}:s", "0")
    assert client.listen(b"{a}:s", *command, seconds=0.01) is None
    count(client)
    before = sorted(line.split()[0] for line in clients_of(server))
    assert client.listen(b"{a}:s", *command, seconds=0.01) is None
    assert sorted(line.split()[0] for line in clients_of(server)) == before
    assert len(before) == 2
    server.ask("XADD", "{a}:s", "1-0", "entry", "x")
    ((stream, ((number, fields),)),) = client.listen(b"{a}:s", *command, seconds=0.01)
    assert (stream, number, fields) == (b"{a}:s", b"1-0", [b"entry", b"x"])


def test_X6_who_listens_to_a_server_that_hangs_gives_up(server, client):
    command = ("XREAD", "BLOCK", 10, "STREAMS", b"{a}:s", "0")
    client.listen(b"{a}:s", *command, seconds=0.01)
    server.stop()
    with pytest.raises(StorageUnavailableError):
        client.listen(b"{a}:s", *command, seconds=0.01)
    server.cont()
    assert client.listen(b"{a}:s", *command, seconds=0.01) is None


def test_X6_a_call_without_time_left_is_not_begun(server, client):
    with pytest.raises(StorageUnavailableError, match="too long"):
        client.run(counting(b"{a}:n"), give_up_at=0.0)
    assert server.ask("EXISTS", "{a}:n") == 0


def test_a_child_process_takes_its_own_connections(client):
    """Forked amid the work of other threads: no reply goes to the wrong one."""
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()

    def work(number):
        replies = [client.run(counting(b"{a}:%d" % number)) for _ in range(50)]
        results.put((number, replies == [[[b"{a}:%d" % number, n + 1]] for n in range(50)], os.getpid()))

    def fork_or_work(number):
        if number >= 4:
            work(number)
            return
        child = context.Process(target=work, args=(number,))
        child.start()
        child.join(30)

    race(8, fork_or_work)
    outcomes = [results.get() for _ in range(8)]
    assert sorted(outcome[:2] for outcome in outcomes) == [(number, True) for number in range(8)]
    assert len({pid for _, _, pid in outcomes}) == 5


def test_a_child_process_does_not_wait_for_a_connection_that_a_thread_of_its_parent_uses(server, connected):
    """Nobody gives it back there."""
    client = connected(f"{server.url}?pool=1")
    count(client)
    thread = threading.Thread(target=assert_unavailable, args=(waiting, client))
    thread.start()
    wait_until(lambda: server.tell("INFO", "clients")["blocked_clients"] == "1", "the only connection is in use")
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    child = context.Process(target=lambda: results.put(is_available(lambda: count(client))))
    child.start()
    child.join()
    assert results.get()
    thread.join()


def waiting(client):
    client.command(b"a", "BLPOP", b"a", 0)
