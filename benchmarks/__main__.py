"""Runs the benchmarks: python -m benchmarks [NAMES]."""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import (
    alike,
    chart,
    endings,
    growth,
    guarded_requests,
    idle,
    importing,
    login,
    mint,
    peers,
    plot,
    printing,
    propagation,
    sealed,
    serving,
    storing,
    verify,
)
from .timing import FULL, LARGE, SHORT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .results import Result

BENCHMARKS = {
    "P1": verify.run,
    "P2": mint.run,
    "P3": sealed.run,
    "P4": guarded_requests.run,
    "P6": serving.run,
    "P7": storing.run,
    "P8": growth.run,
    "P9": login.run,
    "P10": propagation.run,
    "P11": importing.run,
    "P12": idle.run,
    "alike": alike.run,
    "endings": endings.run,
}
DISTRIBUTIONS = (
    *("flask-tessera", "flask", "werkzeug", "msgspec", "cryptography", "sqlalchemy", "redis", "psycopg", "pymysql"),
)
RESULTS = Path(__file__).resolve().parent / "results"


def main() -> None:
    """Run what was asked for, print it, and write it down as JSON and SVG."""
    wanted = _arguments()
    # What the package logs of servers that are ended is not for the terminal.
    logging.getLogger().addHandler(logging.NullHandler())
    # Else what lies in a file system in memory would stay there.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    about = _about(short=wanted.short)
    print("\n".join(f"{name}: {value}" for name, value in about.items()))
    results = []
    for name in wanted.names or BENCHMARKS:
        results.append(BENCHMARKS[name](wanted.effort))
        printing.show(results[-1])
    printing.summarise(results)
    name = "short" if wanted.short else "latest"
    for file in _write(wanted.folder, name, about, results):
        print(f"written: {file}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description="What the package costs, beside other libraries.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}; all by default")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--short", action="store_true", help="seconds instead of minutes: proves only that it works")
    size.add_argument("--full", action="store_true", help="tables of ten million sessions too (P8): takes an hour")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where results are written")
    wanted = parser.parse_args()
    unknown = [name for name in wanted.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]}; there are {', '.join(BENCHMARKS)}")
    wanted.effort = SHORT if wanted.short else LARGE if wanted.full else FULL
    return wanted


def _about(*, short: bool) -> dict[str, Any]:
    """What one must know to read the figures."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return {
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, load {load:.2f} at the start",
        "versions": ", ".join(f"{name} {peers.version_of(name) or 'not installed'}" for name in DISTRIBUTIONS),
        "measured": time.strftime("%Y-%m-%d %H:%M %Z") + (", SHORT: the figures mean nothing" if short else ""),
    }


def _write(folder: Path, name: str, about: dict[str, Any], results: Sequence[Result]) -> list[Path]:
    """Write all files; a folder that did not exist is made such that git overlooks it."""
    if not folder.exists():
        folder.mkdir(parents=True)
        (folder / ".gitignore").write_text("*\n", encoding="ascii")
    data = {"about": about, "results": {result.name: result.to_json() for result in results}}
    files = [folder / f"{name}.json", folder / f"{name}.svg"]
    files[0].write_text(json.dumps(data, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    files[1].write_text(plot.draw(results), encoding="utf-8")
    for result in results:
        for number, each in enumerate(result.charts, 1):
            files.append(folder / f"{name}-{result.name}-{number}.svg")
            files[-1].write_text(chart.draw(each), encoding="utf-8")
    return files


if __name__ == "__main__":
    main()
