"""Where the database is: a URL to what PyMySQL understands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ....errors import ConfigError
from ..url import POOL, options_of, parse_own, pool_in, refuse_encryption

if TYPE_CHECKING:
    import sqlalchemy

_MOST: Final = 100
_BOOLEANS: Final = {"ssl_verify_cert", "ssl_verify_identity", "ssl_disabled"}
_TEXTS: Final = {"unix_socket", "ssl_ca", "ssl_cert", "ssl_key", "ssl_key_password"}
_IGNORED: Final = {"charset"}
"""Usual in the URLs of hosts, and for us always utf8mb4."""
_WORDS: Final = {"true": True, "1": True, "false": False, "0": False}


class Address(NamedTuple):
    """What to connect to, as the keyword arguments of `pymysql.connect`, and how many connections there may be."""

    options: dict[str, Any]
    pool: int = POOL


def parse(url: str) -> Address:
    """The address in a URL of our own.

    Raises:
        ConfigError: it is malformed, or has an option that is not known. No part of it is repeated but that name.
    """
    return _address_of(parse_own(url, "mysql", _BOOLEANS | _TEXTS | _IGNORED | {"pool"}))


def of_host(url: sqlalchemy.URL) -> Address:
    """The address of a host's engine; options that concern its own connections are not for us.

    Raises:
        ConfigError: it names no database, or has an option about TLS that we do not know.
    """
    for name in url.query.keys() - _BOOLEANS - _TEXTS:
        refuse_encryption(name)
    return _address_of(url.set(query={name: url.query[name] for name in url.query.keys() & (_BOOLEANS | _TEXTS)}))


def _address_of(url: sqlalchemy.URL) -> Address:
    query = options_of(url)
    if not url.database:
        raise ConfigError("STORE_URL: the URL must name a database: mysql://user:password@host:port/database")
    own = {"host": url.host, "port": url.port, "user": url.username, "password": url.password, "database": url.database}
    options: dict[str, Any] = {name: value for name, value in own.items() if value is not None}
    if "ssl_ca" in query:
        # With an authority alone, PyMySQL would ask the server for nothing; SQLAlchemy's engines do.
        options |= {"ssl_verify_cert": True, "ssl_verify_identity": True}
    options |= {name: query[name] for name in query.keys() & _TEXTS}
    for name in query.keys() & _BOOLEANS:
        if query[name].lower() not in _WORDS:
            raise ConfigError(f"STORE_URL: {name} must be true or false")
        options[name] = _WORDS[query[name].lower()]
    return Address(options, pool_in(query, _MOST))
