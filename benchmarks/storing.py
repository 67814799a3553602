"""P7: find and rotate a session."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import floors, peers, population, stores
from .orm import SessionTable
from .population import IDLE
from .processor_time import ProcessorTime
from .results import Goal, Result, ratio_goal
from .round_trips import counting
from .stores import MARIADB, POSTGRES, REDIS, SQLITE
from .timing import Contestant, compare

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask_tessera.storage.engine import Storage

    from .stores import Store
    from .timing import Effort, Timing

    Timed = tuple[Timing, Timing]
    """CPU and wall time."""

OURS, FLOOR = "ours", "bare driver"
ORM, ORM_AT_ONCE = "SQLAlchemy ORM", "SQLAlchemy ORM, UPDATE … RETURNING"
LEAST = {SQLITE: 6, POSTGRES: 3, MARIADB: 3}
LEEWAY = 15
"""Seconds."""
TRIPS = 50
COLUMNS = (
    "storage",
    "step",
    "who",
    "version",
    "CPU µs min",
    "CPU µs median",
    "÷ ours (medians)",
    "÷ ours (minima)",
    "wall µs median",
)
NOTES = [
    "CPU time of the client and of the server's processes; beside it wall time of one client, which depends on",
    "where the scheduler puts both.",
    "All databases lie in a file system in memory: what is compared is work, not the same flush of the same disk.",
    "The ORM reads the session by its primary key with its principal in one statement, and decides; to rotate it",
    "changes the object, and the unit of work compares the generation (version_id_col) and commits.",
    "Beside it, what few would write: all in one UPDATE … RETURNING by the ORM, which MariaDB has not.",
    "Bare driver: the same statements on one connection; for MariaDB an UPDATE that gives no row back, for Redis GET,",
    "and EVALSHA of a script that does GET.",
]


@dataclass(slots=True)
class Item:
    """A session, and its generation in one table."""

    sid: bytes
    gen: int = 0


def run(effort: Effort) -> Result:
    """Do the same steps in turns with everybody, on one storage after the other."""
    rows: list[tuple[Any, ...]] = []
    goals: list[Goal] = []
    for kind in (SQLITE, POSTGRES, MARIADB, REDIS):
        if kind not in stores.present():
            goals += [Goal(what, limit, at_least, None) for what, limit, at_least in _goals_of(kind)]
            continue
        with stores.started(kind) as store, store.opened("ours") as storage:
            found = _measure(store, storage, effort)
            rows += _rows(store, found)
            trips = None if kind == SQLITE else _round_trips(store, effort)
            goals += _redis_goals(found, trips) if kind == REDIS else _goals(kind, found)
        if trips:
            rows += [
                (kind, f"{step}: round trips of ours", "", "", None, count, None, None, None)
                for step, count in trips.items()
            ]
    title = f"find and rotate a session, {effort.sizes[1]:,} rows"
    return Result("P7", title, COLUMNS, rows, goals, [*NOTES, *stores.left_out()])


def _goals_of(kind: str) -> list[tuple[str, float, bool]]:
    """What is asked of each kind: what, limit, whether at least."""
    if kind == REDIS:
        return [("Redis: round trips to find", 1.0, False), ("Redis: round trips to rotate", 2.0, False)]
    return [(f"{kind}: {ORM} ÷ ours, {step}", LEAST[kind], True) for step in ("find", "rotate")]


def _goals(kind: str, found: dict[str, dict[str, Timed]]) -> list[Goal]:
    return [
        ratio_goal(what, found[step][ORM][0], found[step][OURS][0], limit)
        for step, (what, limit, _) in zip(found, _goals_of(kind), strict=True)
    ]


def _redis_goals(found: dict[str, dict[str, Timed]], trips: dict[str, float] | None) -> list[Goal]:
    asked = zip(found, _goals_of(REDIS), strict=True)
    return [Goal(what, limit, at_least, trips[step] if trips else None) for step, (what, limit, at_least) in asked]


def _measure(store: Store, storage: Storage, effort: Effort) -> dict[str, dict[str, Timed]]:
    sample = [each.sid for each in population.fill(storage, effort.sizes[1])]
    at = int(time.time())
    url = store.server_url if store.server else store.url("peer")
    contestants = {OURS: ours(storage, at)}
    if store.kind != REDIS:
        contestants |= _peers(url, storage, at)
    if store.kind == MARIADB:
        del contestants[ORM_AT_ONCE]
    store.settle()
    contestants[FLOOR] = floors.steps(store, url, sample, at=at, idle=IDLE)
    # The peers share one table, and so its generations.
    mine, theirs = ([Item(sid) for sid in sample] for _ in range(2))
    found = {}
    for step in ("find", "rotate"):
        runners = [
            Contestant(
                name, counted(calls[step]) if step == "rotate" else calls[step], mine if name == OURS else theirs
            )
            for name, calls in contestants.items()
            if step in calls
        ]
        with ProcessorTime(store) as clock:
            cpu = compare(runners, effort.steps, effort.block * 2, clock)
        wall = compare(runners, max(1, effort.steps // 4), effort.block * 2, time.perf_counter_ns)
        found[step] = {name: (timing, wall[name]) for name, timing in cpu.items()}
    return found


def ours(storage: Storage, at: int) -> dict[str, Callable[[Any], Any]]:
    """Our steps on an `Item`, at Unix second `at`."""
    find, rotate = storage.sessions.find, storage.sessions.rotate

    def rotated(item: Item) -> object:
        found = rotate(item.sid, item.gen, at=at, leeway=LEEWAY, idle=IDLE)
        if found is None or found.outcome != "rotated":
            raise ValueError(f"a rotation of the benchmark gave {found}")
        return found

    return {"find": lambda item: find(item.sid), "rotate": rotated}


def _peers(url: str, storage: Storage, at: int) -> dict[str, dict[str, Callable[[Any], Any]]]:
    """The ORM, on the same sessions in tables of its own."""
    table = SessionTable(url)
    cursor = ""
    while True:
        page = storage.records.read(cursor, most=population.BATCH)
        if page.sessions:
            table.fill(page.sessions)
        cursor = page.cursor
        if not cursor:
            break
    return {
        ORM: {
            "find": lambda item: table.find(item.sid, at=at),
            "rotate": lambda item: table.rotate(item.sid, item.gen, at=at, idle=IDLE),
        },
        ORM_AT_ONCE: {"rotate": lambda item: table.rotate_at_once(item.sid, item.gen, at=at, idle=IDLE)},
    }


def counted(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same, counting the generations of the `Item`."""

    def rotate(item: Item) -> object:
        found = call(item)
        item.gen += 1
        return found

    return rotate


def _round_trips(store: Store, effort: Effort) -> dict[str, float]:
    """How often one step waits for the server."""
    if store.server is None:
        raise ValueError("there is no server")
    with counting(store.server.port) as counter, store.behind(counter.port).opened("trips") as storage:
        sids = [each.sid for each in population.fill(storage, effort.sizes[0], seed=3)[: 2 * TRIPS]]
        found = {}
        for step, call in ours(storage, int(time.time())).items():
            items = [Item(sid) for sid in sids]
            for item in items[:TRIPS]:
                call(item)
            before = counter.trips
            for item in items[TRIPS:]:
                call(item)
            found[step] = (counter.trips - before) / len(items[TRIPS:])
    return found


def _rows(store: Store, found: dict[str, dict[str, Timed]]) -> list[tuple[Any, ...]]:
    versions = {OURS: store.version, ORM: peers.version_of("sqlalchemy"), ORM_AT_ONCE: peers.version_of("sqlalchemy")}
    return [
        (
            store.kind,
            step,
            name,
            versions.get(name, ""),
            cpu.minimum,
            cpu.median,
            *cpu.over(timings[OURS][0]),
            wall.median,
        )
        for step, timings in found.items()
        for name, (cpu, wall) in timings.items()
    ]
