"""What a Redis is, and what it promises with the settings that it has now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...errors import ConfigError
from ..contract import Description

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .client import Client

_SETTINGS: Final = (b"appendfsync", b"save")
_QUESTIONS: Final = ((b"INFO",), (b"ROLE",), *((b"CONFIG", b"GET", name) for name in _SETTINGS))
_POWER_CUTS: Final = {
    "always": "append-only file, synced with every write: outlives a power cut",
    "everysec": "append-only file, synced every second: a power cut loses up to one second",
    "no": "append-only file, synced when the system likes: a power cut loses about half a minute",
    "": "append-only file",
}
_SNAPSHOTS: Final = "snapshots only: a crash loses what came after the last one"
_NOTHING: Final = "nothing on disk: a restart forgets all"
_UNKNOWN: Final = "what is kept on disk is not known, since CONFIG may not be asked"
_WORST_FIRST: Final = (
    _NOTHING,
    _UNKNOWN,
    _SNAPSHOTS,
    *(_POWER_CUTS[name] for name in ("no", "", "everysec", "always")),
)

Facts = dict[str, str]
"""What a server says of itself: the lines of INFO, and settings after "config."; without those that it hides."""


def describe(client: Client, *, is_cluster: bool) -> Description:
    """Ask all servers about themselves.

    Raises:
        StorageUnavailableError: one does not answer.
    """
    servers = [_facts(client.ask(server, *_QUESTIONS, may_refuse=True)) for server in client.all()]
    engine = ", ".join(dict.fromkeys(map(_name, servers)))
    if is_cluster:
        engine += f", cluster of {len(servers)}"
    warnings = dict.fromkeys(warning for facts in servers for warning in _warnings(facts))
    return Description(engine, _durability(servers), tuple(warnings))


def refuse_part_of_cluster(client: Client) -> None:
    """Find out at start that one node of a cluster was named as if it were all: not for a client of a cluster.

    Raises:
        ConfigError: it was.
        StorageUnavailableError: a server does not answer.
    """
    for server in client.all():
        (info,) = client.ask(server, (b"INFO", b"cluster"), may_refuse=True)
        if type(info) is bytes and b"cluster_enabled:1" in info:
            raise ConfigError("STORE_URL: this Redis is a node of a cluster; write redis+cluster://host:port")


def _facts(replies: Sequence[Any]) -> Facts:
    info, role, *settings = replies
    facts: Facts = {"may_ask_role": "yes" if type(role) is list else ""}
    if type(info) is bytes:
        lines = [line.partition(":") for line in info.decode(errors="replace").splitlines()]
        facts |= {name: value for name, _, value in lines if value}
    for name, reply in zip(_SETTINGS, settings, strict=True):
        if type(reply) is list and len(reply) == 2:
            facts[f"config.{name.decode()}"] = reply[1].decode()
    return facts


def _name(facts: Facts) -> str:
    if "valkey_version" in facts:
        return f"Valkey {facts['valkey_version']}"
    return f"Redis {facts.get('redis_version', '')}".rstrip()


def _durability(servers: Sequence[Facts]) -> str:
    """The least that any of them promises."""
    kept = min(map(_kept_on_disk, servers), key=_WORST_FIRST.index)
    replicas = min(int(facts.get("connected_slaves", 0)) for facts in servers)
    if not replicas:
        return f"{kept}; no replica"
    return f"{kept}; an ending counts when one of the replicas has it, what else a fail-over loses is adopted"


def _kept_on_disk(facts: Facts) -> str:
    if facts.get("aof_enabled") == "1":
        return _POWER_CUTS.get(facts.get("config.appendfsync", ""), _POWER_CUTS[""])
    if "config.save" not in facts:
        return _UNKNOWN
    return _SNAPSHOTS if facts["config.save"] else _NOTHING


def _warnings(facts: Facts) -> Iterator[str]:
    if _kept_on_disk(facts) == _NOTHING:
        yield "Redis keeps nothing on disk: after a restart everybody must log in again; set appendonly yes"
    if _kept_on_disk(facts) == _SNAPSHOTS:
        yield "Redis keeps snapshots only: a crash takes back up to an hour of revocations; set appendonly yes"
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and facts.get("maxmemory", "0") != "0":
        yield f"Redis may evict sessions when memory is short (maxmemory-policy {policy}); set noeviction"
    if not facts["may_ask_role"]:
        yield "the Redis user may not ask ROLE, so endings do not wait for a replica; allow +role +info"
