"""S01 across the workers of gunicorn: ended by one, refused by all of them within what was declared."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .gunicorn import Gunicorn
from .places import fresh
from .tally import Tally
from .trial import BOUND

if TYPE_CHECKING:
    from .application import Reply

MOST_BURSTS = 400
WAYS = ("logout", "logout all", "kick")


def log_out_of_fleet(name: str, rounds: int, _seed: int = 0, **options: Any) -> Tally:
    """So many sessions ended through one worker, each asked about at all.

    Args:
        name: of the storage.
        rounds: how many.
        **options: of `Gunicorn`.
    """
    tally = Tally(context=f"{name} {options or ''}")
    with fresh(name) as url, Gunicorn(url, **options) as gunicorn:
        fleet = Fleet(tally, gunicorn, is_strict=options.get("TESSERA_REVOCATION") == "strict")
        for number in range(rounds):
            fleet.end_once(number)
    return tally


class Fleet:
    """The workers behind one address."""

    def __init__(self, tally: Tally, gunicorn: Gunicorn, *, is_strict: bool = False) -> None:
        self._tally = tally
        self._gunicorn = gunicorn
        self._is_strict = is_strict

    def end_once(self, number: int) -> None:
        """Log in, be accepted by every worker, end it in one of several ways, and be refused by every worker."""
        pair = self._asked("POST", "/login", "", {"user": f"user-{number}"}).body["data"]
        token = pair["access_token"]
        self._until_all("/me", token, 200)
        reply = self._end(WAYS[number % len(WAYS)], pair)
        ended_at, effective_by = time.time(), reply.body["data"]["effective_by"]
        self._tally.add("faults_injected")
        if effective_by > ended_at + (0 if self._is_strict else BOUND):
            self._tally.fail("answers_outside_the_contract", f"effective_by is {effective_by - ended_at:.1f} s off")
        if self._is_strict or number % 2:
            for each in self._gunicorn.burst("/me" if self._is_strict else "/strict", token):
                self._judge(each, 0)
        accepted_at = self._until_all("/me", token, 401, effective_by)
        self._tally.refused_after(max(0.0, accepted_at - ended_at))
        self._judge(self._gunicorn("POST", "/auth/refresh", "", {"refresh_token": pair["refresh_token"]}), 0)

    def _end(self, way: str, pair: dict[str, Any]) -> Reply:
        if way == "kick":
            return self._asked("DELETE", f"/auth/sessions/{pair['session_id']}", pair["access_token"])
        which = "all" if way == "logout all" else "this"
        return self._asked("POST", "/auth/logout", pair["access_token"], {"which": which})

    def _until_all(self, path: str, token: str, wanted: int, effective_by: float = float("inf")) -> float:
        """Ask until every worker has given this answer last; gives when the last other answer was asked for."""
        willing: set[str] = set()
        other_at = 0.0
        for _ in range(MOST_BURSTS):
            for each in self._gunicorn.burst(path, token):
                self._judge(each, effective_by)
                if each.status == wanted:
                    willing.add(each.worker)
                else:
                    willing.discard(each.worker)
                    other_at = max(other_at, each.sent_at)
            if len(willing) >= self._gunicorn.workers:
                return other_at
        raise RuntimeError(f"{len(willing)} of {self._gunicorn.workers} workers answered {path} with {wanted}")

    def _judge(self, reply: Reply, effective_by: float) -> None:
        # Nothing is broken here but the machine may be busy: how soon it answers is no matter.
        self._tally.took(reply.seconds)
        if reply.status == 200 and reply.sent_at >= effective_by:
            self._tally.fail("revoked_accepted", f"{reply.sent_at - effective_by:.2f} s after effective_by")
        elif reply.status not in (200, 401):
            self._tally.fail("answers_outside_the_contract", reply.said)

    def _asked(self, *request: Any) -> Reply:
        reply = self._gunicorn(*request)
        if reply.status != 200:
            self._tally.fail("answers_outside_the_contract", f"{request[:2]}: {reply.said}")
            raise RuntimeError(f"{request[:2]} was answered with {reply.said}")
        return reply
