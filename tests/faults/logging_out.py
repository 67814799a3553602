"""S01: logged out in one process, refused by the next request in every other, also when the first one dies."""

from __future__ import annotations

import secrets
import time
from typing import Any

from flask_tessera.testing import WorkerProcesses

from . import workers
from .places import fresh
from .tally import Tally

PROCESSES = 4
KILL_EVERY = 10
"""Each tenth process that has logged somebody out is killed right after its answer."""


def log_out(name: str, rounds: int, _seed: int = 0) -> Tally:
    """So many log-outs, each asked about in the three other processes."""
    tally = Tally(context=name)
    with fresh(name) as url, WorkerProcesses(PROCESSES, workers.application, url, secrets.token_hex()) as processes:
        for number in range(rounds):
            _round(tally, processes, number)
    return tally


def _round(tally: Tally, processes: WorkerProcesses, number: int) -> None:
    first, *others = [(number + step) % PROCESSES for step in range(PROCESSES)]
    pair = _ask(tally, processes, others[0], ("POST", "/login", "", {"user": str(number)}), 200)["data"]
    for each in others:
        _ask(tally, processes, each, ("GET", "/me", pair["access_token"], None), 200)
    _ask(tally, processes, first, ("POST", "/auth/logout", pair["access_token"], None), 200)
    tally.faults_injected += 1
    dies = number % KILL_EVERY == KILL_EVERY - 1
    if dies:
        processes.kill(first)
    for each in others:
        for order in (
            ("GET", "/me", pair["access_token"], None),
            ("POST", "/auth/refresh", "", {"refresh_token": pair["refresh_token"]}),
        ):
            status, body = processes.call(each, order)
            if status == 200:
                tally.fail("revoked_accepted", f"round {number}: {order[1]} in another process")
            elif (status, body["error"]) != (401, "session_logout"):
                tally.fail("answers_outside_the_contract", f"{order[1]}: {status} {body}")
    if dies:
        _revive(tally, processes, first, pair["access_token"])


def _revive(tally: Tally, processes: WorkerProcesses, number: int, token: str) -> None:
    began = time.monotonic()
    processes.restart(number)
    status, _ = processes.call(number, ("GET", "/me", token, None))
    tally.recovered_in(time.monotonic() - began)
    if status != 401:
        tally.fail("revoked_accepted", f"by a fresh process: {status}")


def _ask(tally: Tally, processes: WorkerProcesses, number: int, order: tuple[object, ...], wanted: int) -> Any:
    status, body = processes.call(number, order)
    if status != wanted:
        tally.fail("answers_outside_the_contract", f"{order[1]}: {status} {body}")
        raise RuntimeError(f"{order[1]} was answered with {status} {body}")
    return body
