"""X6, X9: a master is lost and its replica takes its place, with all it had or without its last moments."""

from __future__ import annotations

import contextlib
import secrets
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from flask_tessera.signals import store_behind
from tests.servers import RedisServer, wait_until

from .application import InProcess
from .places import DURABLE, private
from .proxy import Proxy
from .tally import READY_WITHIN, Tally
from .trial import BOUND, GIVEN_UP_AFTER, Trial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .application import Reply

REFRESHES = 3
"""Of each session, while nothing reaches the replica: more than a predecessor that is kept could bridge."""
SESSIONS = 3
WAYS = ("this", "all")


@dataclass
class Pair:
    """A master and its replica, behind one address."""

    master: RedisServer
    replica: RedisServer
    link: Proxy
    """Between both."""
    address: Proxy
    """Where the application finds whoever is master."""

    def has_caught_up(self) -> bool:
        """Whether the replica has all that was written."""
        said = self.replica.tell("INFO", "replication")
        there = self.master.tell("INFO", "replication")["master_repl_offset"]
        return bool(said.get("master_link_status") == "up" and said["slave_repl_offset"] == there)

    def lose_master(self) -> None:
        """Kill it, forget what was under way to the replica, and let that one take its place."""
        self.master.kill()
        self.link.reset()

    def promote(self) -> None:
        """Make the replica the master, and lead the address to it."""
        self.replica.ask("REPLICAOF", "NO", "ONE")
        self.address.target = ("127.0.0.1", self.replica.port)
        self.address.reset()


@contextlib.contextmanager
def pair_of(name: str) -> Iterator[Pair]:
    """A master of this kind with a replica that has its data."""
    with RedisServer(name, options=DURABLE) as master, Proxy(master.url) as link, Proxy(master.url) as address:
        replica: Any = RedisServer(name, options=DURABLE)
        with replica:
            replica.ask("REPLICAOF", "127.0.0.1", link.port)
            pair = Pair(master, replica, link, address)
            wait_until(pair.has_caught_up, "the replica has the data")
            yield pair


def fail_over_behind(name: str, rounds: int, _seed: int = 0) -> Tally:
    """Nothing reaches the replica any more, then the master dies, then the replica is promoted; so many times."""
    tally = Tally(context=f"{name} behind")
    for _ in range(rounds):
        with pair_of(name) as pair, InProcess(pair.address.url) as call:
            FailOver(tally, pair, call).run()
    return tally


