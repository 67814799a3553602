"""How long a purge takes, and whom it keeps waiting, for P8."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from . import peers, population
from .results import Goal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flask_tessera.sessions.model import Session
    from flask_tessera.storage.engine import Storage

BATCH = 500
BATCHES = 10
SHARE = 50
"""One of so many sessions is dead, at most, and as many once more, which lie together."""
SIDS = 1_000
LIMIT = 50
"""Milliseconds."""
SOON, LATER = 3_600, 7_200
"""Seconds until the dead ones die, and until the purge: no server removes them by its own clock before."""
REST = 0.002
"""Seconds between two steps of a neighbour."""
QUIET = 1.0
"""Seconds that neighbours are alone, at most."""
THREAD, PROCESS = "another thread", "another process"


class Neighbour:
    """Somebody who writes now and then."""

    def __init__(self, storage: Storage, sids: Sequence[bytes]) -> None:
        self._touch = storage.sessions.touch
        self._next = enumerate(itertools.cycle(sids), int(time.time()))
        self.steps: list[tuple[float, float]] = []
        """When each was begun, in seconds of a clock that all processes of this machine share; its milliseconds."""

    def step(self) -> None:
        """Write one last-seen time, and rest."""
        at, sid = next(self._next)
        began = time.perf_counter()
        self._touch([(sid, at)], at=at)
        self.steps.append((began, 1000 * (time.perf_counter() - began)))
        time.sleep(REST)


@dataclass(slots=True)
class Purge:
    """Milliseconds of each call; the steps of each neighbour, and when the first call was made."""

    calls: list[float] = field(default_factory=list)
    steps: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    began: float = 0.0

    def waits(self, who: str, *, meanwhile: bool) -> list[float]:
        """Milliseconds of a neighbour's steps, meanwhile or before."""
        return [took for at, took in self.steps[who] if (at >= self.began) == meanwhile] or [0.0]


def measure(storage: Storage, url: str, size: int, living: Sequence[Session]) -> Purge:
    """Purge until nothing is left to be purged: dead ones that lie together, and some among all the living."""
    at = int(time.time())
    dead = max(1, min(BATCH * BATCHES, size // SHARE))
    births = {
        "together": (at - population.SPAN - population.DAY, 1.0),
        "among": (at - population.SPAN, population.SPAN),
    }
    for name, (oldest, span) in births.items():
        stream = population.sessions(dead, rng=random.Random(name), oldest=oldest, spacing=span / dead)
        population.write(storage, (replace(each, idle_until=at + SOON) for each in stream), dead, at)
    sids = [each.sid for each in living[: 2 * SIDS]]
    purge = Purge()
    with _process(url, sids[:SIDS], purge), _thread(storage, sids[SIDS:] or sids, purge):
        time.sleep(min(QUIET, size / 1_000_000))
        purge.began, removed = time.perf_counter(), 1
        while removed:
            began = time.perf_counter()
            removed = storage.sessions.purge(at=at + LATER, most=BATCH)
            purge.calls.append(1000 * (time.perf_counter() - began))
    return purge


@contextlib.contextmanager
def _thread(storage: Storage, sids: Sequence[bytes], purge: Purge) -> Iterator[None]:
    neighbour, is_over = Neighbour(storage, sids), threading.Event()

    def write() -> None:
        while not is_over.is_set():
            neighbour.step()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
    purge.steps[THREAD] = neighbour.steps


@contextlib.contextmanager
def _process(url: str, sids: Sequence[bytes], purge: Purge) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.purging_neighbour", url]
    with subprocess.Popen(command, cwd=peers.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise ValueError("a process of the benchmark has no pipes")
        process.stdin.write(" ".join(sid.hex() for sid in sids) + "\n")
        process.stdin.flush()
        process.stdout.readline()
        try:
            yield
        finally:
            process.stdin.close()
            purge.steps[PROCESS] = json.loads(process.stdout.read())


def rows(kind: str, size: int, purge: Purge) -> list[tuple[Any, ...]]:
    """Least and median, and what neighbours waited at most."""
    lines = {
        f"purge, each of {len(purge.calls)} calls": purge.calls,
        "purge, the whole": [sum(purge.calls)],
        "purge, the longest call": [max(purge.calls)],
    }
    for who in purge.steps:
        lines[f"purge, a step of {who} meanwhile"] = purge.waits(who, meanwhile=True)
        lines[f"purge, longest step of {who} before"] = [max(purge.waits(who, meanwhile=False))]
    return [
        (kind, f"{what}, ms", size, min(times), statistics.median(times), None, None) for what, times in lines.items()
    ]


def goals(kind: str, purge: Purge | None) -> list[Goal]:
    """What batches are kept short for: nobody waits longer for one of them."""
    found = {who: max(purge.waits(who, meanwhile=True)) if purge else None for who in (THREAD, PROCESS)}
    return [
        Goal(f"{kind}: longest wait of {who} for a purge", LIMIT, False, longest, unit=" ms")
        for who, longest in found.items()
    ]
