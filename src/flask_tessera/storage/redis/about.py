"""What a Redis is, and what it promises with the settings that it has now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...errors import ConfigError
from ..contract import Description
from .calls import Call

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .client import Client

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

Facts = dict[str, str]
"""What a server says of itself: the lines of INFO, and settings after "config."; without those that it hides."""


def describe(client: Client, *, is_cluster: bool) -> Description:
    """Ask all servers about themselves.

    Raises:
        ConfigError: one node of a cluster was named as if it were all.
        StorageUnavailableError: a server does not answer.
    """
    servers = []
    for server in client.servers.all():
        calls = (Call(b"", question, server=server) for question in _QUESTIONS)
        servers.append(_facts(client.run(*calls, may_refuse=True)))
    if not is_cluster and servers[0].get("cluster_enabled") == "1":
        raise ConfigError("STORE_URL: this Redis is a node of a cluster; write redis+cluster://host:port")
    engine = ", ".join(dict.fromkeys(map(_name, servers)))
    if is_cluster:
        engine += f", cluster of {len(servers)}"
    warnings = dict.fromkeys(warning for facts in servers for warning in _warnings(facts))
    return Description(engine, _durability(servers), tuple(warnings))


def _facts(replies: Sequence[Any]) -> Facts:
    info, role, *settings = replies
    facts: Facts = {"may_ask_role": "yes"} if type(role) is list else {}
    if type(info) is bytes:
        lines = [line.partition(":") for line in info.decode(errors="replace").splitlines()]
        facts |= {name: value for name, _, value in lines if value}
    for name, reply in zip(_SETTINGS, settings, strict=True):
        if type(reply) is list and len(reply) == 2:
            facts[f"config.{name}"] = reply[1].decode()
    return facts


def _name(facts: Facts) -> str:
    if "valkey_version" in facts:
        return f"Valkey {facts['valkey_version']}"
    return f"Redis {facts.get('redis_version', '')}".rstrip()


def _durability(servers: Sequence[Facts]) -> str:
    """The least that any of them promises."""
    kept = _KEPT[min(map(_kept, servers), key=list(_KEPT).index)]
    if any(facts.get("connected_slaves", "0") == "0" for facts in servers):
        return f"{kept}; no replica"
    return f"{kept}; an ending counts when one of the replicas has it, what else a fail-over loses is adopted"


def _kept(facts: Facts) -> str:
    """A key of `_KEPT`."""
    if facts.get("aof_enabled") == "1":
        return facts.get("config.appendfsync", "file")
    if "config.save" not in facts:
        return "unknown"
    return "snapshots" if facts["config.save"] else "nothing"


def _warnings(facts: Facts) -> Iterator[str]:
    if _kept(facts) == "nothing":
        yield "Redis keeps nothing on disk: after a restart everybody must log in again; set appendonly yes"
    if _kept(facts) == "snapshots":
        yield "Redis keeps snapshots only: a crash takes back up to an hour of revocations; set appendonly yes"
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and facts.get("maxmemory", "0") != "0":
        yield f"Redis may evict sessions when memory is short (maxmemory-policy {policy}); set noeviction"
    if "may_ask_role" not in facts:
        yield "the Redis user may not ask ROLE, so endings do not wait for a replica; allow +role +info"
