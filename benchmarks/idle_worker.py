"""One process with many idle workers, for P12.

Reads a line of JSON with `url`, `count` and `settle` (seconds), prints "ready" when each has read the log, and ends
with its input.
"""

from __future__ import annotations

import json
import sys
import time

from flask_tessera.clocks import system_clock
from flask_tessera.services.follower import RevocationFollower
from flask_tessera.services.revocation import RevocationView
from flask_tessera.storage.from_url import open_storage

PATIENCE = 1.0
"""Seconds, as of the declared bound of 2."""


def main() -> None:
    """Idle until the input ends."""
    job = json.loads(sys.stdin.readline())
    followers = []
    for _ in range(job["count"]):
        storage = open_storage(job["url"])
        view = RevocationView(storage.revocations)
        followers.append(RevocationFollower(storage, view, system_clock, patience=PATIENCE))
    while not all(follower.is_current() for follower in followers):
        time.sleep(0.05)
    # PostgreSQL counts what a connection did at first only after it was idle for ten seconds.
    time.sleep(job["settle"])
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
