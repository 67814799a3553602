"""X12: workers that were forked after first use, that were stopped, that have no descriptors left, or cannot hear."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import time
from typing import TYPE_CHECKING, Any

from flask_tessera.testing import WorkerProcesses, race
from tests.servers import wait_until

from . import sufferers
from .application import InProcess
from .gunicorn import Gunicorn
from .places import REDIS, fresh, private
from .proxy import Proxy
from .tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from .application import Reply

LOG = {"postgres": (b"LISTEN",), "mariadb": (b"SELECT log_id",)}
"""Marks of the request that waits for something new in the log; of Redis it is XREAD."""
CHILDREN = 3
CROWD = 10
DELAY = 0.3
"""Seconds for which a reply is delayed: a crowd that waits one after the other waits ten times as long."""


def servants() -> WorkerProcesses:
    """Processes to which something is done."""
    return WorkerProcesses(2, sufferers.servant)


def fork_after_use(name: str, rounds: int, _seed: int = 0, *, processes: WorkerProcesses | None = None) -> Tally:
    """A process that has used its storage forks, and all go on; so many times."""
    tally = Tally(context=f"{name} forked")
    with fresh(name) as url, _borrowed(processes) as used:
        secret = secrets.token_hex()
        for _ in range(rounds):
            tally.add("faults_injected")
            for note in used.call(0, ("fork", url, secret, CHILDREN)):
                tally.fail("answers_outside_the_contract", note)
    return tally


def stop_worker(name: str, rounds: int, _seed: int = 0, *, processes: WorkerProcesses | None = None) -> Tally:
    """A worker is stopped while a session ends elsewhere, and goes on after the bound: with the very next request."""
    tally, secret = Tally(context=f"{name} stopped worker"), secrets.token_hex()
    with fresh(name) as url, _borrowed(processes) as used, contextlib.ExitStack() as stack:
        # Where it can be told what tells it of endings, that comes later than the request.
        deaf = stack.enter_context(Proxy(url)) if name in REDIS else None
        for _ in range(rounds):
            with deaf.fault("hold", b"XREAD") if deaf else contextlib.nullcontext():
                _stop_once(
                    tally,
                    lambda *request: used.call(0, ("answer", url, secret, request)),
                    Sleeper(used, deaf.url if deaf else url, secret),
                )
    return tally


class Sleeper:
    """The worker that is stopped."""

    def __init__(self, processes: WorkerProcesses, url: str, secret: str) -> None:
        self._processes = processes
        self._url, self._secret = url, secret
        self._process = 0

    def send(self, *request: Any) -> None:
        """Ask without waiting."""
        self._processes.send(1, ("answer", self._url, self._secret, request))

    def receive(self) -> Reply:
        """What it has answered."""
        reply: Reply = self._processes.receive(1)
        self._process = int(reply.worker)
        return reply

    def signal(self, number: signal.Signals) -> None:
        """Stop it, or let it go on."""
        os.kill(self._process, number)


def _stop_once(tally: Tally, call: Callable[..., Reply], sleeper: Sleeper) -> None:
    pair = call("POST", "/login", "", {"user": "u"}).body["data"]
    asked = ("GET", "/me", pair["access_token"])
    for _ in range(2):  # at the first it has begun to listen
        sleeper.send(*asked)
        _insist(tally, sleeper.receive(), 200, "before")
    sleeper.signal(signal.SIGSTOP)
    tally.add("faults_injected")
    ended = call("POST", "/auth/logout", pair["access_token"], {})
    sleeper.send(*asked)
    wait_until(lambda: time.time() >= ended.body["data"]["effective_by"], "the ending holds everywhere")
    sleeper.signal(signal.SIGCONT)
    reply = sleeper.receive()
    if reply.status != 401:
        tally.fail("revoked_accepted", f"by a worker that had slept: {reply.said}")


def exhaust_descriptors(name: str, rounds: int, _seed: int = 0, *, processes: WorkerProcesses | None = None) -> Tally:
    """A process has used up its file descriptors, and gets them back; so many times."""
    with fresh(name) as url, _borrowed(processes) as used:
        tally: Tally = used.call(0, ("starve", url, secrets.token_hex(), rounds))
    tally.context = f"{name} without descriptors"
    return tally


def _borrowed(processes: WorkerProcesses | None) -> contextlib.AbstractContextManager[WorkerProcesses]:
    return contextlib.nullcontext(processes) if processes else servants()


def deafen(name: str, rounds: int, _seed: int = 0) -> Tally:
    """One worker cannot hear of endings: it asks the storage; then that is gone too: it refuses with 503."""
    tally, secret = Tally(), secrets.token_hex()
    with (
        private(name) as place,
        Proxy(place.url) as proxy,
        InProcess(proxy.url, secret) as deaf,
        InProcess(place.url, secret) as other,
    ):
        for number in range(rounds):
            kind = ("cut", "hold")[number % 2]
            tally.context = f"{name} deaf, {kind}"
            _end_unheard(tally, proxy, deaf, other, LOG.get(name, (b"XREAD",)), kind)
        tally.context = f"{name} deaf, and alone"
        _refuse_alone(tally, proxy, deaf)
    return tally


def _end_unheard(
    tally: Tally, proxy: Proxy, deaf: InProcess, other: InProcess, marks: tuple[bytes, ...], kind: Any
) -> None:
    live, ended = _log_in(other), _log_in(other)
    for pair in (live, ended):
        _insist(tally, deaf("GET", "/me", pair["access_token"]), 200, "before")
    with proxy.fault(kind, *marks) as fault:
        proxy.reset()
        wait_until(lambda: fault.struck, "it listens")
        tally.add("faults_injected")
        reply = other("POST", "/auth/logout", ended["access_token"], {})
        ended_at, effective_by = time.time(), reply.body["data"]["effective_by"]
        while (reply := deaf("GET", "/me", ended["access_token"])).status == 200:
            tally.refused_after(reply.sent_at - ended_at)
            if reply.sent_at >= effective_by:
                tally.fail("revoked_accepted", "by a worker that cannot hear")
                break
        _insist(tally, deaf("GET", "/me", live["access_token"]), 200, "a live session")
        _insist(tally, deaf("GET", "/me", ended["access_token"]), 401, "an ended session")


def _refuse_alone(tally: Tally, proxy: Proxy, deaf: InProcess) -> None:
    pair = _log_in(deaf)
    with proxy.refusing():
        tally.add("faults_injected")
        began = time.monotonic()
        asked = ("GET", "/me", pair["access_token"])
        wait_until(lambda: deaf(*asked).status != 200, "a worker that is alone trusts itself no more")
        tally.refused_after(time.monotonic() - began)
        reply = deaf(*asked)
        _insist(tally, reply, 503, "a worker that is alone")
        tally.answered_in(reply.seconds, "GET /me")
    healed_at = time.monotonic()
    wait_until(lambda: deaf(*asked).status == 200, "it hears again")
    tally.recovered_in(time.monotonic() - healed_at)


def _log_in(call: InProcess) -> dict[str, Any]:
    pair: dict[str, Any] = call("POST", "/login", "", {"user": secrets.token_hex(4)}).body["data"]
    return pair


def _insist(tally: Tally, reply: Reply, wanted: int, what: str) -> None:
    if reply.status != wanted:
        tally.fail("answers_outside_the_contract", f"{what}: {reply.said}, not {wanted}")


def cooperate(name: str, rounds: int, _seed: int = 0) -> Tally:
    """One gevent worker serves a crowd while its storage is slow: nobody waits for all the others."""
    tally = Tally(context=f"{name} gevent")
    with private(name) as place, contextlib.ExitStack() as stack:
        proxy = stack.enter_context(Proxy(place.url))
        gunicorn = stack.enter_context(Gunicorn(proxy.url, workers=1, kind="gevent"))
        pair = gunicorn("POST", "/login", "", {"user": "u"}).body["data"]

        def ask(_number: int) -> Reply:
            return gunicorn("GET", "/strict", pair["access_token"])

        race(CROWD, ask)  # which opens the connections
        for _ in range(rounds):
            with proxy.fault("delay", seconds=DELAY) as slow:
                tally.add("faults_injected")
                replies = race(CROWD, ask)
                # Where the machine is slow, those of a crowd may come one after the other.
                wait_until(lambda: slow.most_at_once > 1 or not race(CROWD, ask), "several are served at once")
            worst = max(reply.seconds for reply in replies)
            if worst > CROWD * DELAY / 2:
                tally.come_late(f"a crowd waited {worst:.1f} s")
            for reply in replies:
                if reply.status == 503:
                    # Documented; whether there was time for all of them is a matter of the machine.
                    tally.come_late(f"one of a crowd was told {reply.said}")
                elif reply.status != 200:
                    tally.fail("answers_outside_the_contract", reply.said)
    return tally
