"""P11: what `import flask_tessera` adds to `import flask`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from . import peers
from .results import Goal, Result
from .timing import Timing

if TYPE_CHECKING:
    from .timing import Effort

OPTIONAL = ("argon2", "limits", "sqlalchemy", "waitress")
DEAREST = 10
"""How many modules are shown."""
LIMIT = 60.0
"""Milliseconds."""
COLUMNS = ("what", "min ms", "median ms")
_TIMED = """
import time
wall, cpu = time.perf_counter(), time.process_time()
{}
print(time.perf_counter() - wall, time.process_time() - cpu)
"""
_LOADED = f"import json, sys, flask_tessera; print(json.dumps([name for name in {OPTIONAL} if name in sys.modules]))"


def run(effort: Effort) -> Result:
    """Start interpreters in turns with and without the package."""
    with tempfile.TemporaryDirectory() as folder:
        environment = _environment(folder)
        # The first pair writes the byte code.
        pairs = [
            tuple(_start(f"import {names}", environment) for names in ("flask", "flask, flask_tessera"))
            for _ in range(effort.starts + 1)
        ][1:]
        dearest = _dearest(environment)
        loaded = json.loads(_output(_LOADED, environment))
    timings = {
        f"import {names}, {clock}": Timing(tuple(1000 * pair[place][index] for pair in pairs))
        for index, clock in ((1, "CPU"), (0, "wall"))
        for place, names in ((0, "flask"), (1, "flask, flask_tessera"))
    }
    rows: list[tuple[object, ...]] = [(name, timing.minimum, timing.median) for name, timing in timings.items()]
    notes = [
        f"{effort.starts} pairs of interpreters in turns, byte code written before; CPU time judges.",
        f"Optional parts loaded: {loaded}. The dearest modules are those of one run under -X importtime.",
    ]
    return Result("P11", "import and start", COLUMNS, [*rows, *dearest], _goals(timings, loaded), notes)


def _goals(timings: dict[str, Timing], loaded: list[str]) -> list[Goal]:
    both, flask = timings["import flask, flask_tessera, CPU"], timings["import flask, CPU"]
    added = both.median - flask.median, both.minimum - flask.minimum
    return [
        Goal("flask_tessera adds", LIMIT, False, *added, unit=" ms"),
        Goal(f"loaded of {', '.join(OPTIONAL)}", 0, False, float(len(loaded))),
    ]


def _environment(folder: str) -> dict[str, str]:
    """Byte code is written, as installers do, wherever the package lies and whatever this shell says."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": folder}


def _start(statement: str, environment: dict[str, str]) -> tuple[float, float]:
    """Seconds of wall and CPU time of a statement in a new interpreter."""
    wall, cpu = _output(_TIMED.format(statement), environment).split()
    return float(wall), float(cpu)


def _output(script: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=True, cwd=peers.ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    return done.stdout


def _dearest(environment: dict[str, str]) -> list[tuple[object, ...]]:
    """The modules that the package loads and Flask has not, the dearest first, without what they import."""
    command = [sys.executable, "-X", "importtime", "-c", "import flask; import flask_tessera"]
    done = subprocess.run(command, check=True, cwd=peers.ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    lines = [line.removeprefix("import time:").split("|") for line in done.stderr.splitlines()]
    modules = [(name.strip(), own.strip()) for own, _, name in (line for line in lines if len(line) == 3)]
    after = [name for name, _ in modules].index("flask") + 1
    costs = [(int(own) / 1000, name) for name, own in modules[after:]]
    return [(f"of which {name}", None, cost) for cost, name in sorted(costs, reverse=True)[:DEAREST]]
