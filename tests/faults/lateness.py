"""How late the machine itself is: client, application and servers share its cores with whatever else runs there."""

from __future__ import annotations

import threading
import time
from typing import Self

STEP = 0.05
"""Seconds between two looks at the clock."""


class Lateness:
    """Notes by how many seconds a thread that only sleeps has overslept; a context manager that ends the thread."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        before = time.monotonic()
        while not self._end.wait(STEP):
            now = time.monotonic()
            self.worst = max(self.worst, now - before - STEP)
            before = now
