"""Where a Redis is, read from a URL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import parse_qsl, unquote

from ...errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

Kind = Literal["single", "unix", "cluster", "sentinel"]
Place = tuple[str, int]
"""Host and port; of a Unix socket its path and 0."""

_PORTS: Final[dict[Kind, int]] = {"single": 6379, "cluster": 6379, "sentinel": 26379}
_SCHEME: Final = re.compile(r"redis(s?)(?:\+(cluster|sentinel))?|(?:redis\+)?(unix)")
_PLACE: Final = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]\s]+)(?::([0-9]{1,5}))?")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_TLS_FILES: Final = {
    "ca": "ssl_ca_certs",
    "cert": "ssl_certfile",
    "key": "ssl_keyfile",
    "ssl_ca_certs": "ssl_ca_certs",
    "ssl_certfile": "ssl_certfile",
    "ssl_keyfile": "ssl_keyfile",
}
_OWN_OPTIONS: Final[dict[Kind, tuple[str, ...]]] = {
    "single": (),
    "unix": ("db",),
    "cluster": ("remap",),
    "sentinel": ("sentinel_username", "sentinel_password"),
}
_UNVERIFIED: Final = ("ssl_cert_reqs", "ssl_check_hostname")
_FIXED: Final = re.compile(r"(socket|retry|health|max_conn|timeout|protocol|lib_|driver_)\w*")
"""Options of redis-py that would undo the bounds of each call."""
_LARGEST_POOL: Final = 10_000


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """What a URL says. It has no text form, since it holds passwords.

    Attributes:
        kind: one server, by TCP or by a Unix socket, a cluster, or servers watched by sentinels.
        places: of the server, of some nodes of the cluster, or of the sentinels.
        prefix: begins the names of all keys.
        database: its number; 0 in a cluster.
        service: what the sentinels call the master.
        username: empty for the default user.
        password: empty for none.
        sentinel_username: of the sentinels themselves.
        sentinel_password: of the sentinels themselves.
        is_encrypted: whether connections are TLS.
        tls_files: files for it, by redis-py's names.
        pool: connections per process and server, at most; the one that waits for revocations comes on top.
        remap: pairs of what a cluster calls a node and where it is reached from here (NAT, mapped ports).
    """

    kind: Kind
    places: tuple[Place, ...]
    prefix: str = "tessera"
    database: int = 0
    service: str = ""
    username: str = ""
    password: str = ""
    sentinel_username: str = ""
    sentinel_password: str = ""
    is_encrypted: bool = False
    tls_files: tuple[tuple[str, str], ...] = ()
    pool: int = 64
    remap: tuple[tuple[Place, Place], ...] = ()


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
    username, _, password = login.partition(":")
    # First, since a password with a "/" or "?" of its own shows here.
    places = _places(hosts, kind) if kind != "unix" else _socket(hosts, unquote(path))
    options = _options(query, kind, is_encrypted=bool(match[1]))
    if kind == "unix":
        path = options.pop("db", "")
    return Address(
        kind=kind,
        places=places,
        username=unquote(username),
        password=unquote(password),
        is_encrypted=bool(match[1]),
        **_service_and_database(kind, unquote(path)),
        **options,
    )


def _socket(hosts: str, path: str) -> tuple[Place, ...]:
    if hosts or not path:
        raise ConfigError("STORE_URL: a Unix socket needs its path, redis+unix:///run/redis.sock?db=0")
    return ((f"/{path}", 0),)


def _places(hosts: str, kind: Kind) -> tuple[Place, ...]:
    texts = hosts.split(",")
    if kind == "single" and len(texts) > 1:
        raise ConfigError("STORE_URL: redis:// takes one host; for several use redis+cluster:// or redis+sentinel://")
    return tuple(_place(text, _PORTS[kind]) for text in texts)


def _place(text: str, default_port: int) -> Place:
    match = _PLACE.fullmatch(text)
    port = int(match[2] or default_port) if match else 0
    if match is None or not 0 < port < 65536:
        # It may be part of a password with an "@" or "/" that is not percent-encoded: it is not repeated.
        raise ConfigError("STORE_URL: a Redis needs host:port; in a password write @ as %40, / as %2F and ? as %3F")
    return match[1].strip("[]"), port


def _service_and_database(kind: Kind, path: str) -> dict[str, Any]:
    if kind != "sentinel":
        database = _database(path)
        if kind == "cluster" and database:
            raise ConfigError("STORE_URL: a Redis Cluster has database 0 only")
        return {"database": database}
    service, _, number = path.partition("/")
    if not service:
        raise ConfigError("STORE_URL: redis+sentinel:// needs the name of the master, redis+sentinel://host:26379/name")
    return {"service": service, "database": _database(number)}


def _database(number: str) -> int:
    if number and not (number.isascii() and number.isdigit()):
        raise ConfigError("STORE_URL: the number of a Redis database stands after the host, redis://host:6379/0")
    return int(number or 0)


def _options(query: str, kind: Kind, *, is_encrypted: bool) -> dict[str, Any]:
    known = ["prefix", "pool", *(_TLS_FILES if is_encrypted else ()), *_OWN_OPTIONS[kind]]
    options: dict[str, Any] = {}
    files: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known or name in options or name in files:
            raise ConfigError(f"STORE_URL: {_refusal(name, known, is_known=name in known)}")
        if name in _TLS_FILES:
            files[name] = _file(name, value)
        else:
            options[name] = _READERS[name](value)
    return options | {"tls_files": tuple((_TLS_FILES[name], value) for name, value in files.items())}


def _file(name: str, value: str) -> str:
    if not Path(value).is_file():
        raise ConfigError(f"STORE_URL: the option {name} names no file")
    return value


def _prefix(value: str) -> str:
    if not _PREFIX.fullmatch(value):
        raise ConfigError("STORE_URL: the option prefix takes 1 to 64 letters, digits and _ . : -")
    return value


def _pool(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 0 < int(value) <= _LARGEST_POOL):
        raise ConfigError(f"STORE_URL: the option pool takes a number of connections from 1 to {_LARGEST_POOL}")
    return int(value)


def _remap(value: str) -> tuple[tuple[Place, Place], ...]:
    pairs = [pair.partition("=") for pair in value.split(",")]
    if not all(there and here for there, _, here in pairs):
        raise ConfigError("STORE_URL: the option remap takes there:port=here:port,there:port=here:port")
    return tuple((_place(there, _PORTS["cluster"]), _place(here, _PORTS["cluster"])) for there, _, here in pairs)


_READERS: Final[dict[str, Callable[[str], Any]]] = {
    "prefix": _prefix,
    "pool": _pool,
    "remap": _remap,
    "db": str,
    "sentinel_username": str,
    "sentinel_password": str,
}


def _refusal(name: str, known: list[str], *, is_known: bool) -> str:
    if is_known:
        return f"the option {name} stands twice"
    if name in _UNVERIFIED:
        return f"the option {name} is not supported: certificates are always verified; name yours with ca="
    if _FIXED.fullmatch(name):
        return f"the option {name} is not supported: time-outs are fixed and nothing is repeated; see pool"
    if name in _TLS_FILES:
        return f"the option {name} needs TLS, rediss:// instead of redis://"
    near = get_close_matches(name, known, 1)
    # Anything else may be the rest of a password.
    shown = repr(name) if name.isidentifier() else "of this name"
    return f"there is no option {shown}" + (f"; did you mean {near[0]}?" if near else f"; use {', '.join(known)}")
