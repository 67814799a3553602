"""What the URLs of all servers have in common."""

from __future__ import annotations

import sqlalchemy
from sqlalchemy.exc import ArgumentError

from ...errors import ConfigError


def parse_own(url: str, form: str) -> sqlalchemy.URL:
    """A URL of our own, of this form.

    Raises:
        ConfigError: it is malformed. No part of it is repeated.
    """
    try:
        return sqlalchemy.make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigError(f"STORE_URL: this is not {form}") from None


def refuse_cut_password(url: sqlalchemy.URL) -> None:
    """Of a password with an "@" the end would be taken for a host, and be named where it is not found.

    Raises:
        ConfigError: it seems to be so.
    """
    if "@" in (url.host or ""):
        raise ConfigError("STORE_URL: in a password write @ as %40")
