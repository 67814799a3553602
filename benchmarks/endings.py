"""What very many open endings cost a worker: memory, reading, looking up, sweeping."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from . import peers, stores
from .endings_worker import FAILURE
from .results import Goal, Result
from .stores import KINDS
from .timing import SHORT

if TYPE_CHECKING:
    from .timing import Effort

MOST_BYTES = 170
"""For each open ending in a worker."""
PER_SECOND, LIFE = 1_000, 900
COLUMNS = ("storage", "what", "measured")
NOTES = [
    f"{PER_SECOND:,} endings a second while access tokens live for {LIFE} s are {PER_SECOND * LIFE:,} open endings.",
    "Bytes: what the resident memory of a process grew by. Look-ups: CPU µs, with 10,000 tokens in rotation; on SQLite",
    "each also compares the cell. A sweep drops what may be forgotten, once a minute; another thread makes look-ups.",
]


def run(effort: Effort) -> Result:
    """Let a process hear of them, on one storage after the other."""
    rows: list[tuple[Any, ...]] = []
    goals: list[Goal] = []
    for kind in KINDS:
        if kind not in stores.present():
            goals += _goals(kind, {}, None)
            continue
        with stores.started(kind) as store:
            found = _hear(store.url("ended"), effort)
        rows += [(kind, name, value) for name, value in found.items()]
        goals += _goals(kind, found, float(FAILURE not in found))
    title = f"{effort.open_endings:,} open endings in one worker"
    return Result("endings", title, COLUMNS, rows, goals, [*NOTES, *stores.left_out()])


def _goals(kind: str, found: dict[str, Any], is_readable: float | None) -> list[Goal]:
    return [
        Goal(f"{kind}: a worker that starts can read them (1: it can)", 1, True, is_readable),
        Goal(f"{kind}: bytes for each open ending in a worker", MOST_BYTES, False, found.get("bytes each")),
    ]


def _hear(url: str, effort: Effort) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.endings_worker", url, str(effort.open_endings)]
    command += ["--short"] if effort == SHORT else []
    done = subprocess.run(command, check=True, cwd=peers.ROOT, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found
