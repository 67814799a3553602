"""One process that serves requests while sessions end elsewhere: prints when it first refused each, for P10.

Reads a JSON object from its standard input: `url`, and the tokens of which the sessions will end in this order, in two
lists: `idle`, while it has nothing else to do, and `busy`, while its threads work without a pause. Prints "ready" and
"busy" when the next list may begin, and in the end a JSON object with two lists of nanoseconds of `boot_nanoseconds`.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import TYPE_CHECKING

from flask import Flask

from flask_tessera import Tessera
from flask_tessera.errors import SessionEndedError

from .world import SECRET

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask_tessera.web.runtime import Runtime

THREADS = 2
"""Enough that one always waits for the other to let go of the interpreter."""
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
        self._identify = runtime.identify
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
    """Watch both lists."""
    job = json.load(sys.stdin)
    app = Flask("bench")
    app.config["SECRET_KEY"] = SECRET
    tessera: Tessera[str] = Tessera(app, storage=job["url"])
    with app.app_context():
        runtime = tessera.runtime
        for token in (*job["idle"], *job["busy"]):
            runtime.identify(token)
        # Whatever starts at first use has started, and has read the log.
        time.sleep(0.5)
    print("ready", flush=True)
    idle, busy = (Watcher(runtime, job[name]) for name in ("idle", "busy"))
    idle.watch(lambda: time.sleep(PAUSE))
    threads = [threading.Thread(target=busy.watch, args=(_work,)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    print("busy", flush=True)
    for thread in threads:
        thread.join()
    print(json.dumps({"idle": idle.refused, "busy": busy.refused}))


def _work() -> None:
    until = time.perf_counter_ns() + WORK
    while time.perf_counter_ns() < until:
        pass


if __name__ == "__main__":
    main()
