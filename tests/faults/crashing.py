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
from pathlib import Path
from tempfile import TemporaryDirectory

from flask_tessera.testing import Crew

from . import workers
from .tally import Tally

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
    bought: dict[str, str] = field(default_factory=dict)
    """Refresh token to its successor."""


def crash(rounds: int, seed: int = 0) -> Tally:
    """So many kills, each in the middle of refreshes by several threads."""
    tally, dice = Tally(), random.Random(seed)
    ours, theirs = multiprocessing.get_context("spawn").Pipe(duplex=False)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tessera.db"
        arguments = (f"sqlite:///{path}", secrets.token_hex(), theirs)
        with Crew(PROCESSES, workers.loader, *arguments) as crew:
            heard = Heard(tally, ours.fileno())
            pids = [crew.call(number, ("start",)) for number in range(PROCESSES)]
            for number in range(rounds):
                victim = number % PROCESSES
                pids[victim] = _kill_once(tally, heard, crew, victim, pids[victim], dice)
            for victim in range(PROCESSES):
                crew.kill(victim)
                crew.restart(victim)
            heard.drain()
            _settle(tally, heard, crew, set(pids))
        _check_file(tally, path)
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
        elif what in ("ending", "ended"):
            self.lives[name].state = what


def buy(tally: Tally, life: Life, spent: str, got: str) -> None:
    """Note what a token has bought: within the leeway it may not be two things."""
    if life.bought.setdefault(spent, got) != got:
        tally.fail("double_spends", f"{spent[:12]}… bought two successors")
    life.refresh = got


def _kill_once(tally: Tally, heard: Heard, crew: Crew, victim: int, pid: int, dice: random.Random) -> int:
    heard.listen(dice.randrange(1, MOST_LINES))
    crew.kill(victim)
    began = time.monotonic()
    tally.faults_injected += 1
    crew.restart(victim)
    tally.recovered_in(crew.call(victim, ("recover", began)))
    heard.drain()
    _settle(tally, heard, crew, {pid})
    return crew.call(victim, ("start",))


def _settle(tally: Tally, heard: Heard, crew: Crew, pids: set[int]) -> None:
    """Ask another process about every session of those that died."""
    for name, life in [(name, life) for name, life in heard.lives.items() if life.pid in pids]:
        answers = crew.call(0, ("settle", life.refresh))
        accepted = crew.call(1, ("verify", life.access)) == "accepted"
        if life.state == "live":
            _check_live(tally, life, answers, accepted)
        elif life.state == "ended" and (accepted or any(answer.startswith("tsr_") for answer in answers)):
            tally.fail("revoked_accepted", f"{name}: {answers}")
        del heard.lives[name]


def _check_live(tally: Tally, life: Life, answers: list[str], accepted: bool) -> None:
    if not accepted or not all(answer.startswith("tsr_") for answer in answers):
        tally.fail("sessions_lost", f"{answers}, access token accepted: {accepted}")
        return
    if len(set(answers)) > 1:
        tally.fail("double_spends", f"{life.refresh[:12]}… bought two successors after the crash")


def _check_file(tally: Tally, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        (said,) = connection.execute("PRAGMA integrity_check").fetchone()
    if said != "ok":
        tally.fail("sessions_lost", f"the file is damaged: {said}")
