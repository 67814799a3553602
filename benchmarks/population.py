"""Sessions as a service that has been running for months would have them, to fill tables with."""

from __future__ import annotations

import itertools
import random
import time
import uuid
from typing import TYPE_CHECKING

from flask_tessera.sessions.ids import make_sid
from flask_tessera.sessions.limits import Limits
from flask_tessera.sessions.model import Session
from flask_tessera.storage.model import Page

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flask_tessera.storage.engine import Storage

DAY = 86_400
"""Seconds."""
IDLE, LIFETIME, ACCESS = 30 * DAY, 90 * DAY, 900
"""Seconds, as by default."""
LIMITS = Limits(most=10, per_device_type=0, overflow="evict")
"""As by default."""
SPAN = 20 * DAY
"""Seconds in which they began."""
PER_USER = 3
USER_AGENT_LENGTH = 110
BATCH = 2_000
MOST_GIVEN = 20_000
"""Sessions: enough that no benchmark comes to the same one too soon."""
DEVICES = ("iPhone 17 Pro", "Pixel 10", "Redmi Note 15 Pro", "Chrome on Windows 11", "Safari on macOS", "iPad Air")
TYPES = ("phone", "phone", "phone", "desktop", "desktop", "tablet")
SYSTEMS = (
    "iPhone; CPU iPhone OS 26_1 like Mac OS X",
    "Linux; Android 16; Pixel 10",
    "Linux; Android 15; 25069PC",
    "Windows NT 10.0; Win64; x64",
    "Macintosh; Intel Mac OS X 10_15_7",
    "iPad; CPU OS 26_1 like Mac OS X",
)
VERSIONS = 300
"""Of browsers that are about: with the systems, so many times as many user agents."""


def sessions(count: int, *, rng: random.Random, oldest: int, spacing: float) -> Iterator[Session]:
    """Sessions of a third as many users, in the order of their birth.

    Args:
        count: how many.
        rng: for all that is random.
        oldest: when the first was begun, Unix seconds.
        spacing: seconds between two of them.
    """
    users = max(1, count // PER_USER)
    for number in range(count):
        user_id = str(10_000_000 + rng.randrange(users))
        born = oldest + number * spacing
        sid = make_sid(int(born * 1000), "", user_id, rng.randbytes(8))
        yield session(sid, user_id, int(born), rng)


def session(sid: bytes, user_id: str, born: int, rng: random.Random) -> Session:
    """One of them; `born` in Unix seconds."""
    kind = rng.randrange(len(DEVICES))
    return Session(
        sid=sid,
        realm="",
        user_id=user_id,
        created_at=born,
        auth_at=born,
        idle_until=born + IDLE,
        until=born + LIFETIME,
        access_lifetime=ACCESS,
        rotated_at=born,
        last_seen_at=born,
        device_type=TYPES[kind],
        device_id=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        device_name=DEVICES[kind],
        ip=f"203.0.{rng.randrange(256)}.{rng.randrange(256)}",
        user_agent=user_agent(kind, rng.randrange(VERSIONS)),
        amr="pwd",
    )


def user_agent(kind: int, version: int) -> str:
    """As browsers send it, of the length that is usual."""
    text = f"Mozilla/5.0 ({SYSTEMS[kind]}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
    return f"{text[:USER_AGENT_LENGTH]:-<{USER_AGENT_LENGTH}}"


def fill(storage: Storage, count: int, *, seed: int = 1) -> list[Session]:
    """Put `count` live sessions of the last weeks into a storage; gives some of them, in any order."""
    at = int(time.time())
    rng = random.Random(seed)
    some = write(storage, sessions(count, rng=rng, oldest=at - SPAN, spacing=SPAN / count), count, at)
    rng.shuffle(some)
    return some


def write(storage: Storage, stream: Iterable[Session], count: int, at: int) -> list[Session]:
    """Put `count` sessions into a storage at Unix second `at`; gives every n-th, at most about `MOST_GIVEN`."""
    given: list[Session] = []
    step, iterator = max(1, count // MOST_GIVEN), iter(stream)
    while batch := tuple(itertools.islice(iterator, BATCH)):
        storage.records.write(Page(sessions=batch), at=at)
        given += batch[::step]
    return given
