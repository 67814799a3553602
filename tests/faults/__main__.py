"""python -m tests.faults [parts] [--storages NAMES] [--rounds N] [--seed N]: the long form, with a table for each."""

from __future__ import annotations

import argparse
import logging
import sys
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import breaking, clocks, failing_over, forgetting, processes
from .crashing import crash
from .ending_people import end_amid_refreshes
from .fleet import log_out_of_fleet
from .logging_out import log_out
from .places import CLUSTERS, NAMES, REDIS, why_not
from .racing import race_processes, race_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from .tally import Tally

SERVERS = ("postgres", "mariadb", *REDIS)
HASHED = (*REDIS, *CLUSTERS)


@dataclass(frozen=True)
class Part:
    """One kind of fault: how often by default, on which storages, and what does it (storage, rounds, seed)."""

    what: str
    rounds: int
    storages: tuple[str, ...]
    run: Callable[[str, int, int], Tally]


PARTS: dict[str, Part] = {
    "races": Part("X7: 16 threads x 4 processes refresh one token", 300, NAMES, race_processes),
    "threads": Part("X7: 16 threads refresh one token", 300, ("memory",), race_threads),
    "logouts": Part("S01: logged out here, refused there, also after kill -9", 500, ("sqlite",), log_out),
    "gunicorn": Part("S01: ended by one of 4 workers, refused by all", 500, NAMES, log_out_of_fleet),
    "people": Part("S04, R09: a person's logins end amid refreshes", 1000, ("sqlite", *SERVERS), end_amid_refreshes),
    "crashes": Part("X1: kill -9 of workers and servers under refresh load", 50, ("sqlite", *SERVERS), crash),
    "locked": Part("X4: another process holds the file for 1, 5, 30 s", 2, ("sqlite",), breaking.lock_database),
    "broken": Part("X5, X6: the server stopped, killed, cut off, full", 5, SERVERS, breaking.break_server),
    "loading": Part("X6: the server reads what it had written", 3, REDIS, breaking.load_slowly),
    "forgotten": Part("X9: FLUSHALL, an evicted log, a restart with nothing", 5, HASHED, forgetting.forget_all),
    "behind": Part("X9: a fail-over that loses the last moments", 5, REDIS, failing_over.fail_over_behind),
    "promoted": Part("X6: a master of a cluster killed or hung", 6, CLUSTERS, failing_over.fail_over_cluster),
    "clocks": Part("X10: a clock steps by 30 s, a day, 10 years, and back", 3, NAMES, clocks.step_clocks),
    "purges": Part("X10: the same, and what expired by it is purged", 1, NAMES, clocks.purge_by_wrong_clocks),
    "apart": Part("X10: two workers 25 s apart, by turns", 20, NAMES, clocks.set_clocks_apart),
    "tabs": Part("X10: two workers 25 s apart, two tabs at once", 20, NAMES, clocks.race_apart),
    "forked": Part("X12: a fork after first use", 10, NAMES, processes.fork_after_use),
    "stopped": Part("X12: a worker sleeps while a session ends", 10, NAMES, processes.stop_worker),
    "starved": Part("X12: no file descriptor is left", 10, NAMES, processes.exhaust_descriptors),
    "deaf": Part("X12: a worker that cannot hear, and then is alone", 10, SERVERS, processes.deafen),
    "gevent": Part("X12: a gevent worker serves a crowd on a slow storage", 5, SERVERS, processes.cooperate),
}


def main() -> int:
    """Run the chosen parts; 1 if any invariant broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="by default all")
    parser.add_argument("--storages", default="", help=f"of {', '.join(NAMES)}; by default all that fit")
    parser.add_argument("--rounds", type=int, default=0, help="instead of each part's own number")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of what is random")
    chosen = parser.parse_args()
    logging.disable(logging.ERROR)
    wanted = [name for name in chosen.storages.split(",") if name]
    if unknown := set(wanted) - {*NAMES, "memory"}:
        parser.error(f"no such storage: {', '.join(sorted(unknown))}")
    are_clean = [
        _run(name, storage, chosen.rounds or PARTS[name].rounds, chosen.seed)
        for name in chosen.parts or PARTS
        for storage in PARTS[name].storages
        if not wanted or storage in wanted
    ]
    return 0 if all(are_clean) else 1


def _run(name: str, storage: str, rounds: int, seed: int) -> bool:
    title = f"\n{name} on {storage}: {PARTS[name].what}; {rounds} rounds, seed {seed}"
    if reason := why_not(storage):
        print(f"{title}\n  LEFT OUT: {reason}", flush=True)
        return True
    began = time.monotonic()
    try:
        tally = PARTS[name].run(storage, rounds, seed)
    except Exception:  # noqa: BLE001 - the other parts go on
        print(f"{title}\n  ENDED BY AN ERROR\n{traceback.format_exc()}", flush=True)
        return False
    print(f"{title}, {time.monotonic() - began:.0f} s")
    for row, value in tally.rows():
        print(f"  {row:<32}{value:>10}")
    for note in (*tally.notes, *tally.late)[:20]:
        print(f"  BROKEN {note}")
    is_well = tally.is_clean and tally.is_timely
    print(f"  {'every invariant held' if is_well else 'AN INVARIANT BROKE'}", flush=True)
    return is_well


if __name__ == "__main__":
    sys.exit(main())
