"""How long the batches of a purge take, and what they do to others, for P8."""

from __future__ import annotations

import itertools
import random
import statistics
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from . import population
from .results import Goal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask_tessera.sessions.record import Session
    from flask_tessera.storage.contract import Storage

BATCH = 500
BATCHES = 20
SHARE = 50
"""One of so many sessions is dead, at most."""
LIMIT = 50
"""Milliseconds."""
SOON, LATER = 3_600, 7_200
"""Seconds until the dead ones die, and until the purge: no server removes them by its own clock before."""
TOGETHER, SCATTERED = "the dead lie together", "the dead lie among the living"


@dataclass(slots=True)
class Purge:
    """Milliseconds of each batch, and of the steps that another client took meanwhile."""

    batches: list[float] = field(default_factory=list)
    neighbour: list[float] = field(default_factory=list)


def measure(storage: Storage, size: int, living: Sequence[Session]) -> dict[str, Purge]:
    """Purge in two arrangements; the last batch of each finds nothing, and looks at all there is to find that out."""
    at = int(time.time())
    dead = max(1, min(BATCH * BATCHES, size // SHARE))
    births = {
        TOGETHER: (at - population.SPAN - population.DAY, 1.0),
        SCATTERED: (at - population.SPAN, population.SPAN),
    }
    found = {}
    for name, (oldest, span) in births.items():
        dice = random.Random(name)
        stream = population.sessions(storage, dead, dice=dice, oldest=oldest, spacing=span / dead)
        population.write(storage, (replace(each, idle_until=at + SOON) for each in stream), dead, at)
        found[name] = _purge(storage, at, living)
    return found


def _purge(storage: Storage, at: int, living: Sequence[Session]) -> Purge:
    """Purge until nothing is left to be purged, beside a client that writes all the while."""
    purge, is_over = Purge(), threading.Event()
    times = ((each.sid, at + number) for number, each in enumerate(itertools.cycle(living)))

    def write() -> None:
        while not is_over.is_set():
            began = time.perf_counter()
            storage.sessions.seen([next(times)])
            purge.neighbour.append(1000 * (time.perf_counter() - began))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        removed = 1
        while removed:
            began = time.perf_counter()
            removed = storage.sessions.purge(at=at + LATER, most=BATCH)
            purge.batches.append(1000 * (time.perf_counter() - began))
    finally:
        is_over.set()
        thread.join()
    return purge


def rows(kind: str, size: int, found: dict[str, Purge]) -> list[tuple[Any, ...]]:
    """Least and median; the longest is what is judged."""
    lines: list[tuple[Any, ...]] = []
    for name, purge in found.items():
        for what, times in (
            (f"a batch of {BATCH}, {len(purge.batches)} in all", purge.batches),
            ("longest batch", [max(purge.batches)]),
            ("another's step meanwhile", purge.neighbour),
        ):
            lines.append((kind, f"purge, {name}: {what}, ms", size, min(times), statistics.median(times), None, None))
    return lines


def goals(kind: str, found: dict[str, Purge]) -> list[Goal]:
    """What a batch is kept short for: nobody waits longer."""
    goals = []
    for name, purge in found.items():
        for what, times in (("batch", purge.batches), ("wait of another for a batch", purge.neighbour)):
            goals.append(Goal(f"{kind}: longest {what}, {name}", LIMIT, False, max(times), unit=" ms"))
    return goals
