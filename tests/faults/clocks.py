"""X10: workers whose clocks step, or differ."""

from __future__ import annotations

import random
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from zlib import crc32

from flask_tessera.errors import ClockJumpError
from flask_tessera.services.purging import purge
from flask_tessera.storage.from_url import open_storage
from tests.servers import wait_until

from .application import InProcess, Reply
from .places import fresh
from .tally import Tally
from .trial import BOUND, Trial

if TYPE_CHECKING:
    from collections.abc import Collection

DAY = 86_400
STEPS = {"+30 s": 30, "-30 s": -30, "-1 day": -DAY, "+10 years": 3_652 * DAY}
APART = 25
"""Seconds."""
SMALL = 30
"""Seconds that a clock may be wrong without anybody noticing."""


class Worker(InProcess):
    """An application with a clock that can be set wrong: real seconds, and some."""

    def __init__(self, url: str, secret: str, offset: int = 0) -> None:
        self.offset = offset
        super().__init__(url, secret, clock=lambda: int(time.time()) + self.offset)

    def purge(self) -> None:
        """Forget what has expired; a clock that has jumped may be refused."""
        with self.app.app_context(), suppress(ClockJumpError):
            runtime = self.tessera.runtime
            purge(runtime.storage, at=runtime.clock(), batch=1_000)


def step_clocks(
    name: str, rounds: int, seed: int = 0, *, only: Collection[str] = STEPS, purges_late: bool = False
) -> Tally:
    """One of two workers is set wrong in each of the ways so many times, and right again.

    Args:
        name: of the storage.
        rounds: how often each.
        seed: of their order.
        only: which ways.
        purges_late: whether what has expired is forgotten only after somebody has logged in by the wrong clock.
    """
    tally = Tally()
    steps = [*only] * rounds
    random.Random(seed).shuffle(steps)
    secret = secrets.token_hex()
    for step in steps:
        tally.context = f"{name} {step}"
        # Of its own: logins by a wrong clock stay in it.
        with fresh(name) as url:
            _age_log(url)
            with Worker(url, secret) as one, Worker(url, secret) as other, Worker(url, secret) as late:
                Stepping(tally, one, other, late, purges_late=purges_late).step(STEPS[step])
    return tally


def _age_log(url: str) -> None:
    """Let the log be an hour old: of tokens from about its birth, the storage would be asked anyway."""
    storage = open_storage(url)
    storage.revocations.after(0, at=int(time.time()) - 3_600)
    storage.close()


def purge_by_wrong_clocks(name: str, rounds: int, seed: int = 0) -> Tally:
    """The same, but what has expired is forgotten only after somebody has logged in by the wrong clock."""
    return step_clocks(name, rounds, seed, purges_late=True)


