"""X1: `kill -9` under refresh load; what was acknowledged must hold."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import secrets
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flask_tessera.testing import WorkerProcesses

from . import workers
from .places import private
from .tally import Tally

if TYPE_CHECKING:
    from .places import Place

PROCESSES = 2
MOST_LINES = 120
"""A process is killed after it has acknowledged so many steps at most."""


@dataclass
class Life:
    """What is known of one session from acknowledgements."""

    pid: int
    access: str
    refresh: str
    state: str = "live"
    is_left: bool = False
    """Whether its client has given up, since the storage was away."""
    effective_by: float = float("inf")
    """Unix second from which its ending holds in every process."""
    bought: dict[str, str] = field(default_factory=dict)
    """Refresh token to its successor."""


def crash(name: str, rounds: int, seed: int = 0) -> Tally:
    """So many kills, each in the middle of refreshes by several threads: of a worker, or of the storage's server."""
    tally, rng = Tally(context=name), random.Random(seed)
    ours, theirs = multiprocessing.Pipe(duplex=False)
    with (
        private(name) as place,
        WorkerProcesses(PROCESSES, workers.loader, place.url, secrets.token_hex(), theirs) as processes,
    ):
        siege = Siege(tally, place, processes, Heard(tally, ours.fileno()), rng)
        for number in range(rounds):
            if place.server is not None and number % 2:
                siege.kill_server()
            else:
                siege.kill_worker(number // (2 if place.server else 1) % PROCESSES)
        siege.finish()
        if name == "sqlite":
            _check_file(tally, place.url.removeprefix("sqlite:///"))
    return tally


class Heard:
    """Reads the acknowledgements, and checks them as they come."""

    def __init__(self, tally: Tally, descriptor: int) -> None:
        self.tally = tally
        self.lives: dict[str, Life] = {}
        self._descriptor = descriptor
        self._rest = b""

    def listen(self, lines: int) -> None:
        """Wait for so many acknowledgements."""
        os.set_blocking(self._descriptor, True)
        while lines > 0:
            lines -= self._take(os.read(self._descriptor, 65536))

    def drain(self) -> None:
        """Take what is there: whoever wrote it may be dead."""
        os.set_blocking(self._descriptor, False)
        try:
            while True:
                self._take(os.read(self._descriptor, 65536))
        except BlockingIOError:
            return

    def _take(self, data: bytes) -> int:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            pid, what, name, *tokens = json.loads(line)
            self._note(pid, what, name, tokens)
        return len(lines)

    def _note(self, pid: int, what: str, name: str, tokens: list[str]) -> None:
        if what == "error":
            self.tally.fail("answers_outside_the_contract", name)
        elif what == "login":
            self.lives[name] = Life(pid, *tokens)
        elif what == "refresh":
            self.tally.refreshes_raced += 1
            buy(self.tally, self.lives[name], *tokens)
        elif what == "unavailable":
            self.tally.add("unavailable")
            if name in self.lives:
                self.lives[name].is_left = True
        elif what == "ending":
            self.lives[name].state = what
        elif what == "ended":
            self.lives[name].state, self.lives[name].effective_by = what, float(*tokens)


def buy(tally: Tally, life: Life, spent: str, got: str) -> None:
    """Note what a token has bought: within the leeway it may not be two things."""
    if life.bought.setdefault(spent, got) != got:
        tally.fail("double_spends", f"{spent[:12]}… bought two successors")
    life.refresh = got


@dataclass
class Siege:
    """Workers under load, one of which or whose storage is killed again and again."""

    tally: Tally
    place: Place
    processes: WorkerProcesses
    heard: Heard
    rng: random.Random

    def __post_init__(self) -> None:
        self.pids = [self.processes.call(number, ("start",)) for number in range(PROCESSES)]

    def kill_worker(self, victim: int) -> None:
        """Kill a process amid its refreshes, and see how soon a fresh one works and what the old one has left."""
        self.heard.listen(self.rng.randrange(1, MOST_LINES))
        self.processes.kill(victim)
        began = time.monotonic()
        self.tally.add("faults_injected")
        self.processes.restart(victim)
        self.tally.recovered_in(self.processes.call(victim, ("recover", began)))
        self.heard.drain()
        self._settle({self.pids[victim]})
        self.pids[victim] = self.processes.call(victim, ("start",))

    def kill_server(self) -> None:
        """Kill the storage's server under all of them, and see how soon they work with the next one."""
        self.heard.listen(self.rng.randrange(1, MOST_LINES))
        self.place.server.kill()
        self.tally.add("faults_injected")
        self.place.server.restart()
        began = time.monotonic()
        for number in range(PROCESSES):
            self.tally.recovered_in(self.processes.call(number, ("recover", began)))
        self.heard.listen(1)
        self._settle(set())

    def finish(self) -> None:
        """Kill all, and see what they have left."""
        for victim in range(PROCESSES):
            self.processes.kill(victim)
            self.processes.restart(victim)
        self.heard.drain()
        self._settle(set(self.pids))

    def _settle(self, pids: set[int]) -> None:
        """Ask about every session of those that died, and of those that gave up."""
        lives = self.heard.lives
        for name, life in [(name, life) for name, life in lives.items() if life.pid in pids or life.is_left]:
            answers = self.processes.call(0, ("settle", life.refresh))
            accepted = self.processes.call(1, ("verify", life.access))
            if life.state == "live":
                _check_live(self.tally, life, answers, accepted)
            elif life.state == "ended":
                _check_ended(self.tally, life, answers, accepted)
            del lives[name]


def _check_ended(tally: Tally, life: Life, answers: list[str], accepted: dict[str, float]) -> None:
    bought = any(answer.startswith("tsr_") for answer in answers)
    if bought or "strict" in accepted or accepted.get("bounded", 0) >= life.effective_by:
        tally.fail("revoked_accepted", f"{answers}, accepted: {accepted}")


def _check_live(tally: Tally, life: Life, answers: list[str], accepted: dict[str, float]) -> None:
    if len(accepted) < 2 or not all(answer.startswith("tsr_") for answer in answers):
        tally.fail("sessions_lost", f"{answers}, access token accepted: {[*accepted]}")
        return
    if len(set(answers)) > 1:
        tally.fail("double_spends", f"{life.refresh[:12]}… bought two successors after the crash")


def _check_file(tally: Tally, path: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        (said,) = connection.execute("PRAGMA integrity_check").fetchone()
    if said != "ok":
        tally.fail("sessions_lost", f"the file is damaged: {said}")
