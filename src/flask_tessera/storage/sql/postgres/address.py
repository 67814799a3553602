"""Where the database is: a URL to what libpq understands."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

import psycopg

from ....errors import ConfigError
from ..url import POOL, options_of, parse_own, pool_in, refuse_encryption

if TYPE_CHECKING:
    from collections.abc import Mapping

    import sqlalchemy

DEFAULT_SCHEMA: Final = "tessera"
OTHER_DEFAULT: Final = "tessera_storage"
"""Where a role is called like the default: of such a role a schema of its name is the first in its search path, so that
the new tables of its application would land among ours."""
_MOST: Final = 1000
_NOT_FOR_US: Final = {"client_encoding", "replication", "dbname", "user", "password"}
_LIBPQ_OPTIONS: Final = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()} - _NOT_FOR_US
_FIXED: Final = {"connect_timeout": "2"}
"""Else a step on a host that hangs would take longer than a request may."""
_DEFAULTS: Final = {
    "fallback_application_name": "flask-tessera",
    # A server that is gone without a word is noticed before the next minute, also by who only listens.
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "2",
    "tcp_user_timeout": "5000",
}
# What SQLAlchemy's URLs of asyncpg call it.
_OTHER_NAMES: Final = {"ssl": "sslmode"}


class Address(NamedTuple):
    """What to connect to; `attempts` are the hosts, in the order in which to try them.

    `schema` is that of our tables, empty for the default; `pool` says how many connections there may be, beside one
    that listens.
    """

    attempts: tuple[dict[str, str], ...]
    schema: str
    pool: int = POOL

    @property
    def channel(self) -> str:
        """The name under which this schema's endings are told, of letters and digits."""
        return "tessera_" + hashlib.sha256((self.schema or DEFAULT_SCHEMA).encode()).hexdigest()[:16]


def parse(url: str) -> Address:
    """The address in a URL of our own.

    Raises:
        ConfigError: it is malformed, or has an option that is not known. No part of it is repeated but that name.
    """
    return _address_of(parse_own(url, "postgresql", _LIBPQ_OPTIONS | {"schema", "pool"}))


def of_host(url: sqlalchemy.URL) -> Address:
    """The address of a host's engine; options of its driver that libpq does not know are not for us.

    Raises:
        ConfigError: one of these is about TLS.
    """
    query = {_OTHER_NAMES.get(name, name): value for name, value in url.query.items()}
    for name in query.keys() - _LIBPQ_OPTIONS:
        refuse_encryption(name)
    return _address_of(url.set(query={name: value for name, value in query.items() if name in _LIBPQ_OPTIONS}))


def _address_of(url: sqlalchemy.URL) -> Address:
    options = options_of(url)
    pool, schema = pool_in(options, _MOST), options.pop("schema", None)
    if schema is not None and (not schema or "\0" in schema or len(schema.encode()) > 63 or schema.startswith("pg_")):
        raise ConfigError("STORE_URL: schema= must be a name of 1 to 63 bytes that does not begin with pg_")
    own = {"user": url.username, "password": url.password, "dbname": url.database}
    given = {name: str(value) for name, value in own.items() if value}
    return Address(_attempts(url, _DEFAULTS | options | _FIXED | given), schema or "", pool)


def _attempts(url: sqlalchemy.URL, options: Mapping[str, str]) -> tuple[dict[str, str], ...]:
    """One for each host: libpq would try them all within one call, each for its whole time."""
    common = {name: value for name, value in options.items() if name not in {"host", "port"}}
    hosts = options.get("host", url.host or "").split(",")
    ports = options.get("port", str(url.port or "")).split(",")
    if len(hosts) > 1:
        common = {"target_session_attrs": "read-write"} | common
    return tuple(common | _place(host, ports[number if len(ports) > 1 else 0]) for number, host in enumerate(hosts))


def _place(host: str, port: str) -> dict[str, str]:
    # SQLAlchemy writes several hosts as host=a:5432&host=b:5432.
    name, colon, own_port = host.rpartition(":")
    if colon and own_port.isdecimal() and ":" not in name:
        host, port = name, own_port
    return {key: value for key, value in (("host", host), ("port", port)) if value}
