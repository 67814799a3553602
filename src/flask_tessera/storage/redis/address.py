"""Where a Redis is, read from a URL."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import parse_qsl, unquote

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ...errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

Kind = Literal["single", "unix", "cluster", "sentinel"]
Place = tuple[str, int]
"""Host and port; of a Unix socket its path and 0."""

_SCHEME: Final = re.compile(r"redis(s?)(?:\+(cluster|sentinel))?|(?:redis\+)?(unix)")
_PLACE: Final = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]\s]+)(?::([0-9]{1,5}))?")
_TLS_FILES: Final = {
    "ca": "ssl_ca_certs",
    "cert": "ssl_certfile",
    "key": "ssl_keyfile",
    **{name: name for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")},
}
_OWN_OPTIONS: Final[dict[Kind, tuple[str, ...]]] = {
    "single": (),
    "unix": ("db",),
    "cluster": ("remap",),
    "sentinel": ("sentinel_username", "sentinel_password"),
}
_REFUSED: Final = {
    r"ssl_(cert_reqs|check_hostname)": "is not supported: certificates are always verified; name yours with ca=",
    # Options of redis-py that would undo the bounds of each call.
    r"(socket|retry|health|max_conn|timeout|protocol|lib_|driver_)\w*": (
        "is not supported: time-outs are fixed and nothing is repeated; see pool"
    ),
    "|".join(_TLS_FILES): "needs TLS, rediss:// instead of redis://",
}
"""Why an option is not known, by what its name looks like."""


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """What a URL says. It has no text form, since it holds passwords.

    Attributes:
        kind: one server, by TCP or by a Unix socket, a cluster, or servers watched by sentinels.
        places: of the server, of some nodes of the cluster, or of the sentinels.
        prefix: begins the names of all keys.
        pool: connections per process and server, at most; the one that waits for revocations comes on top.
        remap: where a node of a cluster is reached from here, by what the cluster calls it (NAT, mapped ports).
        service: what the sentinels call the master.
        is_encrypted: whether connections are TLS.
        options: database, user name, password and files for TLS where they are given, by redis-py's names.
        sentinel_options: likewise, for the sentinels themselves.
    """

    kind: Kind
    places: tuple[Place, ...]
    prefix: str = "tessera"
    pool: int = 64
    remap: dict[Place, Place] = field(default_factory=dict)
    service: str = ""
    is_encrypted: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    sentinel_options: dict[str, Any] = field(default_factory=dict)

    def bounds(self, answer: float) -> dict[str, Any]:
        """What redis-py is told for each connection: so many seconds for an answer, and nothing is repeated."""
        # Else each connection would begin by saying the name and version of redis-py, by these names before 7.2.
        unsaid = ("driver_info",) if "driver_info" in signature(Redis).parameters else ("lib_name", "lib_version")
        return {
            "socket_timeout": answer,
            "socket_connect_timeout": answer,
            "retry": Retry(NoBackoff(), 0),
            # RESP3 would begin each connection with greetings, each with a time-out of its own.
            "protocol": 2,
            **dict.fromkeys(unsaid),
            **({"ssl_cert_reqs": "required", "ssl_check_hostname": True} if self.is_encrypted else {}),
        }


def parse(url: str) -> Address:
    """Read a URL of one of the forms of `open_storage`.

    Raises:
        ConfigError: it is malformed; the text repeats nothing that could be a password.
    """
    scheme, _, rest = url.partition("://")
    match = _SCHEME.fullmatch(scheme)
    if match is None or not rest or "#" in rest:
        raise ConfigError("STORE_URL: use redis://host:6379/0, redis+cluster://host,host or redis+sentinel://host/name")
    kind: Kind = match[2] or match[3] or "single"  # type: ignore[assignment] # the pattern admits no other
    main, _, query = rest.partition("?")
    authority, _, path = main.partition("/")
    login, _, hosts = authority.rpartition("@")
    username, _, password = map(unquote, login.partition(":"))
    # First, since a password with a "/" or "?" of its own shows here.
    places = _places(hosts, kind, unquote(path))
    said = _options(query, kind, is_encrypted=bool(match[1]))
    service, _, number = unquote(path).partition("/") if kind == "sentinel" else ("", "", unquote(path))
    if kind == "sentinel" and not service:
        raise ConfigError("STORE_URL: redis+sentinel:// needs the name of the master, redis+sentinel://host:26379/name")
    files = {driver: said.pop(name) for name, driver in _TLS_FILES.items() if name in said}
    database = _database(said.pop("db", "") if kind == "unix" else number, kind)
    own = {"username": said.pop("sentinel_username", ""), "password": said.pop("sentinel_password", "")}
    return Address(
        kind,
        places,
        service=service,
        is_encrypted=bool(match[1]),
        options=_given(db=database, username=username, password=password, **files),
        sentinel_options=_given(**own, **files),
        **said,
    )


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value}


def _places(hosts: str, kind: Kind, path: str) -> tuple[Place, ...]:
    if kind == "unix":
        if hosts or not path:
            raise ConfigError("STORE_URL: a Unix socket needs its path, redis+unix:///run/redis.sock?db=0")
        return ((f"/{path}", 0),)
    texts = hosts.split(",")
    if kind == "single" and len(texts) > 1:
        raise ConfigError("STORE_URL: redis:// takes one host; for several use redis+cluster:// or redis+sentinel://")
    return tuple(_place(text, 26379 if kind == "sentinel" else 6379) for text in texts)


def _place(text: str, default_port: int = 6379) -> Place:
    match = _PLACE.fullmatch(text)
    port = int(match[2] or default_port) if match else 0
    if match is None or not 0 < port < 65536:
        # It may be part of a password with an "@" or "/" that is not percent-encoded: it is not repeated.
        raise ConfigError("STORE_URL: a Redis needs host:port; in a password write @ as %40, / as %2F and ? as %3F")
    return match[1].strip("[]"), port


def _database(number: str, kind: Kind) -> int:
    if not re.fullmatch(r"[0-9]*", number):
        raise ConfigError("STORE_URL: the number of a Redis database stands after the host, redis://host:6379/0")
    if kind == "cluster" and int(number or 0):
        raise ConfigError("STORE_URL: a Redis Cluster has database 0 only")
    return int(number or 0)


def _remap(value: str) -> dict[Place, Place]:
    return {_place(there): _place(here) for there, _, here in (pair.partition("=") for pair in value.split(","))}


_READERS: Final[dict[str, tuple[str, Callable[[str], Any], str]]] = {
    "prefix": (r"[A-Za-z0-9_.:-]{1,64}", str, "1 to 64 letters, digits and _ . : -"),
    "pool": (r"[1-9][0-9]{0,3}|10000", int, "a number of connections from 1 to 10000"),
    "remap": (r"([^=,]+=[^=,]+)(,[^=,]+=[^=,]+)*", _remap, "there:port=here:port,there:port=here:port"),
}
"""What the value of an option looks like, how it is read, and what it takes, in words."""


def _options(query: str, kind: Kind, *, is_encrypted: bool) -> dict[str, Any]:
    known = ["prefix", "pool", *(_TLS_FILES if is_encrypted else ()), *_OWN_OPTIONS[kind]]
    options: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known or name in options:
            raise ConfigError(f"STORE_URL: {_refusal(name, known)}")
        if name in _TLS_FILES and not Path(value).is_file():
            raise ConfigError(f"STORE_URL: the option {name} names no file")
        pattern, read, takes = _READERS.get(name, (r"(?s).*", str, ""))
        if not re.fullmatch(pattern, value):
            raise ConfigError(f"STORE_URL: the option {name} takes {takes}")
        options[name] = read(value)
    return options


def _refusal(name: str, known: list[str]) -> str:
    if name in known:
        return f"the option {name} stands twice"
    for pattern, why in _REFUSED.items():
        if re.fullmatch(pattern, name):
            return f"the option {name} {why}"
    near = get_close_matches(name, known, 1)
    # Anything else may be the rest of a password.
    shown = repr(name) if name.isidentifier() else "of this name"
    return f"there is no option {shown}" + (f"; did you mean {near[0]}?" if near else f"; use {', '.join(known)}")
