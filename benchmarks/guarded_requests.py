"""P4: a guarded request over a bare one."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from . import guarded_apps, peers
from .guarded_apps import (
    BARE,
    COOKIES,
    JWT_EXTENDED,
    JWT_EXTENDED_OLDER,
    KEYS,
    KEYS_SQLITE,
    MEMORY,
    NO_COOKIES,
    SEEN,
    SEEN_SQLITE,
    SQLITE,
)
from .results import Goal, Result, ratio_goal
from .timing import Timing, compare
from .world import TOKENS

if TYPE_CHECKING:
    from .timing import Effort

LEAST_SEEN, LEAST_NEW = 18, 12
"""How many times more than ours Flask-JWT-Extended must add: for a token that a worker has seen, and a new one."""
MOST_SEEN, MOST_NEW = 12, 20
"""Microseconds."""
MOST_KEY = 1.1
"""How many times as much as a remembered access token a remembered API key may add."""
MOST_COOKIE = 10
"""Microseconds that a cookie with its CSRF check may add to a token in a header."""
COLUMNS = ("who", "version", "CPU µs min", "CPU µs median", "added min", "added median", "added ÷ ours (medians)")
NOTES = [
    f"app.wsgi_app called in process, {TOKENS:,} different tokens in rotation; the view answers a small JSON object.",
    "Remembered: 200 tokens in rotation, as clients send each of theirs many times; a worker keeps 4,096.",
    "A worker remembers an API key for a minute, and then reads it again: that is in the figures, too.",
    "Both requests of a browser carry as many bytes of cookies, which Flask reads itself for its own session.",
    "Each library with its default settings; every application, the bare one too, has a SECRET_KEY.",
    "'added' is the difference to bare Flask, median of the rounds' differences, and difference of the minima.",
    "Ours checks revocation. Left to a later stage: Flask-JWT-Extended with a Redis blocklist, Flask-Security.",
]


def run(effort: Effort) -> Result:
    """Send requests in turns through everybody's guard."""
    # The recorder's thread may still hold the file open.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        timings = compare(guarded_apps.all_guards(Path(folder)), effort.requests, effort.block * 4)
    added = {name: _added(timing, timings[BARE]) for name, timing in timings.items() if name != BARE}
    goals = []
    for ours, least, most in (
        (SEEN, LEAST_SEEN, MOST_SEEN),
        (SEEN_SQLITE, LEAST_SEEN, MOST_SEEN),
        (MEMORY, LEAST_NEW, MOST_NEW),
        (SQLITE, LEAST_NEW, MOST_NEW),
    ):
        goals += [
            ratio_goal(f"{JWT_EXTENDED} ÷ {ours} (added)", added.get(JWT_EXTENDED), added[ours], least),
            Goal(f"{ours}: added", most, False, added[ours].median, added[ours].minimum, unit=" µs"),
            ratio_goal(f"{ours}: guarded ÷ bare", timings[ours], timings[BARE], 1.2, at_least=False),
        ]
    for key, token in ((KEYS, SEEN), (KEYS_SQLITE, SEEN_SQLITE)):
        goals.append(ratio_goal(f"{key} ÷ {token} (added)", added[key], added[token], MOST_KEY, at_least=False))
    more = timings[COOKIES].minus(timings[NO_COOKIES]).median
    least = timings[COOKIES].minimum - timings[NO_COOKIES].minimum
    goals.append(
        Goal("a cookie with CSRF check - the same request with a header", MOST_COOKIE, False, more, least, unit=" µs")
    )
    return Result("P4", "a guarded request over a bare one", COLUMNS, _rows(timings, added), goals, NOTES)


def _added(timing: Timing, bare: Timing) -> Timing:
    """The median of the differences and the difference of the minima, as a timing that has just these."""
    median = timing.minus(bare).median
    minimum = timing.minimum - bare.minimum
    # Three values of which the least and the middle one are known.
    return Timing((min(minimum, median), median, max(minimum, median)))


def _rows(timings: dict[str, Timing], added: dict[str, Timing]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for name, timing in timings.items():
        more = added.get(name)
        extra = (more.minimum, more.median, more.median / added[MEMORY].median) if more else (None, None, None)
        rows.append((name, _version(name), timing.minimum, timing.median, *extra))
    return rows


def _version(name: str) -> str:
    if name == BARE:
        return peers.version_of("flask")
    if name in (JWT_EXTENDED, JWT_EXTENDED_OLDER):
        older = peers.older_pyjwt()
        jwt = peers.version_of("pyjwt") if name == JWT_EXTENDED or older is None else older.__version__
        return f"{peers.version_of('flask-jwt-extended')}, PyJWT {jwt}"
    if name == guarded_apps.HTTP_AUTH:
        return f"{peers.version_of('flask-httpauth')}, {peers.version_of('itsdangerous')}"
    return ""
