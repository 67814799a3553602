"""X7: many threads of many processes present one refresh token at once."""

from __future__ import annotations

from collections import Counter

from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing import WorkerProcesses
from flask_tessera.testing.contract.base import begin, stored

from . import workers
from .places import fresh
from .tally import Tally

PROCESSES = 4


def race_processes(name: str, rounds: int, _seed: int = 0) -> Tally:
    """So many rounds of 16 threads in 4 processes on one storage."""
    with refreshers() as processes:
        return race_in(processes, name, rounds)


def refreshers() -> WorkerProcesses:
    """Processes that refresh at once."""
    return WorkerProcesses(PROCESSES, workers.refresher)


def race_in(processes: WorkerProcesses, name: str, rounds: int) -> Tally:
    """The same by processes that there are already."""
    tally = Tally(context=name)
    with fresh(name) as url:
        storage = open_storage(url)
        session = begin(storage)
        for gen in range(rounds):
            answers = [answer for each in processes.race((url, session.sid, gen)) for answer in each]
            _count(tally, answers, gen)
        if stored(storage, session).gen != rounds:
            tally.fail("double_spends", f"{rounds} refreshes led to generation {stored(storage, session).gen}")
        storage.close()
    return tally


def race_threads(name: str, rounds: int, _seed: int = 0) -> Tally:
    """So many rounds of threads in one process."""
    tally = Tally(context=name)
    with fresh(name) as url:
        storage = open_storage(url)
        session = begin(storage)
        for gen in range(rounds):
            _count(tally, workers.refresh_at_once(storage, session.sid, gen), gen)
    return tally


def _count(tally: Tally, answers: list[tuple[str, int]], gen: int) -> None:
    tally.refreshes_raced += len(answers)
    outcomes = Counter(outcome for outcome, _ in answers)
    polite = outcomes.pop("StorageUnavailableError", 0)
    if polite == len(answers) or set(outcomes) - {"rotated", "same"}:
        tally.fail("answers_outside_the_contract", f"generation {gen}: {dict(outcomes)}, {polite} unavailable")
    successors = {got for outcome, got in answers if outcome in ("rotated", "same")}
    if outcomes["rotated"] > 1 or successors - {gen + 1}:
        tally.fail("double_spends", f"generation {gen} bought {sorted(successors)}: {dict(outcomes)}")
