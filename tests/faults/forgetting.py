"""X9: Redis forgets all, or the last moments before a fail-over."""

from __future__ import annotations

import secrets
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import redis

from tests.servers import wait_until

from .application import InProcess
from .places import CLUSTERS, private
from .tally import Tally
from .trial import BOUND

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import RedisServer

    from .application import Reply
    from .places import Place


def forget_all(name: str, rounds: int, _seed: int = 0) -> Tally:
    """FLUSHALL under two workers, an eviction of the log, and a restart with nothing on the disk, by turns."""
    tally = Tally()
    ways = WAYS if name not in CLUSTERS else {title: way for title, way in WAYS.items() if title != "restarted empty"}
    with private(name, appendonly="no") as place:
        secret = secrets.token_hex()
        with InProcess(place.url, secret) as one, InProcess(place.url, secret) as other:
            for _ in range(rounds):
                for title, (way, is_all) in ways.items():
                    tally.context = f"{name} {title}"
                    Forgetting(tally, one, other).forget(partial(way, place), is_all=is_all)
    return tally


def _flush(place: Place) -> None:
    for node in _nodes(place):
        node.ask("FLUSHALL")


def _restart(place: Place) -> None:
    place.server.restart()


def _drop_log(place: Place) -> None:
    for node in _nodes(place):
        with redis.Redis(port=node.port) as client:
            for key in client.scan_iter(_type="STREAM"):
                client.delete(key)


def _nodes(place: Place) -> list[RedisServer]:
    masters: list[RedisServer] = place.server.masters() if place.name in CLUSTERS else [place.server]
    return masters


WAYS: dict[str, tuple[Callable[[Place], None], bool]] = {
    "flushed": (_flush, True),
    "log evicted": (_drop_log, False),
    "restarted empty": (_restart, True),
}
"""Each with whether sessions are forgotten too."""


class Forgetting:
    """Two workers, and sessions that lived or had ended before their storage forgot."""

    def __init__(self, tally: Tally, *workers: InProcess) -> None:
        self._tally = tally
        self._workers = workers
        self._live = self._log_in()
        self._ended = self._log_in()
        for worker in workers:
            for pair in (self._live, self._ended):
                self._insist(worker("GET", "/me", pair["access_token"]), 200, "before")
        self._insist(self._log_out(self._ended), 200, "log-out")

    def forget(self, way: Callable[[], None], *, is_all: bool) -> None:
        """Let it forget; who was ended stays refused, who is unknown is refused, and new logins work at once."""
        wait_until(lambda: not self._is_accepted(self._ended), "the ending is heard")
        way()
        self._tally.add("faults_injected")
        forgotten_at = time.monotonic()
        self._refuse(self._ended)
        wait_until(self._is_in_use_again, "new logins work")
        self._tally.recovered_in(time.monotonic() - forgotten_at)
        if is_all:
            self._refuse_unknown(forgotten_at)
        else:
            self._insist(self._refresh(self._live), 200, "a session that is kept")
        self._refuse(self._ended)

    def _refuse_unknown(self, forgotten_at: float) -> None:
        for worker in self._workers:
            self._insist(worker("GET", "/strict", self._live["access_token"]), 401, "strict, unknown")
        self._insist(self._refresh(self._live), 401, "the refresh of an unknown session")
        wait_until(lambda: not self._is_accepted(self._live), "unknown means refused")
        delay = time.monotonic() - forgotten_at
        self._tally.refused_after(delay)
        if delay > BOUND + 1:
            self._tally.come_late(f"unknown sessions were accepted for {delay:.1f} s")

    def _is_in_use_again(self) -> bool:
        """A session begins, is known to all workers at once, and ends."""
        reply = self._workers[0]("POST", "/login", "", {"user": secrets.token_hex(4)})
        if reply.status != 200:
            self._insist(reply, 503, "a login")
            return False
        pair = reply.body["data"]
        for worker in self._workers:
            self._insist(worker("GET", "/me", pair["access_token"]), 200, "a new session")
        self._insist(self._log_out(pair), 200, "its log-out")
        self._refuse(pair, paths=("/strict",))
        return True

    def _refuse(self, pair: dict[str, Any], paths: tuple[str, ...] = ("/me", "/strict")) -> None:
        for worker in self._workers:
            for path in paths:
                if worker("GET", path, pair["access_token"]).status == 200:
                    self._tally.fail("revoked_accepted", path)
        if self._refresh(pair).status == 200:
            self._tally.fail("revoked_accepted", "refresh")

    def _is_accepted(self, pair: dict[str, Any]) -> bool:
        return any(worker("GET", "/me", pair["access_token"]).status == 200 for worker in self._workers)

    def _log_in(self) -> dict[str, Any]:
        pair: dict[str, Any] = self._workers[0]("POST", "/login", "", {"user": secrets.token_hex(4)}).body["data"]
        return pair

    def _log_out(self, pair: dict[str, Any]) -> Reply:
        return self._workers[0]("POST", "/auth/logout", "", {"refresh_token": pair["refresh_token"]})

    def _refresh(self, pair: dict[str, Any]) -> Reply:
        return self._workers[-1]("POST", "/auth/refresh", "", {"refresh_token": pair["refresh_token"]})

    def _insist(self, reply: Reply, wanted: int, what: str) -> None:
        if reply.status != wanted:
            count = "sessions_lost" if wanted == 200 else "answers_outside_the_contract"
            self._tally.fail(count, f"{what}: {reply.said}, not {wanted}")
