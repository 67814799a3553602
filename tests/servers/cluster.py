"""Redis Cluster and Valkey Cluster, put together without redis-cli."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from .redis import NoAnswerError, RedisServer
from .waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from .run import Owner

SLOTS = 16_384
"""Redis Cluster specification, "Key distribution model"."""
NODE_TIMEOUT = "1500"
"""Milliseconds until a silent node counts as failing: short, for the tests of fail-over."""


class Cluster:
    """Several servers of one kind that share the keys; a context manager that starts and closes them.

    Args:
        kind: "redis8", "redis6" or "valkey9".
        folder: for their data and logs; by default folders of their own, which `close` removes.
        masters: how many share the keys: at least 3, or there is no fail-over.
        replicas: how many each of them has.
        options: of redis.conf, for each node.
        owner: whose end is theirs, in place of the calling process.
    """

    def __init__(
        self,
        kind: str,
        folder: Path | None = None,
        *,
        masters: int = 3,
        replicas: int = 0,
        options: Mapping[str, str] | None = None,
        owner: Owner | None = None,
    ) -> None:
        settings = {"cluster-enabled": "yes", "cluster-node-timeout": NODE_TIMEOUT, **(options or {})}
        self._master_count = masters
        self.nodes = [
            RedisServer(kind, folder and folder / f"node{number}", options=settings, owner=owner)
            for number in range(masters * (1 + replicas))
        ]
        """All of them: first the first masters, then their replicas in the same order."""

    @property
    def url(self) -> str:
        """Where a storage finds it."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in self.ports)

    @property
    def ports(self) -> tuple[int, ...]:
        """The port of each node."""
        return tuple(node.port for node in self.nodes)

    @property
    def pids(self) -> tuple[int, ...]:
        """The process of each node."""
        return tuple(node.pid for node in self.nodes)

    def start(self) -> Self:
        """Start the nodes, share out the keys, and return when all nodes agree on it.

        Raises:
            ServerError: A node has ended again.
            TimeoutError: They do not agree.
        """
        with contextlib.ExitStack() as undoing:
            undoing.callback(self.close)
            for node in self.nodes:
                node.start()
            self._share_out()
            self.wait_until_ok()
            self._replicate()
            undoing.pop_all()
        return self

    def leave(self) -> None:
        """Leave them to their owner, which must be given: the calling process may end before."""
        for node in self.nodes:
            node.leave()

    def close(self) -> None:
        """End all nodes for good."""
        for node in self.nodes:
            node.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def masters(self) -> list[RedisServer]:
        """The nodes that take writes now, by their own word; those that do not answer are left out."""
        return [node for node in self.nodes if _role(node) == "master"]

    def replicas(self) -> list[RedisServer]:
        """The nodes that repeat another now, by their own word."""
        return [node for node in self.nodes if _role(node) in ("slave", "replica")]

    def holder_of(self, key: str) -> RedisServer:
        """The node that takes writes of this key now, by its own word.

        Raises:
            LookupError: None says so.
        """
        for node in self.masters():
            slot = node.ask("CLUSTER KEYSLOT", key)
            for first, last, (_, port, *_), *_ in node.ask("CLUSTER SLOTS"):
                if first <= slot <= last and port == node.port:
                    return node
        raise LookupError(f"no node says that it holds {key}")

    def wait_until_ok(self, seconds: float = 30) -> None:
        """Return as soon as all nodes that live say that all keys are served.

        Raises:
            TimeoutError: They do not within these seconds.
        """
        living = [node for node in self.nodes if node.is_alive()]
        wait_until(lambda: all(map(self._is_ok, living)), "all nodes say cluster_state:ok", seconds=seconds)

    def _is_ok(self, node: RedisServer) -> bool:
        try:
            said = node.tell("CLUSTER INFO")
        except NoAnswerError:
            return False
        return said["cluster_state"] == "ok" and int(said["cluster_known_nodes"]) == len(self.nodes)

    def _share_out(self) -> None:
        bounds = [SLOTS * number // self._master_count for number in range(self._master_count + 1)]
        for epoch, node in enumerate(self.nodes, start=1):
            node.ask("CLUSTER SET-CONFIG-EPOCH", epoch)
            if epoch <= self._master_count:
                node.ask("CLUSTER ADDSLOTS", *range(bounds[epoch - 1], bounds[epoch]))
            if epoch > 1:
                self.nodes[0].ask("CLUSTER MEET", "127.0.0.1", node.port)

    def _replicate(self) -> None:
        masters = self.nodes[: self._master_count]
        replicas = self.nodes[self._master_count :]
        for number, node in enumerate(replicas):
            node.ask("CLUSTER REPLICATE", masters[number % len(masters)].ask("CLUSTER MYID"))
        wait_until(lambda: all(map(_has_data, replicas)), "all replicas have their data")
        wait_until(lambda: all(_replica_count(node) for node in masters) or not replicas, "all masters know of them")


def _role(node: RedisServer) -> str:
    try:
        return str(node.ask("ROLE")[0])
    except NoAnswerError:
        return ""


def _has_data(node: RedisServer) -> bool:
    return bool(node.tell("INFO").get("master_link_status") == "up")


def _replica_count(node: RedisServer) -> int:
    return int(node.tell("INFO")["connected_slaves"])
