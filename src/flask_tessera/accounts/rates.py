"""Limits in the notation of the library `limits`."""

from __future__ import annotations

from limits import parse_many

from ..errors import ConfigError
from .rate import Rate


def rates_of(setting: str, notation: str) -> tuple[Rate, ...]:
    """The rates that a setting names; several are separated by `;`.

    Raises:
        ConfigError: they cannot be read, or one allows nothing.
    """
    try:
        limits = tuple(parse_many(notation))
    except ValueError as error:
        raise ConfigError(f"TESSERA_{setting} must look like '10 per 5 minutes', not {notation!r}") from error
    if any(limit.amount < 1 for limit in limits):
        raise ConfigError(f"TESSERA_{setting} must allow at least one attempt, not {notation!r}")
    return tuple(Rate(limit.amount, limit.get_expiry()) for limit in limits)
