"""Storages by name: shared servers for races, private ones to be broken."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tests import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

REDIS = ("redis8", "redis6", "valkey9")
CLUSTERS = ("redis8-cluster", "valkey9-cluster")
NAMES = ("sqlite", "postgres", "mariadb", *REDIS, *CLUSTERS)
DURABLE = {"appendonly": "yes", "appendfsync": "always", "auto-aof-rewrite-percentage": "0"}
"""With these a Redis keeps whatever it has answered."""


def why_not(name: str) -> str | None:
    """Why this storage cannot be had here; None: it can."""
    return None if name in ("memory", "sqlite") else servers.why_not(name)


@contextlib.contextmanager
def fresh(name: str) -> Iterator[str]:
    """The URL of a storage in which there is nothing yet, on a server that others use too."""
    if name == "memory":
        yield "memory:"
    elif name == "sqlite":
        with TemporaryDirectory() as folder:
            yield f"sqlite:///{Path(folder) / 'tessera.db'}"
    else:
        with servers.fresh(name) as url:
            yield url


@dataclass(frozen=True)
class Place:
    """A storage with a server of its own, if it has servers."""

    name: str
    url: str
    server: Any = None
    """PostgresServer, MariaDBServer, RedisServer or Cluster."""


@contextlib.contextmanager
def private(name: str, **options: str) -> Iterator[Place]:
    """A storage with a server that may be broken, which keeps whatever it has answered unless `options` differ."""
    if name == "sqlite":
        with fresh(name) as url:
            yield Place(name, url)
        return
    with _server(name, options) as server:
        yield Place(name, server.url, server)


def _server(name: str, options: dict[str, str]) -> Any:
    if name == "postgres":
        return servers.PostgresServer(fsync=True, settings=options)
    if name == "mariadb":
        return servers.MariaDBServer(fsync=True, settings=options)
    if name in CLUSTERS:
        return servers.Cluster(name.removesuffix("-cluster"), replicas=1, options=options)
    return servers.RedisServer(name, options={**DURABLE, **options})
