"""The map of slots: replies stay with their callers while slots move, and no hanging node holds anybody up (X6)."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest
from redis.crc import key_slot

from flask_tessera.errors import StorageUnavailableError
from flask_tessera.storage.redis.address import parse
from flask_tessera.storage.redis.client import Client
from flask_tessera.storage.redis.servers import Servers
from flask_tessera.testing import race
from tests.servers import Cluster, NoAnswerError, RedisServer, wait_until, why_not

from ..calls import assert_unavailable, is_available
from .scripting import counting

OPTIONS = {"cluster-enabled": "yes", "cluster-node-timeout": "60000"}
THREADS = 32
MOVES = 5


@pytest.fixture(scope="module")
def cluster():
    """Of its own, which takes no node for dead: what a test stops it lets go on."""
    if reason := why_not("redis8-cluster"):
        pytest.skip(reason)
    with Cluster("redis8", options=OPTIONS) as cluster:
        yield cluster


@pytest.fixture
def connected():
    """Makes clients, and lets go of their connections in the end."""
    clients = []

    def connect(url):
        clients.append(Client(Servers(parse(url))))
        return clients[-1]

    yield connect
    for client in clients:
        client.servers.close()


@pytest.fixture
def keys(request):
    """Of this test, in many slots."""
    return [b"{%s%d}:n" % (request.node.name.encode(), number) for number in range(40)]


@pytest.fixture
def fresh(cluster):
    """A node that keeps no slot yet; what it is given it gives back."""
    with RedisServer("redis8", options=OPTIONS) as node:
        cluster.nodes[0].ask("CLUSTER MEET", "127.0.0.1", node.port)
        everybody = [*cluster.nodes, node]
        known = len(everybody)
        wait_until(
            lambda: all(int(each.tell("CLUSTER INFO")["cluster_known_nodes"]) == known for each in everybody),
            "all know the fresh node",
        )
        wait_until(lambda: node.tell("CLUSTER INFO")["cluster_state"] == "ok", "the fresh node takes part")
        yield node
        for slot, home in slots_of(node):
            move(slot, node, home or cluster.nodes[0], cluster)
        for each in cluster.nodes:
            each.ask("CLUSTER FORGET", node.ask("CLUSTER MYID"))


def slots_of(node):
    return [
        (slot, None)
        for first, last, (_, port, *_), *_ in node.ask("CLUSTER SLOTS")
        if port == node.port
        for slot in range(first, last + 1)
    ]


def begin_move(slot, source, target):
    target.ask("CLUSTER SETSLOT", slot, "IMPORTING", source.ask("CLUSTER MYID"))
    source.ask("CLUSTER SETSLOT", slot, "MIGRATING", target.ask("CLUSTER MYID"))


def move_keys(slot, source, target):
    while some := source.ask("CLUSTER GETKEYSINSLOT", slot, 10):
        source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 2000, "KEYS", *some)


def end_move(slot, target, everybody):
    for each in everybody:
        with suppress(NoAnswerError):  # one that keeps nothing may not be told
            each.ask("CLUSTER SETSLOT", slot, "NODE", target.ask("CLUSTER MYID"))


def move(slot, source, target, cluster):
    """Move a slot with its keys, as redis-cli does."""
    begin_move(slot, source, target)
    move_keys(slot, source, target)
    end_move(slot, target, [target, source, *cluster.nodes])


class Counter(threading.Thread):
    """Counts up its own keys, and notes each reply that is not its own."""

    def __init__(self, client, keys, number):
        super().__init__()
        self.client = client
        self.counts = {key + b":%d" % number: 0 for key in keys}
        self.wrong = []
        self.is_over = False

    def run(self):
        while not self.is_over:
            for key in self.counts:
                self.count(key)

    def count(self, key):
        self.counts[key] += 1
        try:
            (reply,) = self.client.run(counting(key))
        except StorageUnavailableError as error:
            reply = error
        if reply != [key, self.counts[key]]:
            self.wrong.append((key, self.counts[key], reply))


@pytest.mark.slow
def test_X6_replies_stay_with_their_callers_while_slots_move_to_a_fresh_node(cluster, fresh, keys, connected):
    """Each of 32 threads gets its own keys and counts, though nobody has heard of that node before."""
    client, moving = connected(cluster.url), keys[:MOVES]
    counters = [Counter(client, moving, number) for number in range(THREADS)]
    for counter in counters:
        counter.start()
    try:
        for key in moving:
            move(key_slot(key), cluster.holder_of(key.decode()), fresh, cluster)
        # Each has met each slot where it is now.
        wait_until(lambda: all(all(counter.counts.values()) for counter in counters), "all have counted all")
    finally:
        for counter in counters:
            counter.is_over = True
        for counter in counters:
            counter.join()
    assert [counter.wrong for counter in counters] == [[]] * THREADS
    assert {key_slot(key) for key in moving} <= {slot for slot, _ in slots_of(fresh)}


@pytest.mark.slow
def test_X6_a_script_on_two_keys_of_which_one_has_moved_waits_for_the_other(cluster, fresh, keys, connected):
    """TRYAGAIN: neither node has both."""
    client = connected(cluster.url)
    first, second = keys[0] + b":1", keys[0] + b":2"
    client.run(counting(first), counting(second))
    slot, source = key_slot(first), cluster.holder_of(first.decode())
    begin_move(slot, source, fresh)
    source.ask("MIGRATE", "127.0.0.1", fresh.port, first.decode(), 0, 2000)
    done = []
    thread = threading.Thread(target=lambda: done.append(client.run(counting(first, second))))
    thread.start()
    wait_until(
        lambda: any("errorstat_TRYAGAIN" in node.tell("INFO", "errorstats") for node in (source, fresh)),
        "it has been told to try again",
    )
    move_keys(slot, source, fresh)
    end_move(slot, fresh, [fresh, source, *cluster.nodes])
    thread.join()
    assert done == [[[first, 2]]]


def test_X6_many_calls_for_all_nodes_are_each_made_once(cluster, keys, connected):
    client = connected(cluster.url)
    for counted in (1, 2):
        for node in cluster.nodes:
            node.ask("SCRIPT", "FLUSH")
        assert client.run(*map(counting, keys)) == [[key, counted] for key in keys]


def test_X6_a_map_that_is_wrong_is_put_right_by_the_nodes(cluster, keys, connected):
    """MOVED."""
    client = connected(cluster.url)
    client.run(*map(counting, keys))
    servers = client.servers
    servers._slots = [servers.all()[0]] * len(servers._slots)
    assert client.run(*map(counting, keys)) == [[key, 2] for key in keys]
    wait_until(lambda: len(client.servers.all()) == 3, "the map is whole again")


def test_X6_a_node_that_hangs_keeps_nobody_from_the_others(cluster, keys, connected):
    """Neither a client that knows it, nor one that was told of it first."""
    hanging = cluster.nodes[0]
    elsewhere = next(key for key in keys if cluster.holder_of(key.decode()) is not hanging)
    there = next(key for key in keys if cluster.holder_of(key.decode()) is hanging)
    client, late = connected(cluster.url), connected(cluster.url)
    client.run(counting(elsewhere), counting(there))
    hanging.stop()
    try:
        with pytest.raises(StorageUnavailableError):
            client.run(counting(there))
        client.run(counting(elsewhere))
        wait_until(lambda: counts(late, elsewhere), "the late one has asked another node")
    finally:
        hanging.cont()
    wait_until(lambda: counts(client, there), "it is back")


def counts(client, key):
    return is_available(lambda: client.run(counting(key)))


def test_X6_no_thread_looks_while_its_caller_waits_when_all_nodes_hang(cluster, keys, connected):
    """They give up; nobody has to be asked by them."""
    client = connected(cluster.url)
    client.run(counting(keys[0]))
    for node in cluster.nodes:
        node.stop()
    asked_by = set()
    ask = client.servers._slots_by

    def slots_by(server):
        asked_by.add(threading.current_thread())
        return ask(server)

    client.servers._slots_by = slots_by
    try:
        race(8, lambda _: assert_unavailable(lambda client: client.run(counting(keys[0])), client))
        assert {thread.name for thread in asked_by} <= {"tessera-slots"}
    finally:
        for node in cluster.nodes:
            node.cont()
    wait_until(lambda: counts(client, keys[0]), "they are back")


@pytest.mark.slow
def test_X12_where_no_thread_can_be_started_the_map_stays_as_it_is(cluster, keys, connected, monkeypatch):
    """And is looked at again when one can."""
    client = connected(cluster.url)
    client.run(*map(counting, keys))

    def start(_thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        client.servers.suspect()
        assert client.run(*map(counting, keys)) == [[key, 2] for key in keys]
    servers = client.servers
    servers._slots = [servers.all()[0]] * len(servers._slots)
    servers.suspect()
    wait_until(lambda: len(client.servers.all()) == 3, "the map is whole again")


def test_nodes_behind_an_address_translation_are_reached_by_a_map(cluster, keys, connected):
    """What the nodes call each other is of no use outside."""
    announced = {node: number for number, node in enumerate(cluster.nodes, start=1)}
    for node, port in announced.items():
        node.ask("CONFIG SET", "cluster-announce-port", port)
    try:
        wait_until(
            lambda: all({row[2][1] for row in node.ask("CLUSTER SLOTS")} == {1, 2, 3} for node in cluster.nodes),
            "all nodes call each other by ports that nobody listens on",
        )
        pairs = ",".join(f"127.0.0.1:{port}=127.0.0.1:{node.port}" for node, port in announced.items())
        seed = f"redis+cluster://127.0.0.1:{cluster.ports[0]}"
        with pytest.raises(StorageUnavailableError):
            connected(seed).run(*map(counting, keys))
        client = connected(f"{seed}?remap={pairs}")
        assert client.run(*map(counting, keys))
        client.servers._slots = [client.servers.all()[0]] * len(client.servers._slots)
        assert len(client.run(*map(counting, keys))) == len(keys)
    finally:
        for node in cluster.nodes:
            node.ask("CONFIG SET", "cluster-announce-port", 0)
        wait_until(
            lambda: all(
                {row[2][1] for row in node.ask("CLUSTER SLOTS")} == set(cluster.ports) for node in cluster.nodes
            ),
            "all nodes call each other by their own ports",
        )


def test_X6_no_node_that_answers_is_unavailable(connected):
    client = connected("redis+cluster://127.0.0.1:1")
    for call in (lambda: client.run(counting(b"{a}")), client.servers.all):
        with pytest.raises(StorageUnavailableError):
            call()