class Stepping:
    """Two workers and what their clients hold."""

    def __init__(self, tally: Tally, one: Worker, other: Worker, late: Worker, *, purges_late: bool) -> None:
        self.tally = tally
        self._purges_late = purges_late
        self._one, self._other = one, other
        self._late = late
        """It is used only after the clock was set right again."""
        self._live = self._log_in(self._one)
        self._gone: list[dict[str, Any]] = []
        self._until = 0.0
        self._log_out(self._one, self._log_in(self._one))
        self._log_out(self._other, self._log_in(self._one))

    def step(self, offset: int) -> None:
        """Set one clock, use both workers, set it back: what had ended stays so, what lived lives on."""
        self.tally.add("faults_injected")
        self._refuse_all(self._one, self._other)
        self._one.offset = offset
        self._refuse_all(self._one, self._other)
        if self._purges_late:
            self._use_with(offset)
            self._one.purge()
        else:
            self._one.purge()
            self._use_with(offset)
        self._refuse_all(self._one, self._other)
        self._one.offset = 0
        wait_until(lambda: time.time() >= self._until, "the endings hold everywhere")
        self._refuse_all(self._one, self._other, self._late)
        for worker in (self._one, self._other):
            self._refresh(worker)

    def _use_with(self, offset: int) -> None:
        """Log in, refresh and log out where the clock is wrong."""
        pair = self._log_in(self._one)
        self._insist(self._asked(self._one, "GET", "/me", pair["access_token"]), "a fresh token")
        self._log_out(self._one, pair)
        passing = self._log_in(self._other)
        self._log_out(self._one, passing)
        reply = self._asked(self._one, "GET", "/me", self._live["access_token"])
        if abs(offset) <= SMALL:
            self._insist(reply, "a live token")
            self._refresh(self._one)

    def _refresh(self, worker: Worker) -> None:
        reply = self._asked(worker, "POST", "/auth/refresh", "", {"refresh_token": self._live["refresh_token"]})
        self.tally.add("refreshes_raced")
        self._insist(reply, "the refresh of a live session")
        if reply.status == 200:
            self._live = reply.body["data"]
            self._insist(self._asked(worker, "GET", "/strict", self._live["access_token"]), "its new token")

    def _insist(self, reply: Reply, what: str) -> None:
        if reply.status != 200:
            self.tally.fail("sessions_lost", f"{what}: {reply.said}")

    def _log_in(self, worker: Worker) -> dict[str, Any]:
        pair: dict[str, Any] = self._asked(worker, "POST", "/login", "", {"user": secrets.token_hex(4)}).body["data"]
        return pair

    def _log_out(self, worker: Worker, pair: dict[str, Any]) -> None:
        reply = self._asked(worker, "POST", "/auth/logout", "", {"refresh_token": pair["refresh_token"]})
        if reply.status != 200:
            self.tally.fail("answers_outside_the_contract", f"a log-out: {reply.said}")
            return
        # What it says is by its own clock.
        declared = reply.body["data"]["effective_by"] - worker.offset
        self._until = max(self._until, min(declared, time.time() + BOUND))
        self._gone.append(pair)

    def _refuse_all(self, *workers: Worker) -> None:
        for worker in workers:
            for pair in self._gone:
                self._refuse(worker, pair)

    def _refuse(self, worker: Worker, pair: dict[str, Any]) -> None:
        is_heard = time.time() >= self._until
        for method, path, token, body in (
            ("GET", "/strict", pair["access_token"], None),
            ("POST", "/auth/refresh", "", {"refresh_token": pair["refresh_token"]}),
            ("GET", "/me", pair["access_token"], None),
        ):
            reply = self._asked(worker, method, path, token, body)
            if reply.status == 200 and (path != "/me" or is_heard):
                self.tally.fail("revoked_accepted", f"{path}, clock {worker.offset:+d} s")

    def _asked(self, worker: Worker, *request: Any) -> Reply:
        reply = worker(*request)
        self.tally.answered_in(reply.seconds, str(request[:2]))
        if reply.status not in (200, 401):
            self.tally.fail("answers_outside_the_contract", f"{request[:2]}: {reply.said}")
        return reply


def set_clocks_apart(name: str, rounds: int, _seed: int = 0) -> Tally:
    """Two workers whose clocks differ by 25 s answer the same clients by turns; each token is presented to one."""
    tally = Tally(context=f"{name} {APART} s apart")
    secret = secrets.token_hex()
    with fresh(name) as url, Worker(url, secret) as slow, Worker(url, secret, offset=APART) as fast:

        def by_turns(method: str, path: str, token: str = "", body: Any = None) -> Reply:
            return (slow, fast)[crc32(repr((path, token, body)).encode()) % 2](method, path, token, body)

        with Trial(tally, by_turns) as trial:
            for _ in range(rounds):
                with trial.fault():
                    trial.ask()
    return tally


def race_apart(name: str, rounds: int, _seed: int = 0) -> Tally:
    """Two tabs present one token in one moment, and reach two workers of which the second is 25 s ahead."""
    tally = Tally(context=f"{name} {APART} s apart, two tabs")
    secret = secrets.token_hex()
    with fresh(name) as url, Worker(url, secret) as slow, Worker(url, secret, offset=APART) as fast:
        for _ in range(rounds):
            tally.add("faults_injected")
            pair = slow("POST", "/login", "", {"user": secrets.token_hex(4)}).body["data"]
            body = {"refresh_token": pair["refresh_token"]}
            first, second = (worker("POST", "/auth/refresh", "", body).body["data"] for worker in (slow, fast))
            tally.refreshes_raced += 2
            if first["refresh_token"] != second["refresh_token"]:
                tally.fail("double_spends", "the two tabs got two successors")
            if slow("GET", "/strict", first["access_token"]).status != 200:
                tally.fail("sessions_lost", "the first tab is logged out")
    return tally
