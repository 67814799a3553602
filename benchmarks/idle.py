"""P12: what workers cost their storage while nothing happens."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from flask_tessera.sessions.revocations import Revocation
from flask_tessera.storage.from_url import open_storage
from tests.servers import binaries
from tests.servers.postgres import PostgresServer

from . import peers, stores
from .processor_time import ProcessorTime
from .results import Goal, Result
from .stores import MARIADB, POSTGRES, REDIS, Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .timing import Effort

MOST_STATEMENTS = 2.0
"""A second, of one worker."""
MOST_PROCESSOR = 1.0
"""Percent of a core of the server, for one worker."""
MOST_GROWTH = 1.5
"""How many times more a worker of many may cost than a worker of few."""
WORKERS = (1, 8, 32)
SERVERS = (POSTGRES, REDIS, MARIADB)
SETTLE = 12.0
"""Seconds between the first reads and the measurement."""
SYSTEM_POSTGRES = "*/bin/postgres"
"""Below /usr/lib/postgresql: as Debian installs it, with JIT."""
CLIENT_COMMANDS = ("cmdstat_evalsha", "cmdstat_xread")
"""What followers send to Redis; what scripts call is not counted again."""
COLUMNS = ("storage", "workers", "seconds", "statements/s per worker", "% of a core, server", "% per worker")
NOTES = [
    "Followers as every worker (process) has one, each with connections of its own, in one process that does nothing",
    "else; nothing is revoked meanwhile. Statements are counted by the server (transactions of pg_stat_database;",
    "EVALSHA and XREAD of INFO commandstats; MariaDB's own count). CPU is that of all processes of the server.",
]


def run(effort: Effort) -> Result:
    """Let 1, 8 and 32 workers idle, on one storage after the other."""
    rows: list[tuple[Any, ...]] = []
    goals: list[Goal] = []
    for kind in SERVERS:
        if kind not in stores.present():
            goals += _goals(kind, [])
            continue
        with _started(kind) as store:
            _fill(store, effort.idle_entries)
            found = [(count, *_measure(store, count, effort.idle)) for count in WORKERS]
        rows += [
            (f"{kind} {store.version}", count, effort.idle, statements, share, share / count)
            for count, statements, share in found
        ]
        goals += _goals(kind, found)
    notes = [*NOTES, f"The revocation log has {effort.idle_entries} open entries.", *stores.left_out(SERVERS)]
    return Result("P12", "what idle workers cost their storage", COLUMNS, rows, goals, notes)


def _goals(kind: str, found: list[tuple[int, float, float]]) -> list[Goal]:
    statements = max((each[1] for each in found), default=None)
    processor = max((each[2] / each[0] for each in found), default=None)
    per_worker = {count: share / count for count, _, share in found}
    growth = per_worker[32] / per_worker[8] if per_worker.get(8) else None
    return [
        Goal(f"{kind}: statements per worker and second", MOST_STATEMENTS, at_least=False, median=statements),
        Goal(f"{kind}: % of a core per worker", MOST_PROCESSOR, at_least=False, median=processor),
        Goal(f"{kind}: CPU per worker, 32 ÷ 8 workers", MOST_GROWTH, at_least=False, median=growth),
    ]


@contextlib.contextmanager
def _started(kind: str) -> Iterator[Store]:
    """A server with the defaults of its maker: Debian's PostgreSQL where it is installed."""
    if kind != POSTGRES:
        with stores.started(kind) as store:
            yield store
        return
    homes = sorted(Path("/usr/lib/postgresql").glob(SYSTEM_POSTGRES))
    named = {binaries.POSTGRES: str(homes[-1].parent.parent)} if homes else {}
    with mock.patch.dict(os.environ, named), stores.scratch() as folder, PostgresServer(folder) as server:
        yield Store(POSTGRES, _version(server), folder, server)


def _version(server: PostgresServer) -> str:
    import psycopg

    with psycopg.connect(server.url) as connection:
        row = connection.execute("SELECT split_part(version(), ' ', 2), current_setting('jit'), pg_jit_available()")
        version, jit, has_jit = row.fetchone() or ("", "", False)
    return f"{version}, jit {jit if has_jit else 'not built in'}, psycopg {peers.version_of('psycopg')}"


def _fill(store: Store, count: int) -> None:
    """Open entries, of which no statistics are gathered yet."""
    now = int(time.time())
    with contextlib.closing(open_storage(store.url("idle"))) as storage:
        storage.check()
        for begin in range(0, count, 1000):
            some = range(begin, min(begin + 1000, count))
            entries = [Revocation(now + 86_400, "kick", number.to_bytes(16, "big")) for number in some]
            storage.revocations.append(entries, at=now)


def _measure(store: Store, count: int, seconds: float) -> tuple[float, float]:
    """Statements a second of one worker, and percent of a core that the server took for all."""
    with _workers(store.url("idle"), count, min(SETTLE, seconds)):
        spent = ProcessorTime(store)
        statements, took, began = _statements(store), spent(), time.monotonic()
        time.sleep(seconds)
        statements, took = _statements(store) - statements, spent() - took
        passed = time.monotonic() - began
    return statements / passed / count, took / 10_000_000 / passed


def _statements(store: Store) -> int:
    """All that the server has been sent so far, without what asks here."""
    if store.kind == REDIS:
        stats = store.server.tell("INFO", "commandstats") if store.server is not None else {}
        return sum(int(str(stats[name]).partition("calls=")[2].partition(",")[0]) for name in CLIENT_COMMANDS)
    if store.kind == MARIADB:
        ((_, count),) = store.ask_mariadb("SHOW GLOBAL STATUS LIKE 'Questions'")
        return int(count)
    import psycopg

    with psycopg.connect(store.server_url, autocommit=True) as connection:
        row = connection.execute("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'postgres'")
        return int((row.fetchone() or (0,))[0])


@contextlib.contextmanager
def _workers(url: str, count: int, settle: float) -> Iterator[None]:
    """A process with so many workers that have read the log."""
    command = [sys.executable, "-m", "benchmarks.idle_worker"]
    worker = subprocess.Popen(command, cwd=peers.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if worker.stdin is None or worker.stdout is None:
            raise RuntimeError("a worker without pipes")
        worker.stdin.write(json.dumps({"url": url, "count": count, "settle": settle}) + "\n")
        worker.stdin.flush()
        if worker.stdout.readline() != "ready\n":
            raise RuntimeError("the workers have ended")
        yield
        worker.stdin.close()
        worker.wait(60)
    finally:
        worker.kill()
        worker.wait()
        for pipe in (worker.stdin, worker.stdout):
            if pipe is not None:
                pipe.close()
