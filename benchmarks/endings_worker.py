"""One worker that hears of very many endings: prints what that costs it as JSON, for `endings`."""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import random
import threading
import time
from typing import TYPE_CHECKING, Any

from flask_tessera.errors import StorageUnavailableError
from flask_tessera.services.keys import sid_text
from flask_tessera.services.revocation import RevocationView
from flask_tessera.sessions.revocations import Revocation
from flask_tessera.storage.from_url import open_storage
from flask_tessera.tokens.claims import Claims

from .login_storm import resident
from .timing import FULL, SHORT, Contestant, compare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask_tessera.storage.engine import Storage

FAILURE = "cannot be read by a worker that starts"
LIFE = 1_020
"""Seconds for which an ending is kept: the life of an access token and a margin."""
BATCH = 10_000
SAMPLE = 10_000
AFTER_A_MINUTE = 61
"""Seconds until a worker sweeps out what may be forgotten."""


def main() -> None:
    """Fill the log of a storage, hear of it, look into it, sweep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    parser.add_argument("--short", action="store_true")
    wanted = parser.parse_args()
    with contextlib.closing(open_storage(wanted.url)) as storage:
        at = int(time.time())
        view = RevocationView(storage.revocations)
        sids, each = _write_and_hear(storage, view, wanted.count, at)
        found: dict[str, Any] = {"bytes each": each}
        found |= _look_up(view, sids, at, short=wanted.short) | _sweep(view, sids, at)
        try:
            found |= _hear_all(storage, at, wanted.count)
        except StorageUnavailableError as error:
            found[FAILURE] = str(error)
        print(json.dumps(found))


def _write_and_hear(storage: Storage, view: RevocationView, count: int, at: int) -> tuple[list[bytes], float]:
    """Put endings into the log, which a worker hears of by and by; gives some of their sids, and bytes of memory each.

    They are spread evenly over the time for which they are kept.
    """
    rng = random.Random(5)
    given: list[bytes] = []
    view.catch_up(at)
    before = 0
    for first in range(0, count, BATCH):
        entries = tuple(_entries(rng, range(first, min(first + BATCH, count)), count, at))
        before = before or _resident_now()
        storage.revocations.append(entries, at=at)
        view.catch_up(at)
        given += [entry.sid for entry in entries[:: max(1, count // SAMPLE)]]
    return given, (_resident_now() - before) / count


def _resident_now() -> int:
    gc.collect()
    return resident("VmRSS")


def _entries(rng: random.Random, numbers: range, count: int, at: int) -> Iterator[Revocation]:
    for number in numbers:
        forget_at = at + 1 + LIFE * number // count
        yield Revocation(forget_at, "logout", sid=(forget_at * 1000).to_bytes(6, "big") + rng.randbytes(10))


def _hear_all(storage: Storage, at: int, count: int) -> dict[str, Any]:
    """Read all of the log, as a worker does when it starts."""
    view, before = RevocationView(storage.revocations), _resident_now()
    began = time.perf_counter()
    view.catch_up(at)
    took = time.perf_counter() - began
    return {
        "read by a worker that starts, entries/s": count / took,
        "the same, seconds": took,
        "the same, bytes each": (_resident_now() - before) / count,
    }


def _look_up(view: RevocationView, sids: list[bytes], at: int, *, short: bool) -> dict[str, Any]:
    """Microseconds of CPU time for a live and for an ended session, and for a live one with an empty log."""
    empty = RevocationView(open_storage("memory:").revocations)
    ended = [_claims(sid) for sid in sids]
    live = [_claims(sid[:8] + bytes(8)) for sid in sids]
    contestants = [
        Contestant("look-up, empty log", _refusal(empty, at), live),
        Contestant("look-up, live session", _refusal(view, at), live),
        Contestant("look-up, ended session", _refusal(view, at), ended),
    ]
    effort = SHORT if short else FULL
    return {name: timing.median for name, timing in compare(contestants, effort.steps, effort.block).items()}


def _refusal(view: RevocationView, at: int) -> Callable[[Claims], str]:
    return lambda claims: view.refusal(claims, at=at)


def _claims(sid: bytes) -> Claims:
    return Claims(sub="1", sid=sid_text(sid), gen=0, ep=0, iat=1, exp=2)


def _sweep(view: RevocationView, sids: list[bytes], at: int) -> dict[str, Any]:
    """Milliseconds of a sweep, and the longest that another thread's request waited meanwhile."""
    later, is_over = at + AFTER_A_MINUTE, threading.Event()
    claims, waits = _claims(sids[-1]), [0.0]

    def serve() -> None:
        while not is_over.is_set():
            began = time.perf_counter()
            view.refusal(claims, at=later)
            waits.append(time.perf_counter() - began)

    neighbour = threading.Thread(target=serve)
    neighbour.start()
    began = time.perf_counter()
    view.catch_up(later)
    took = time.perf_counter() - began
    is_over.set()
    neighbour.join()
    return {"sweep, ms": 1000 * took, "longest wait of another meanwhile, ms": 1000 * max(waits)}


if __name__ == "__main__":
    main()
