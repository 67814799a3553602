"""Where the database is: a URL to what PyMySQL understands."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ....errors import ConfigError
from ..url import parse_own, refuse_cut_password

if TYPE_CHECKING:
    from collections.abc import Mapping

    import sqlalchemy

POOL: Final = 16
"""Connections of one process, unless `?pool=` says otherwise."""
_MOST: Final = 100
_BOOLEANS: Final = {"ssl_verify_cert", "ssl_verify_identity", "ssl_disabled"}
_TEXTS: Final = {"unix_socket", "ssl_ca", "ssl_cert", "ssl_key", "ssl_key_password"}
_IGNORED: Final = {"charset"}
"""Usual in the URLs of hosts, and for us always utf8mb4."""
_VERIFIED: Final = {"ssl_verify_cert": True, "ssl_verify_identity": True}
_WORDS: Final = {"true": True, "1": True, "false": False, "0": False}


class Address(NamedTuple):
    """What to connect to, as the keyword arguments of `pymysql.connect`, and how many connections there may be."""

    options: dict[str, Any]
    pool: int = POOL

    @property
    def database(self) -> str:
        """The name of the database."""
        return str(self.options["database"])


def parse(url: str) -> Address:
    """The address in a URL of our own.

    Raises:
        ConfigError: it is malformed, or has an option that is not known. No part of it is repeated but that name.
    """
    parsed = parse_own(url, "mysql://user:password@host:port/database")
    known = _BOOLEANS | _TEXTS | _IGNORED | {"pool"}
    for name in parsed.query.keys() - known:
        near = get_close_matches(name, known, 1)
        raise ConfigError(
            f"STORE_URL: a mysql URL has no option {name!r}" + (f"; do you mean {near[0]!r}?" if near else "")
        )
    return _address_of(parsed)


def of_host(url: sqlalchemy.URL) -> Address:
    """The address of a host's engine; options that concern its own connections are not for us.

    Raises:
        ConfigError: it names no database.
    """
    return _address_of(url.set(query={name: url.query[name] for name in url.query.keys() & (_BOOLEANS | _TEXTS)}))


def _address_of(url: sqlalchemy.URL) -> Address:
    refuse_cut_password(url)
    if not url.database:
        raise ConfigError("STORE_URL: the URL must name a database: mysql://user:password@host:port/database")
    query = {name: value if isinstance(value, str) else value[-1] for name, value in url.query.items()}
    own = {"host": url.host, "port": url.port, "user": url.username, "password": url.password, "database": url.database}
    given = {name: value for name, value in own.items() if value is not None}
    return Address({**given, **_options(query)}, _pool(query.get("pool", str(POOL))))


def _options(query: Mapping[str, str]) -> dict[str, Any]:
    options: dict[str, Any] = {name: query[name] for name in query.keys() & _TEXTS}
    for name in query.keys() & _BOOLEANS:
        if query[name].lower() not in _WORDS:
            raise ConfigError(f"STORE_URL: {name} must be true or false")
        options[name] = _WORDS[query[name].lower()]
    # With an authority alone, PyMySQL would ask the server for nothing; SQLAlchemy's engines do.
    return {**(_VERIFIED if "ssl_ca" in options else {}), **options}


def _pool(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= _MOST):
        raise ConfigError(f"STORE_URL: pool must be a number from 1 to {_MOST}")
    return int(text)
