"""What the URLs of all servers have in common."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

import sqlalchemy
from sqlalchemy.exc import ArgumentError

from ...errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection

POOL: Final = 16
"""Connections of one process at most, unless `?pool=` says otherwise."""


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
