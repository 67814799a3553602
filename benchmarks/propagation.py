"""P10: how soon every worker refuses what has ended elsewhere."""

from __future__ import annotations

import contextlib
import json
import random
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from . import peers, stores
from .chart import Axis, Chart
from .propagation_worker import LOADS, boot_nanoseconds
from .results import Goal, Result
from .stores import KINDS, MARIADB
from .world import open_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .stores import Store
    from .timing import Effort
    from .world import World

    Delays = dict[str, list[float]]

LIMITS = {"idle": 5, "busy": 25}
"""Milliseconds, in 99 of 100 cases; of the loads that are judged."""
WORKERS = 2
PAUSES = (0.003, 0.012)
"""Seconds between two endings, at least and at most."""
LEAST_SHOWN = 0.01
"""Milliseconds; what is less is drawn there."""
COLUMNS = ("storage", "workers", "endings", "ms median", "ms p90", "ms p99", "ms longest", "p99 since asked for")
NOTES = [
    f"From when the call that ended a session has returned until each of {WORKERS} other processes refuses its token;",
    "clocked with CLOCK_BOOTTIME, which they share. 0 where a worker knew before the caller did. 'Since asked for'",
    "counts from before the call, and so what the storage's write takes. An idle worker sends itself a request each",
    "0.1 ms; a busy one has one thread that does nothing but Python, 0.3 ms a request, a crowded one has four such:",
    "whatever else it does waits for them to let go of the interpreter, 5 ms each time. There are more busy threads",
    "than cores. Crowded workers are shown, not judged. MariaDB tells nobody of an ending: a worker looks every 0.7 s,",
    "which is judged by the declared bound alone.",
]


def run(effort: Effort) -> Result:
    """End sessions in this process, on one storage after the other."""
    rows: list[tuple[Any, ...]] = []
    goals: list[Goal] = []
    curves: dict[str, list[tuple[float, float]]] = {}
    for kind in KINDS:
        if kind not in stores.present():
            goals += _goals(kind)
            continue
        with stores.started(kind) as store:
            delays, since_asked, bound = _measure(store, effort.endings)
        for load, found in delays.items():
            rows.append((kind, load, len(found), *_percentiles(found), percentile(since_asked[load], 99)))
            curves[f"{kind}, {load}"] = _distribution(found)
        goals += _goals(kind, delays, bound)
    title = "an ending reaches every worker of this host"
    axes = Axis("milliseconds after the call returned", is_logarithmic=True), Axis("% of workers that refuse")
    return Result(
        "P10", title, COLUMNS, rows, goals, [*NOTES, *stores.left_out()], [Chart(f"P10 {title}", *axes, curves)]
    )


def _measure(store: Store, endings: int) -> tuple[Delays, Delays, float]:
    """Milliseconds since the call returned, and since it was made; and the bound that is declared."""
    world = open_world(store.url("heard"))
    with world.app.app_context():
        pairs = {load: [world.tessera.login(f"{load}-{number}") for number in range(endings)] for load in LOADS}
        settings, log = world.runtime.settings, world.runtime.storage.revocations
        bound = 1000.0 * (settings.REVOCATION_BOUND if log.bound else 1)
    job = {"url": store.url("heard"), **{load: [pair.access_token for pair in pairs[load]] for load in LOADS}}
    times = {}
    with _workers(job, count=min(WORKERS, max(1, endings // 10))) as workers:
        for load in LOADS:
            for worker in workers:
                _expect(worker, load)
            times[load] = _end_all(world, [pair.session_id for pair in pairs[load]])
        heard = [json.loads(worker.communicate()[0]) for worker in workers]
    world.runtime.storage.close()
    found = [
        {load: _differences(times[load], [each[load] for each in heard], place) for load in LOADS} for place in (1, 0)
    ]
    return found[0], found[1], bound


def _differences(times: list[tuple[int, int]], heard: list[list[int]], place: int) -> list[float]:
    return [
        max(0.0, (refused - time_[place]) / 1_000_000)
        for each in heard
        for time_, refused in zip(times, each, strict=True)
    ]


@contextlib.contextmanager
def _workers(job: dict[str, Any], *, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "benchmarks.propagation_worker"]
    workers = [
        subprocess.Popen(command, cwd=peers.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    try:
        for worker in workers:
            if worker.stdin is not None:
                worker.stdin.write(json.dumps(job))
                worker.stdin.close()
                worker.stdin = None
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
            if worker.stdout is not None:
                worker.stdout.close()


def _expect(worker: subprocess.Popen[str], sign: str) -> None:
    line = worker.stdout.readline() if worker.stdout is not None else ""
    if line.strip() != sign:
        raise ValueError(f"a worker of the benchmark said {line!r} in place of {sign!r}")


def _end_all(world: World, sids: list[str]) -> list[tuple[int, int]]:
    """End one after the other; when each was asked for, and when that had returned."""
    rng = random.Random(4)
    times = []
    with world.app.app_context():
        for sid in sids:
            time.sleep(rng.uniform(*PAUSES))
            asked = boot_nanoseconds()
            world.tessera.revoke_session(sid)
            times.append((asked, boot_nanoseconds()))
    return times


def percentile(values: list[float], percent: int) -> float:
    """Of so many in a hundred, the longest."""
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def _percentiles(found: list[float]) -> tuple[float, ...]:
    return (statistics.median(found), percentile(found, 90), percentile(found, 99), max(found))


def _distribution(found: list[float]) -> list[tuple[float, float]]:
    """Of each hundredth, when it had heard."""
    return [(max(LEAST_SHOWN, percentile(found, percent)), float(percent)) for percent in range(101)]


def _goals(kind: str, delays: Delays | None = None, bound: float = 2_000) -> list[Goal]:
    """Judged by what was found, if anything was."""
    goals = [
        Goal(f"{kind}: p99, {load} workers", limit, False, percentile(delays[load], 99) if delays else None, unit=" ms")
        for load, limit in LIMITS.items()
        if kind != MARIADB
    ]
    longest = max(max(found) for found in delays.values()) if delays else None
    return [*goals, Goal(f"{kind}: longest, within the declared bound", bound, False, longest, unit=" ms")]
