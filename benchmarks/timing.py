"""Times of several contestants, taken in turns so that whatever disturbs the machine disturbs all alike."""

from __future__ import annotations

import gc
import itertools
import statistics
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    `rounds` of small operations and `requests` (rounds too) of whole requests, `logins` (rounds) of throughput,
    `starts` of interpreters; `block` is the time in nanoseconds that one turn takes at least. Beyond one process:
    `steps` (rounds) of a storage, whose tables have `sizes` rows; `serving` (rounds) of `burst` seconds of requests;
    `endings` that another process hears of, and `open_endings` that a worker keeps in memory; `idle` seconds in which
    nothing happens, with `idle_entries` in the log.
    """

    rounds: int
    requests: int
    logins: int
    starts: int
    block: int
    steps: int
    sizes: tuple[int, ...]
    serving: int
    burst: float
    endings: int
    open_endings: int
    idle: float
    idle_entries: int


_WARM_UP = 200
"""Items."""
FULL = Effort(
    rounds=150,
    requests=100,
    logins=30,
    starts=21,
    block=5_000_000,
    steps=60,
    sizes=(10_000, 100_000, 1_000_000),
    serving=40,
    burst=0.25,
    endings=1_000,
    open_endings=900_000,
    idle=20,
    idle_entries=20_000,
)
LARGE = replace(FULL, sizes=(*FULL.sizes, 10_000_000))
SHORT = Effort(
    rounds=3,
    requests=2,
    logins=1,
    starts=1,
    block=200_000,
    steps=2,
    sizes=(200, 400),
    serving=1,
    burst=0.1,
    endings=10,
    open_endings=2_000,
    idle=1,
    idle_entries=1_000,
)


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who takes part: `call` is given each of `items`, which differ so that no cache helps anyone."""

    name: str
    call: Callable[[Any], Any]
    items: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Timing:
    """Time per operation in microseconds, CPU time unless another was asked for; one value for each round."""

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


def compare(
    contestants: Sequence[Contestant], rounds: int, block: int, clock: Callable[[], int] = time.process_time_ns
) -> dict[str, Timing]:
    """Time everybody in every round; who begins changes from round to round.

    Args:
        contestants: who takes part.
        rounds: how often each has its turn.
        block: nanoseconds that a turn takes at least.
        clock: gives nanoseconds: of CPU time, or of wall time where a server does part of the work.
    """
    gc.collect()
    gc.freeze()
    runners = [_Runner(each, block, clock) for each in contestants]
    values: list[list[float]] = [[] for _ in runners]
    for turn in range(rounds):
        for place in range(len(runners)):
            index = (turn + place) % len(runners)
            values[index].append(runners[index].microseconds())
    gc.unfreeze()
    return {each.name: Timing(tuple(found)) for each, found in zip(contestants, values, strict=True)}


class _Runner:
    """Gives a contestant its turns; each goes on with the item after the last one.

    Args:
        contestant: who runs.
        block: nanoseconds that a turn takes at least.
        clock: gives nanoseconds.
    """

    def __init__(self, contestant: Contestant, block: int, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._call = contestant.call
        self._items = itertools.cycle(contestant.items)
        self._size = _WARM_UP
        # The first turn is to warm up, the second tells how many items fill a block.
        self.microseconds()
        self._size = max(1, round(block / (1000 * self.microseconds())))

    def microseconds(self) -> float:
        """Take a turn; time for each item."""
        call, clock, items = self._call, self._clock, list(itertools.islice(self._items, self._size))
        # Nobody pays for another's garbage; everybody pays for their own, as in a server.
        gc.collect()
        began = clock()
        for item in items:
            call(item)
        return (clock() - began) / (1000 * len(items))
