"""X4, X5, X6: a storage that is stopped, killed, cut off, full, read-only or locked under an application."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from . import mysql_faults, postgres_faults, redis_faults, sqlite_faults
from .application import InProcess
from .places import REDIS, private
from .proxy import Proxy
from .tally import Tally
from .trial import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from contextlib import AbstractContextManager

    from .places import Place

    Faults = Mapping[str, Callable[[Place, Proxy], AbstractContextManager[Any]]]

FAULTS: dict[str, Faults] = {
    "postgres": postgres_faults.FAULTS,
    "mariadb": mysql_faults.FAULTS,
    **dict.fromkeys(REDIS, redis_faults.FAULTS),
}

GENTLE = (
    "disconnected",
    "slow",
    "cut at one write",
    "cut at one script",
    "without scripts",
    "serializable",
    "deadlocked",
)
"""Faults that a storage may overcome by itself."""


def break_server(name: str, rounds: int, seed: int = 0, *, only: Collection[str] = ()) -> Tally:
    """Each fault of a storage so many times, in a random order."""
    tally = Tally()
    titles = [title for title in FAULTS[name] if not only or title in only] * rounds
    random.Random(seed).shuffle(titles)
    with (
        private(name) as place,
        Proxy(place.url) as proxy,
        InProcess(proxy.url) as call,
        Trial(tally, call) as trial,
    ):
        for title in titles:
            tally.context = f"{name} {title}"
            strike(trial, FAULTS[name][title](place, proxy), is_gentle=title in GENTLE)
    return tally


def load_slowly(name: str, rounds: int, _seed: int = 0) -> Tally:
    """A server that was killed reads what it had written for a while before it serves anybody, so many times."""
    tally = Tally(context=f"{name} loading")
    with (
        private(name, **redis_faults.LOADING_SLOWLY) as place,
        InProcess(place.url) as call,
        Trial(tally, call) as trial,
    ):
        redis_faults.fill(place)
        for _ in range(rounds):
            strike(trial, redis_faults.loading(place))
    return tally


def strike(trial: Trial, fault: AbstractContextManager[Any], *, is_gentle: bool = False) -> None:
    """Begin a fault, ask everything, end it, and see what it has left."""
    before = trial.tally.unavailable
    with trial.fault(), fault:
        trial.ask()
    if trial.tally.unavailable == before and not is_gentle:
        trial.tally.fail("answers_outside_the_contract", "nobody has felt this fault")


def lock_database(name: str, rounds: int, _seed: int = 0, *, lengths: Collection[int] = (1, 5, 30)) -> Tally:
    """Another process holds the write lock for so many seconds, and the application is asked all the while."""
    tally = Tally()
    with (
        private(name) as place,
        InProcess(place.url) as call,
        Trial(tally, call) as trial,
        sqlite_faults.other_process(place) as other,
    ):
        for seconds in [*lengths] * rounds:
            tally.context = f"{name} locked for {seconds} s"
            with trial.fault():
                other.lock_for(seconds, trial.ask)
    return tally
