"""What another process does to a SQLite file."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from flask_tessera.testing import WorkerProcesses

from . import workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .places import Place


class OtherProcess:
    """Another program that uses the file."""

    def __init__(self, processes: WorkerProcesses) -> None:
        self._processes = processes

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """Rows of a statement on its one connection."""
        rows: list[tuple[object, ...]] = self._processes.call(0, statement)
        return rows

    def lock_for(self, seconds: float, ask: Callable[[], None]) -> None:
        """Hold the write lock so long, and ask again and again meanwhile."""
        self.execute("BEGIN IMMEDIATE")
        until = time.monotonic() + seconds
        self._processes.send(0, (seconds, "ROLLBACK"))
        while time.monotonic() < until:
            ask()
        self._processes.receive(0)


@contextlib.contextmanager
def other_process(place: Place) -> Iterator[OtherProcess]:
    """A process with a connection to the file of this storage."""
    with WorkerProcesses(1, workers.raw_sqlite, place.url.removeprefix("sqlite:///")) as processes:
        other = OtherProcess(processes)
        other.execute("PRAGMA busy_timeout = 5000")
        yield other
