"""python -m tests.faults [races|logouts|crashes ...] [--rounds N] [--seed N]: the long form, with a table."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from .crashing import crash
from .logging_out import log_out
from .racing import race_on_memory, race_on_sqlite

if TYPE_CHECKING:
    from collections.abc import Callable

    from .tally import Tally

PARTS: dict[str, tuple[str, int]] = {
    "races": ("16 threads x 4 processes refresh one token, SQLite", 200),
    "threads": ("16 threads refresh one token, memory", 200),
    "logouts": ("logged out here, refused there, also after kill -9", 500),
    "crashes": ("kill -9 under refresh load, SQLite", 50),
}


def main() -> int:
    """Run the chosen parts; 1 if any invariant broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="by default all")
    parser.add_argument("--rounds", type=int, default=0, help="instead of each part's own number")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the moments of the kills")
    chosen = parser.parse_args()
    tallies = {name: _run(name, chosen.rounds or PARTS[name][1], chosen.seed) for name in chosen.parts or PARTS}
    return 0 if all(tally.is_clean for tally in tallies.values()) else 1


def _run(name: str, rounds: int, seed: int) -> Tally:
    what, _ = PARTS[name]
    runs: dict[str, Callable[[], Tally]] = {
        "races": lambda: race_on_sqlite(rounds),
        "threads": lambda: race_on_memory(rounds),
        "logouts": lambda: log_out(rounds),
        "crashes": lambda: crash(rounds, seed),
    }
    began = time.monotonic()
    tally = runs[name]()
    print(f"\n{name}: {what}; {rounds} rounds, seed {seed}, {time.monotonic() - began:.0f} s")
    for row, value in tally.rows():
        print(f"  {row:<32}{value:>10}")
    for note in tally.notes[:20]:
        print(f"  BROKEN {note}")
    print(f"  {'every invariant held' if tally.is_clean else 'AN INVARIANT BROKE'}", flush=True)
    return tally


if __name__ == "__main__":
    sys.exit(main())
