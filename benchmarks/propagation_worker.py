"""One process that serves requests while sessions end elsewhere: prints when it first refused each, for P10.

Reads a JSON object from its standard input: `url`, and for each of `LOADS` the tokens of which the sessions will end in
this order. Prints the name of each when its list may begin, and in the end a JSON object with as many lists of
nanoseconds of `boot_nanoseconds`.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from flask import Flask

from flask_tessera import Tessera
from flask_tessera.errors import SessionEndedError
from flask_tessera.web.credential_reading import verify_credential

from .world import SECRET

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask_tessera.web.app_state import Runtime

LOADS = {"idle": 0, "busy": 1, "crowded": 4}
"""How many threads work without a pause: as many as a worker of gunicorn has (sync; --threads 4), under full load."""
PAUSE = 0.0001
"""Seconds between two requests of an idle worker."""
WORK = 300_000
"""Nanoseconds that a request of a busy worker takes, all of it Python."""


def boot_nanoseconds() -> int:
    """Of a clock that all processes of this machine share."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Watcher:
    """Presents the next token that is still good, from any number of threads."""

    def __init__(self, runtime: Runtime, tokens: list[str]) -> None:
        self._identify = partial(verify_credential, runtime)
        self._tokens = tokens
        self._lock = threading.Lock()
        self.refused: list[int] = []

    def watch(self, between: Callable[[], None]) -> None:
        """Send requests until the last token is refused."""
        while (number := len(self.refused)) < len(self._tokens):
            try:
                self._identify(self._tokens[number])
            except SessionEndedError:
                self._note(number, boot_nanoseconds())
            else:
                between()

    def _note(self, number: int, at: int) -> None:
        with self._lock:
            if len(self.refused) == number:
                self.refused.append(at)


def main() -> None:
    """Watch all lists."""
    job = json.load(sys.stdin)
    app = Flask("bench")
    app.config["SECRET_KEY"] = SECRET
    tessera: Tessera[str] = Tessera(app, storage=job["url"])
    with app.app_context():
        runtime = tessera.runtime
        for token in (token for load in LOADS for token in job[load]):
            verify_credential(runtime, token)
        # That all these sessions were seen just now is written: that would take the first seconds of the idle ones.
        runtime.shared.activity.flush()
        # Whatever starts at first use has started, and has read the log.
        time.sleep(0.5)
    print(json.dumps({load: _watch(runtime, load, job[load]) for load in LOADS}))


def _watch(runtime: Runtime, load: str, tokens: list[str]) -> list[int]:
    """When each was first refused."""
    watcher = Watcher(runtime, tokens)
    print(load, flush=True)
    if not LOADS[load]:
        watcher.watch(lambda: time.sleep(PAUSE))
    threads = [threading.Thread(target=watcher.watch, args=(_work,)) for _ in range(LOADS[load])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return watcher.refused


def _work() -> None:
    until = time.perf_counter_ns() + WORK
    while time.perf_counter_ns() < until:
        pass


if __name__ == "__main__":
    main()
