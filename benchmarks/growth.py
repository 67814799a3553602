"""P8: what a step costs, and a session takes, when the table grows."""

from __future__ import annotations

import contextlib
import random
import time
from typing import TYPE_CHECKING, Any

from flask_tessera.sessions.ids import make_sid

from . import population, purging, stores, storing
from .chart import Axis, Chart
from .processor_time import ProcessorTime
from .results import Goal, Result, ratio_goal
from .stores import KINDS, MARIADB, POSTGRES, REDIS, SQLITE
from .timing import Contestant, compare

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask_tessera.sessions.model import Session
    from flask_tessera.storage.engine import Storage

    from .purging import Purge
    from .stores import Store
    from .timing import Effort, Timing

    Found = dict[str, dict[int, Timing]]

STEPS = ("find", "rotate", "log in")
GROWTH = 1.3
MOST_BYTES = {SQLITE: 400, REDIS: 600}
LARGEST = {POSTGRES: 1_000_000, MARIADB: 1_000_000}
COLUMNS = ("storage", "what", "rows", "min", "median", "÷ smallest (medians)", "÷ smallest (minima)")
NOTES = [
    "CPU µs unless something else is said, of the client and of the server's processes. All sizes in turns, each in a",
    "database of its own, in a file system in memory. 'log in' is the storage's step of it: count the user's sessions,",
    "write a new one. A session has a device type, id (36 characters) and name, an address and a user agent of 110",
    "characters; three sessions a user. Bytes with all indexes.",
    "Purge: wall time; at most 10,000 dead, half of them among all the living. A call looks at stretches of the table,",
    "until it has removed 500, a few in each transaction; others, who write, wait for one of these.",
]


def run(effort: Effort) -> Result:
    """Take the same steps in turns on tables of all sizes."""
    rows: list[tuple[Any, ...]] = []
    goals: list[Goal] = []
    curves: dict[str, list[tuple[float, float]]] = {}
    for kind in KINDS:
        sizes = [size for size in effort.sizes if size <= LARGEST.get(kind, size)]
        if kind not in stores.present():
            goals += [Goal(f"{kind}: {step}, largest ÷ smallest", GROWTH, False, None) for step in STEPS]
            goals += purging.goals(kind, None)
            continue
        found, size_of, purged = _measure(kind, sizes, effort)
        rows += [*_rows(kind, found), *purging.rows(kind, sizes[-1], purged)]
        rows += [(kind, "bytes per session", size, None, each, None, None) for size, each in size_of.items()]
        goals += [*_goals(kind, found, size_of[sizes[-1]]), *purging.goals(kind, purged)]
        for step, timings in found.items():
            curves[f"{kind}: {step}"] = [(size, timing.median) for size, timing in timings.items()]
    title = f"growth: {effort.sizes[0]:,} to {effort.sizes[-1]:,} sessions"
    chart = Chart(f"P8 {title}", Axis("sessions", is_logarithmic=True), Axis("CPU µs (median)"), curves)
    return Result("P8", title, COLUMNS, rows, goals, [*NOTES, *stores.left_out()], [chart])


def _measure(kind: str, sizes: list[int], effort: Effort) -> tuple[Found, dict[int, float], Purge]:
    """Times of each step, bytes of a session and times of purging."""
    with contextlib.ExitStack() as stack:
        grown, tables, size_of = [], {}, {}
        for size in sizes:
            store = stack.enter_context(stores.started(kind))
            storage = stack.enter_context(store.opened("grown"))
            empty = stored_bytes(store)
            tables[size] = (storage, population.fill(storage, size))
            store.settle()
            size_of[size] = (stored_bytes(store) - empty) / size
            grown.append(store)
        found, (storage, living) = {}, tables[sizes[-1]]
        for step in STEPS:
            with ProcessorTime(*grown) as clock:
                timings = compare(_contestants(step, tables), effort.steps, effort.block, clock)
            found[step] = {int(name): timing for name, timing in timings.items()}
        return found, size_of, purging.measure(storage, grown[-1].url("grown"), sizes[-1], living)


def _contestants(step: str, tables: dict[int, tuple[Storage, list[Session]]]) -> list[Contestant]:
    at = int(time.time())
    make: dict[str, Callable[[Storage, int], Callable[[Any], Any]]] = {
        "find": lambda storage, at: storing.ours(storage, at)["find"],
        "rotate": lambda storage, at: storing.counted(storing.ours(storage, at)["rotate"]),
        "log in": logging_in,
    }
    return [
        Contestant(
            str(size), make[step](storage, at), some if step == "log in" else [storing.Item(s.sid) for s in some]
        )
        for size, (storage, some) in tables.items()
    ]


def logging_in(storage: Storage, at: int) -> Callable[[Session], object]:
    """Begin one more session of the user of an existing one, born a moment after the one before."""
    add, born = storage.sessions.add, at * 1000
    rng = random.Random(at)

    def log_in(other: Session) -> object:
        nonlocal born
        born += 1
        sid = make_sid(born, other.realm, other.user_id, rng.randbytes(8))
        return add(population.session(sid, other.user_id, at, rng), limits=population.LIMITS, at=at)

    return log_in


def stored_bytes(store: Store) -> int:
    """What the database takes now."""
    measure = {SQLITE: sqlite_bytes, REDIS: redis_bytes, POSTGRES: postgres_bytes, MARIADB: mariadb_bytes}
    return measure[store.kind](store)


def redis_bytes(store: Store) -> int:
    import redis

    with contextlib.closing(redis.Redis.from_url(store.url(""))) as client:
        return int(client.info("memory")["used_memory"])


def sqlite_bytes(store: Store) -> int:
    import sqlite3

    with contextlib.closing(sqlite3.connect(store.url("grown").removeprefix("sqlite:///"))) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return int(pages * size)


def postgres_bytes(store: Store) -> int:
    import psycopg

    tables = "pg_class WHERE relkind = 'r' AND relnamespace = 'grown'::regnamespace"
    with psycopg.connect(store.server_url) as connection:
        (found,) = connection.execute(f"SELECT sum(pg_total_relation_size(oid)) FROM {tables}").fetchone() or (0,)
    return int(found)


def mariadb_bytes(store: Store) -> int:
    files = "information_schema.innodb_sys_tablespaces WHERE name LIKE 'tessera/%'"
    ((found,),) = store.ask_mariadb(f"SELECT sum(file_size) FROM {files}")
    return int(found)


def _rows(kind: str, found: Found) -> list[tuple[Any, ...]]:
    return [
        (kind, step, size, timing.minimum, timing.median, *timing.over(next(iter(timings.values()))))
        for step, timings in found.items()
        for size, timing in timings.items()
    ]


def _goals(kind: str, found: Found, each: float) -> list[Goal]:
    goals = []
    for step, timings in found.items():
        smallest, largest = timings[min(timings)], timings[max(timings)]
        goals.append(ratio_goal(f"{kind}: {step}, largest ÷ smallest", largest, smallest, GROWTH, at_least=False))
    if kind in MOST_BYTES:
        goals.append(Goal(f"{kind}: bytes per session", MOST_BYTES[kind], False, each))
    return goals
