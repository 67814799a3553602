"""How often a network may present API keys that do not exist."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ..errors import StorageUnavailableError, ThrottledError
from ..storage.key_value import hashed_key
from ..storage.model import Increment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..storage.key_value import KeyValue

    Rate = tuple[int, int]

_KIND: Final = "tries"
_MOST_REMEMBERED: Final = 4096
"""Networks; then all are forgotten, and counted again."""


class UnknownKeyLimit:
    """Counts API keys that turned out not to exist, or not to be good here, in the storage: by all processes together.

    It is asked only then, so it keeps nobody from using a key that exists. A network that has reached a limit is
    remembered until its window ends, and writes nothing more.

    Args:
        values: of the storage.
        rates: pairs of how often and in how many seconds.
    """

    def __init__(self, values: KeyValue, rates: Sequence[Rate]) -> None:
        self._values = values
        self._rates = tuple(rates)
        self._full_until: dict[str, int] = {}

    def count(self, network: str, *, at: int) -> None:
        """Count one more of this network at Unix second `at`; what the storage cannot count is not counted.

        Raises:
            ThrottledError: it has presented more than it may.
        """
        full_until = self._full_until.get(network, 0)
        if full_until <= at:
            full_until = self._counted(network, at)
        if full_until > at:
            raise ThrottledError(full_until - at)

    def _counted(self, network: str, at: int) -> int:
        """Unix second at which the longest of the windows ends that are full; 0 if none is."""
        steps = [Increment(_KIND, _key(network, rate), 1, at + rate[1]) for rate in self._rates]
        full_until = 0
        with suppress(StorageUnavailableError):
            counters = self._values.increment_many(steps, at=at)
            full = [each.ends_at for each, (most, _) in zip(counters, self._rates, strict=True) if each.count > most]
            full_until = max(full, default=0)
        if full_until:
            if len(self._full_until) >= _MOST_REMEMBERED:
                self._full_until.clear()
            self._full_until[network] = full_until
        return full_until


def _key(network: str, rate: Rate) -> bytes:
    return hashed_key("api_key", network, repr(rate))
