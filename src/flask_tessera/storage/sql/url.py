"""What the URLs of all servers have in common."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy
from sqlalchemy.exc import ArgumentError

from ...errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

POOL: Final = 16
"""Connections of one process at most, unless `?pool=` says otherwise."""
_PLACES: Final = {
    "user": "username",
    "username": "username",
    "password": "password",
    "passwd": "password",
    "host": "host",
    "port": "port",
    "dbname": "database",
    "database": "database",
    "db": "database",
}
"""Parts of a URL, by what the drivers call them."""
_OWN_URL: Final = "our connections would be others than the engine's; give the storage a URL of its own"


def parse_own(url: str, scheme: str, known: Collection[str]) -> sqlalchemy.URL:
    """A URL of our own, with no options but those that are known.

    Raises:
        ConfigError: it is malformed, or has another option. No part of it is repeated but that name.
    """
    try:
        parsed = sqlalchemy.make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigError(f"STORE_URL: this is not {scheme}://user:password@host:port/database") from None
    for name in parsed.query.keys() - known:
        near = get_close_matches(name, known, 1)
        hint = f"; do you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"STORE_URL: a {scheme} URL has no option {name!r}{hint}")
    return parsed


def options_of(url: sqlalchemy.URL) -> dict[str, str]:
    """The options of a URL, those that are given more than once joined by commas.

    Raises:
        ConfigError: of a password with an "@" the end would be taken for a host, and be named where it is not found.
    """
    if "@" in (url.host or ""):
        raise ConfigError("STORE_URL: in a password write @ as %40")
    return {name: value if isinstance(value, str) else ",".join(value) for name, value in url.query.items()}


def pool_in(options: dict[str, str], most: int) -> int:
    """Take how many connections there may be out of the options of a URL.

    Raises:
        ConfigError: it is no number from 1 to `most`.
    """
    text = options.pop("pool", str(POOL))
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= most):
        raise ConfigError(f"STORE_URL: pool= must be a number of connections from 1 to {most}")
    return int(text)


def url_of_engine(engine: Any) -> sqlalchemy.URL:
    """The URL of a host's engine, completed by the `connect_args` that it was made with.

    Raises:
        ConfigError: it connects by a function of the host's own, or by what a URL cannot say: without that our
            connections might lead elsewhere, or be unencrypted.
    """
    creator = engine.pool._creator  # noqa: SLF001 - there is no other way to what the engine connects with
    if creator.__module__ != sqlalchemy.create_engine.__module__ or engine.dialect.dispatch.do_connect:
        raise ConfigError(f"STORE_URL: the engine has creator= or a listener for do_connect: {_OWN_URL}")
    url: sqlalchemy.URL = engine.url
    of_url = engine.dialect.create_connect_args(url)[1]
    given: Mapping[str, Any] = inspect.getclosurevars(creator).nonlocals["cparams"]
    for name, value in _flat({name: value for name, value in given.items() if of_url.get(name) != value}):
        if name in _PLACES:
            url = url.set(**{_PLACES[name]: value})
        elif isinstance(value, (str, int)):
            text = str(value).lower() if isinstance(value, bool) else str(value)
            url = url.update_query_dict({name: text})
        else:
            refuse_encryption(name)
    return url


def _flat(arguments: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Arguments, those of PyMySQL's `ssl={…}` by the names that they have by themselves."""
    for name, value in arguments.items():
        if name == "ssl" and isinstance(value, dict):
            yield from (
                ("ssl_verify_identity" if key == "check_hostname" else f"ssl_{key}", value[key]) for key in value
            )
        else:
            yield name, value


def refuse_encryption(name: str) -> None:
    """Refuse an option of a host's engine that is not for us, if it is one that matters for everybody's connections.

    Raises:
        ConfigError: it is about TLS.
    """
    if "ssl" in name or "tls" in name:
        raise ConfigError(f"STORE_URL: the engine's option {name} is not understood: {_OWN_URL}")
