"""How often something may be done: limits in the notation of the library `limits`."""

from __future__ import annotations

from dataclasses import dataclass

from limits import parse_many

from ..errors import ConfigError


@dataclass(frozen=True, slots=True)
class Rate:
    """So many times in so many seconds.

    Attributes:
        amount: how often.
        seconds: in windows of this length.
    """

    amount: int
    seconds: int

    def window_after(self, failures: int) -> int:
        """Seconds of the next window after so many failures: it doubles with each window that was used up."""
        return int(self.seconds << min(failures // self.amount, 20))


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
