"""All ports over one Redis, and what it promises with the settings that it has now."""

from __future__ import annotations

import logging
import secrets
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from ...errors import ConfigError, StorageUnavailableError
from ..contract import CHECK_WRITES_EVERY
from ..engine import Storage
from ..model import Description
from ..pace import Pace
from . import layout
from .address import parse
from .client import Call, Client
from .log import RedisLog
from .records import Keys
from .servers import Servers
from .sessions import RedisSessions
from .values import RedisValues

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from redis.credentials import CredentialProvider

    from ..model import SchemaState

_CHECK_KEPT: Final = 60
"""Seconds for which the server keeps what was written to try it."""
_log: Final = logging.getLogger("flask_tessera")
_SETTINGS: Final = ("appendfsync", "save")
_QUESTIONS: Final = (("INFO",), ("ROLE",), *(("CONFIG", "GET", name) for name in _SETTINGS))
_KEPT: Final = {
    "nothing": "nothing on disk: a restart forgets all",
    "unknown": "what is kept on disk is not known, since CONFIG may not be asked",
    "snapshots": "snapshots only: a crash loses what came after the last one",
    "no": "append-only file, synced when the system likes: a power cut loses about half a minute",
    "file": "append-only file",
    "everysec": "append-only file, synced every second: a power cut loses up to one second",
    "always": "append-only file, synced with every write: outlives a power cut",
}
"""The worst first; "no", "everysec" and "always" are values of `appendfsync`."""


class RedisStorage(Storage):
    """All records on the servers of one URL. Every method may raise StorageUnavailableError.

    Args:
        url: of one of the forms of `open_storage`; it is connected to at first use.
        credential_provider: asked for user name and password at each connection, in place of those in the URL, as
            redis-py has it; `Tessera(app, storage=RedisStorage(url, credential_provider=…))`.

    Raises:
        ConfigError: the URL is malformed.
    """

    another_place = "?prefix=NAME in the URL of the storage"

    def __init__(self, url: str, *, credential_provider: CredentialProvider | None = None) -> None:
        address = parse(url)
        self._keys = Keys(address.prefix, is_cluster=address.kind == "cluster")
        self._servers = Servers(address, credential_provider)
        self._plain = Client(self._servers)
        self._client = Client(self._servers, first=partial(layout.refuse_old, self._plain, self._keys))
        log = RedisLog(self._client, self._keys)
        sessions = RedisSessions(self._client, self._keys, log)
        super().__init__(sessions, log, RedisValues(self._client, self._keys))
        self._warned: set[str] = set()
        self._writing = Pace(CHECK_WRITES_EVERY)

    def describe(self) -> Description:
        return self._describe(self._client)

    def is_new(self) -> bool:
        """Whether no worker has used it yet, so that there is no revocation log."""
        return self.schema_state().is_new

    def schema_state(self) -> SchemaState:
        """Whether the records are laid out as this release does it, and what is to be done if not."""
        return layout.state_of(self._plain, self._keys)

    def upgrade(self) -> list[str]:
        """Bring records of release 0.1 over while nobody else uses them; gives the steps that were done.

        Once more goes on where it has stopped.
        """
        return layout.upgrade(self._plain, self._keys)

    def check(self) -> None:
        warnings = self._describe(self._plain).warnings
        self._client.command(self._keys.log, "EXISTS", self._keys.log + b"meta")
        if self._writing.is_due:
            self._write_something()
            self._writing.note_done()
        for warning in warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                _log.warning("%s", warning)

    def close(self) -> None:
        self._servers.close()

    def _describe(self, client: Client) -> Description:
        servers = []
        for server in self._servers.all():
            calls = (Call(b"", question, server=server) for question in _QUESTIONS)
            servers.append(_facts(client.run(*calls, may_refuse=True)))
        engine = ", ".join(dict.fromkeys(map(_name, servers)))
        if self._keys.is_cluster:
            engine += f", cluster of {len(servers)}"
        elif servers[0].get("cluster_enabled") == "1":
            raise ConfigError("STORE_URL: this Redis is a node of a cluster; write redis+cluster://host:port")
        warnings = dict.fromkeys(warning for facts in servers for warning in _warnings(facts))
        return Description(engine, _durability(servers), tuple(warnings))

    def _write_something(self) -> None:
        """On each server, and read it again."""
        left = set(self._servers.all())
        for base in chain([self._keys.log], (self._keys.base(tag.to_bytes(2, "big")) for tag in range(1 << 16))):
            if (server := self._servers.of(base)) in left:
                left.remove(server)
                # A member of its own: workers that start at once all do this.
                key, member = base + b"checks", secrets.token_bytes(8)
                self._client.command(key, "HSET", key, member, b"1", writes=True)
                self._client.command(key, "EXPIRE", key, _CHECK_KEPT, writes=True)
                if self._client.command(key, "HGET", key, member) != b"1":
                    raise StorageUnavailableError("Redis: what was written is not what is read", writing=True)
            if not left:
                return


def _facts(replies: Sequence[Any]) -> dict[str, str]:
    """What a server says of itself: the lines of INFO, and settings after "config."; without those that it hides."""
    info, role, *settings = replies
    facts = {"may_ask_role": "yes"} if type(role) is list else {}
    if type(info) is bytes:
        lines = [line.partition(":") for line in info.decode(errors="replace").splitlines()]
        facts |= {name: value for name, _, value in lines if value}
    for name, reply in zip(_SETTINGS, settings, strict=True):
        if type(reply) is list and len(reply) == 2:
            facts[f"config.{name}"] = reply[1].decode()
    return facts


def _name(facts: dict[str, str]) -> str:
    if "valkey_version" in facts:
        return f"Valkey {facts['valkey_version']}"
    return f"Redis {facts.get('redis_version', '')}".rstrip()


def _durability(servers: Sequence[dict[str, str]]) -> str:
    """The least that any of them promises."""
    kept = _KEPT[min(map(_kept, servers), key=list(_KEPT).index)]
    if any(facts.get("connected_slaves", "0") == "0" for facts in servers):
        return f"{kept}; no replica"
    return f"{kept}; an ending counts when one of the replicas has it, what else a fail-over loses is adopted"


def _kept(facts: dict[str, str]) -> str:
    """A key of `_KEPT`."""
    if facts.get("aof_enabled") == "1":
        synced = facts.get("config.appendfsync", "")
        return synced if synced in _KEPT else "file"
    if "config.save" not in facts:
        return "unknown"
    return "snapshots" if facts["config.save"] else "nothing"


def _warnings(facts: dict[str, str]) -> Iterator[str]:
    if _kept(facts) == "nothing":
        yield "Redis keeps nothing on disk: after a restart everybody must log in again; set appendonly yes"
    if _kept(facts) == "snapshots":
        yield "Redis keeps snapshots only: a crash takes back up to an hour of revocations; set appendonly yes"
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and facts.get("maxmemory", "0") != "0":
        yield f"Redis may evict sessions when memory is short (maxmemory-policy {policy}); set noeviction"
    if "may_ask_role" not in facts:
        yield "the Redis user may not ask ROLE, so endings do not wait for a replica; allow +role +info"
