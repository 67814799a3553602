"""CPU time of several contestants, taken in turns so that whatever disturbs the machine disturbs all alike."""

from __future__ import annotations

import gc
import itertools
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    `rounds` of small operations and `requests` (rounds too) of whole requests, `logins` (rounds) of throughput,
    `starts` of interpreters; `block` is the CPU time in nanoseconds that one turn takes at least.
    """

    rounds: int
    requests: int
    logins: int
    starts: int
    block: int


_WARM_UP = 200
"""Items."""
FULL = Effort(rounds=150, requests=100, logins=30, starts=21, block=5_000_000)
SHORT = Effort(rounds=3, requests=2, logins=1, starts=1, block=200_000)


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who takes part: `call` is given each of `items`, which differ so that no cache helps anyone."""

    name: str
    call: Callable[[Any], Any]
    items: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Timing:
    """CPU time per operation in microseconds, one value for each round."""

    values: tuple[float, ...]

    @property
    def minimum(self) -> float:
        return min(self.values)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def over(self, other: Timing) -> tuple[float, float]:
        """How many times this is the other: by medians, by minima."""
        return self.median / other.median, self.minimum / other.minimum

    def minus(self, other: Timing) -> Timing:
        """What this costs more than the other, round by round: both were measured in the same short while."""
        return Timing(tuple(mine - theirs for mine, theirs in zip(self.values, other.values, strict=True)))


def compare(contestants: Sequence[Contestant], rounds: int, block: int) -> dict[str, Timing]:
    """Time everybody in every round; who begins changes from round to round.

    Args:
        contestants: who takes part.
        rounds: how often each has its turn.
        block: CPU nanoseconds that a turn takes at least.
    """
    gc.collect()
    gc.freeze()
    runners = [_Runner(each, block) for each in contestants]
    values: list[list[float]] = [[] for _ in runners]
    for turn in range(rounds):
        for place in range(len(runners)):
            index = (turn + place) % len(runners)
            values[index].append(runners[index].cpu_microseconds())
    gc.unfreeze()
    return {each.name: Timing(tuple(found)) for each, found in zip(contestants, values, strict=True)}


class _Runner:
    """Gives a contestant its turns; each goes on with the item after the last one.

    Args:
        contestant: who runs.
        block: CPU nanoseconds that a turn takes at least.
    """

    def __init__(self, contestant: Contestant, block: int) -> None:
        self._call = contestant.call
        self._items = itertools.cycle(contestant.items)
        self._size = _WARM_UP
        # The first turn is to warm up, the second tells how many items fill a block.
        self.cpu_microseconds()
        self._size = max(1, round(block / (1000 * self.cpu_microseconds())))

    def cpu_microseconds(self) -> float:
        """Take a turn; CPU time for each item."""
        call, items = self._call, list(itertools.islice(self._items, self._size))
        # Nobody pays for another's garbage; everybody pays for their own, as in a server.
        gc.collect()
        began = time.process_time_ns()
        for item in items:
            call(item)
        return (time.process_time_ns() - began) / (1000 * len(items))
