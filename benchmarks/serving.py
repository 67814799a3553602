"""P6: requests per second through real web servers."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import peers, stores
from .guarded_apps import BARE, JWT_EXTENDED, JWT_EXTENDED_OLDER
from .load import CONNECTIONS, request
from .login_service import cores
from .results import Goal, Result, ratio_goal
from .served import PATH, STORE, WHICH, jwt_library, jwt_tokens
from .stores import KINDS
from .timing import Timing
from .web_servers import GRANIAN, GUNICORN, WebServer
from .world import USERS, open_world

if TYPE_CHECKING:
    from .timing import Effort

LEAST_OF_BARE = 0.92
LEAST_OF_PEER = {"gunicorn": 1.5, "granian": 1.9}
OURS = {kind: f"ours, {kind}" for kind in KINDS}
COLUMNS = (
    "server",
    "who",
    "requests/s best",
    "requests/s median",
    "÷ bare (medians)",
    "server's CPU µs each",
    "÷ bare (CPU)",
)
NOTES = [
    f"Each server with its defaults and {cores()} workers, one for each core; all of them run, one at a time is asked.",
    f"The client is one process with {CONNECTIONS} connections on the same cores, and takes its share from all alike.",
    f"{USERS} tokens in rotation, as clients send each of theirs many times; ours checks revocation (bounded).",
    "gunicorn's sync workers close each connection, granian keeps them.",
]


@dataclass(slots=True)
class _Served:
    """A running server: microseconds of wall time per request in each round, and CPU seconds for all of them."""

    server: WebServer
    times: list[float] = field(default_factory=list)
    cpu: float = 0.0
    requests: int = 0

    @property
    def timing(self) -> Timing:
        return Timing(tuple(self.times))

    @property
    def cpu_each(self) -> float:
        """Microseconds for a request."""
        return 1_000_000 * self.cpu / self.requests

    def take_turn(self, seconds: float) -> None:
        before = self.server.cpu_seconds()
        done, took = self.server.load().run(seconds)
        self.cpu += self.server.cpu_seconds() - before
        self.requests += done
        self.times.append(1_000_000 * took / done)


def run(effort: Effort) -> Result:
    """Ask all applications in turns, behind one kind of web server after the other."""
    rows: list[tuple[Any, ...]] = []
    goals: list[Goal] = []
    with contextlib.ExitStack() as stack:
        environments = _environments(stack)
        for kind in (GUNICORN, GRANIAN):
            found = _measure(kind, environments, effort) if peers.module_of(kind) else {}
            rows += [_row(kind, name, each, found[BARE]) for name, each in found.items()]
            goals += _goals(kind, {name: each.timing for name, each in found.items()})
    notes = [*NOTES, _versions(), *stores.left_out()]
    return Result("P6", "requests per second through web servers", COLUMNS, rows, goals, notes)


def _environments(stack: contextlib.ExitStack) -> dict[str, tuple[dict[str, str], list[bytes]]]:
    """What each application is told, and the requests that it takes."""
    shared = {"PATH": os.defpath, "PYTHONPATH": str(peers.ROOT)}
    found = {BARE: ({**shared, WHICH: BARE}, ["none"])}
    for kind in stores.present():
        url = stack.enter_context(stores.started(kind)).url("served")
        world = open_world(url)
        stack.callback(world.runtime.storage.close)
        found[OURS[kind]] = ({**shared, STORE: url}, world.tokens[:USERS])
    for name in (JWT_EXTENDED, JWT_EXTENDED_OLDER):
        if jwt_library(name):
            found[name] = ({**shared, WHICH: name}, jwt_tokens(name, USERS))
    return {name: (told, [request(PATH, token) for token in tokens]) for name, (told, tokens) in found.items()}


def _measure(
    kind: str, environments: dict[str, tuple[dict[str, str], list[bytes]]], effort: Effort
) -> dict[str, _Served]:
    with contextlib.ExitStack() as stack:
        found = {}
        for name, (environment, requests) in environments.items():
            server = WebServer(kind, workers=cores(), environment=environment, requests=requests)
            found[name] = _Served(stack.enter_context(server))
            # Every worker is to have seen every token, and to have done whatever it does at first.
            server.load().run(effort.burst)
        order = list(found.values())
        for number in range(effort.serving):
            first = number % len(order)
            for each in order[first:] + order[:first]:
                each.take_turn(effort.burst)
        return found


def _row(kind: str, name: str, served: _Served, bare: _Served) -> tuple[Any, ...]:
    rate, best = 1_000_000 / served.timing.median, 1_000_000 / served.timing.minimum
    return (
        kind,
        name,
        best,
        rate,
        bare.timing.median / served.timing.median,
        served.cpu_each,
        bare.cpu_each / served.cpu_each,
    )


def _goals(kind: str, timings: dict[str, Timing]) -> list[Goal]:
    """Ratios of requests per second, so the other way round than those of times."""
    goals = []
    for ours in OURS.values():
        mine = timings.get(ours)
        for other, least in ((BARE, LEAST_OF_BARE), (JWT_EXTENDED, LEAST_OF_PEER[kind])):
            theirs = timings.get(other)
            goal = Goal(f"{kind}: {ours} ÷ {other}", least, True, None)
            goals.append(ratio_goal(goal.what, theirs, mine, least) if theirs and mine else goal)
    return goals


def _versions() -> str:
    names = (GUNICORN, GRANIAN, "flask", "flask-jwt-extended", "pyjwt")
    return "Versions: " + ", ".join(f"{name} {peers.version_of(name) or 'not installed'}" for name in names) + "."