@dataclass
class FailOver:
    """What clients hold, and what became of it."""

    tally: Tally
    pair: Pair
    call: InProcess
    gone: list[dict[str, Any]] = field(default_factory=list)
    adopted: int = 0

    def run(self) -> None:
        """Lose the last moments; sessions are adopted, and what was said to have ended stays so."""
        live = [self._log_in() for _ in range(SESSIONS)]
        leaving = [self._log_in() for _ in WAYS]
        self._log_out(self._log_in(), "this")
        if not self.gone:
            self.tally.fail("answers_outside_the_contract", "no log-out works although the replica hears all")
        wait_until(self.pair.has_caught_up, "the replica has the data")
        with self.pair.link.fault("hold") as hold:
            live = [self._refresh_often(each) for each in live]
            for each, way in zip(leaving, WAYS, strict=True):
                self._log_out(each, way)
            ended_at = time.time()
            self.pair.lose_master()
        if not hold.struck:
            raise RuntimeError("nothing was kept from the replica")
        self._promote()
        with store_behind.connected_to(self._adopt, self.call.app):
            for each in live:
                self._check_live(each)
        if self.adopted != SESSIONS:
            self.tally.fail("sessions_lost", f"{self.adopted} of {SESSIONS} sessions were told of as adopted")
        wait_until(lambda: time.time() > ended_at + BOUND, "the endings hold everywhere")
        for each in self.gone:
            self._check_gone(each)

    def _promote(self) -> None:
        self.tally.add("faults_injected")
        self.pair.promote()
        began = time.monotonic()
        wait_until(lambda: self._asked("POST", "/login", "", {"user": "new"}).status == 200, "it works again")
        self.tally.recovered_in(time.monotonic() - began)

    def _adopt(self, _sender: object, event: object) -> None:
        self.adopted += 1

    def _check_live(self, pair: dict[str, Any]) -> None:
        if (reply := self._asked("GET", "/strict", pair["access_token"])).status != 200:
            self.tally.fail("sessions_lost", f"an access token that the storage has forgotten: {reply.said}")
        self._refresh_often(pair)

    def _check_gone(self, pair: dict[str, Any]) -> None:
        for path in ("/me", "/strict"):
            if self._asked("GET", path, pair["access_token"]).status == 200:
                self.tally.fail("revoked_accepted", f"{path} after the fail-over")
        if self._asked("POST", "/auth/refresh", "", {"refresh_token": pair["refresh_token"]}).status == 200:
            self.tally.fail("revoked_accepted", "refresh after the fail-over")

    def _refresh_often(self, pair: dict[str, Any]) -> dict[str, Any]:
        for _ in range(REFRESHES):
            reply = self._asked("POST", "/auth/refresh", "", {"refresh_token": pair["refresh_token"]})
            self.tally.add("refreshes_raced")
            if reply.status != 200:
                self.tally.fail("sessions_lost", f"a refresh: {reply.said}")
                return pair
            pair = reply.body["data"]
        return pair

    def _log_in(self) -> dict[str, Any]:
        reply = self._asked("POST", "/login", "", {"user": secrets.token_hex(4)})
        pair: dict[str, Any] = reply.body["data"]
        return pair

    def _log_out(self, pair: dict[str, Any], which: str) -> None:
        body = {"refresh_token": pair["refresh_token"], "which": which}
        if self._asked("POST", "/auth/logout", "", body).status == 200:
            self.gone.append(pair)

    def _asked(self, method: str, path: str, token: str, body: object = None) -> Reply:
        reply = self.call(method, path, token, body)
        self.tally.answered_in(reply.seconds, f"{method} {path}")
        if reply.status == 503:
            self.tally.add("unavailable")
        if reply.status not in (200, 401, 503):
            self.tally.fail("answers_outside_the_contract", f"{method} {path}: {reply.said}")
        return reply


def fail_over_cluster(name: str, rounds: int, _seed: int = 0) -> Tally:
    """The master with most of the keys dies or hangs, by turns, and nobody but its replica helps; so many times."""
    tally = Tally()
    with private(name) as place, InProcess(place.url) as call, Trial(tally, call, live=8) as trial:
        masters = len(place.server.masters())
        for number in range(rounds):
            victim = max(place.server.masters(), key=lambda node: int(node.ask("DBSIZE")))
            tally.context = f"{name} master {'hung' if number % 2 else 'killed'}"
            wait_until(partial(_has_replica, victim), "its replica has its data")
            with trial.fault():
                (victim.stop if number % 2 else victim.kill)()
                trial.ask()
                # One that comes back before would stay the master.
                wait_until(lambda: len(place.server.masters()) == masters, "its replica takes its place")
            _bring_back(place.server, victim, is_hung=bool(number % 2))
            trial.settle()
    return tally


def _has_replica(node: RedisServer) -> bool:
    said = node.tell("INFO", "replication")
    first = dict(each.split("=") for each in said.get("slave0", "offset=-1").split(","))
    return first["offset"] == said["master_repl_offset"]


def _bring_back(cluster: Any, victim: RedisServer, *, is_hung: bool) -> None:
    if is_hung:
        victim.cont()
    else:
        victim.restart()
    cluster.wait_until_ok(GIVEN_UP_AFTER + READY_WITHIN)
    wait_until(lambda: victim not in cluster.masters(), "it has become a replica")
