"""P9: logins per second, and the memory they take."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import peers
from .login_service import PASSWORD, LoginService, cores, open_service
from .results import Goal, Result
from .timing import SHORT

if TYPE_CHECKING:
    from collections.abc import Callable

    from .timing import Effort

OURS = "ours: POST /login, a client for each slot"
OURS_WAITING = "ours: POST /login, two clients for each slot"
BARE = "bare argon2id, a thread for each slot"
PER_THREAD = 8
"""Logins of each user in one turn: half a second in all."""
CROWD = 8
"""Clients per slot in the storm."""
MEBIBYTE = 2**20
HASH = 19 * MEBIBYTE
"""Bytes that argon2id takes with the parameters of OWASP's minimum."""
COLUMNS = ("what", "version", "best", "median", "CPU ms each")


@dataclass(frozen=True, slots=True)
class _Rates:
    """Per second and CPU milliseconds each, a pair for each turn."""

    turns: list[tuple[float, float]]

    @property
    def best(self) -> float:
        return max(rate for rate, _ in self.turns)

    @property
    def median(self) -> float:
        return statistics.median(rate for rate, _ in self.turns)

    @property
    def cpu(self) -> float:
        return statistics.median(cpu for _, cpu in self.turns)


def run(effort: Effort) -> Result:
    """Log in and hash bare in turns, on as many threads as there are cores; then let a crowd in."""
    slots = cores()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        service = open_service(Path(folder), slots=slots, users=2 * slots)
        rates = _throughput(service, slots, effort)
        stored = service.app.extensions["tessera_service"].passwords.hash(PASSWORD)
    attempts = 1 if effort == SHORT else 12
    few, many = (_storm(slots, clients, attempts, stored) for clients in (slots, CROWD * slots))
    versions = {BARE: peers.version_of("argon2-cffi")}
    rows: list[tuple[Any, ...]] = [
        (f"{name}, per s", versions.get(name, ""), found.best, found.median, found.cpu) for name, found in rates.items()
    ]
    rows += [
        (f"memory added by {slots} clients, MiB", "", None, _growth(few) / MEBIBYTE, None),
        (f"memory added by {CROWD * slots} clients, MiB", "", None, _growth(many) / MEBIBYTE, None),
    ]
    notes = [
        f"{slots} hash slots, sessions in SQLite; wall time, so other work on the machine counts.",
        f"Responses to {CROWD * slots} clients by status: {many['statuses']}; peak {many['peak'] / MEBIBYTE:.0f} MiB.",
        "Memory is counted in hashes of 19 MiB; one more than the slots is allowed for all the rest.",
    ]
    return Result("P9", "login throughput", COLUMNS, rows, _goals(rates, many, slots), notes)


def _goals(rates: dict[str, _Rates], storm: dict[str, Any], slots: int) -> list[Goal]:
    ours, bare = rates[OURS], rates[BARE]
    refused = storm["statuses"].get("429", 0)
    added = _growth(storm) / HASH if storm["peak"] else None
    strange = sum(storm["statuses"].values()) - refused - storm["statuses"].get("200", 0)
    return [
        Goal("logins ÷ bare hashes, per second", 0.95, True, ours.median / bare.median, ours.best / bare.best),
        Goal("memory added by the crowd, in hashes", slots + 1, False, added),
        Goal("excess logins answered 429", 1, True, float(refused)),
        Goal("answers neither 200 nor 429", 0, False, float(strange)),
    ]


def _throughput(service: LoginService, slots: int, effort: Effort) -> dict[str, _Rates]:
    from argon2.low_level import Type, hash_secret_raw

    password, salt = PASSWORD.encode(), bytes(16)

    def log_in(phone: str) -> None:
        if service.log_in(phone) != 200:
            raise ValueError("a login of the benchmark was refused")

    def hash_bare(_phone: str) -> None:
        hash_secret_raw(password, salt, 2, 19_456, 1, 32, Type.ID, 19)

    each = 1 if effort == SHORT else PER_THREAD
    rates = {name: _Rates([]) for name in (OURS, BARE, OURS_WAITING)}
    with ThreadPoolExecutor(slots) as pool, ThreadPoolExecutor(2 * slots) as larger:
        parts = [(OURS, pool, log_in), (BARE, pool, hash_bare), (OURS_WAITING, larger, log_in)]
        for number in range(effort.logins + 1):
            for name, threads, work in parts[number % 3 :] + parts[: number % 3]:
                turn = _turn(threads, work, service.phones * each)
                if number:  # the first was to warm up
                    rates[name].turns.append(turn)
    return rates


def _turn(pool: ThreadPoolExecutor, work: Callable[[str], None], phones: list[str]) -> tuple[float, float]:
    """Operations per second of wall time, and CPU milliseconds of each."""
    wall, cpu = time.perf_counter(), time.process_time()
    list(pool.map(work, phones))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return len(phones) / wall, 1000 * cpu / len(phones)


def _storm(slots: int, clients: int, attempts: int, stored: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.login_storm", *map(str, (slots, clients, attempts)), stored]
    done = subprocess.run(command, check=True, cwd=peers.ROOT, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _growth(storm: dict[str, Any]) -> int:
    return int(storm["peak"] - storm["before"])
