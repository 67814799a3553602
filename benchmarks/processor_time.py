"""CPU time of this process and of servers that work for it: unlike wall time, it hardly depends on the scheduler."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.servers.supervisor import children_of

if TYPE_CHECKING:
    from .stores import Store


class ProcessorTime:
    """A clock that gives nanoseconds, without those that it takes itself.

    Within `with` this thread has the first core and the servers have the last one: a server on the client's own core
    needs half the time, and which one does is the scheduler's whim.

    The processes of a server are looked for once: make it when all connections are open.

    Args:
        stores: whose servers count, where there are any.
    """

    def __init__(self, *stores: Store) -> None:
        servers = [store.server.pid for store in stores if store.server]
        processes = [number for server in servers for number in (server, *children_of(server))]
        threads = [thread for process in processes for thread in _threads(process)]
        self._files = [thread / "schedstat" for thread in threads]
        self._numbers = [int(thread.name) for thread in threads]
        self._cores = sorted(os.sched_getaffinity(0))
        self._own = 0

    def __enter__(self) -> Self:
        _pin([0], self._cores[:1])
        _pin(self._numbers, self._cores[-1:])
        return self

    def __exit__(self, *_: object) -> None:
        _pin([0, *self._numbers], self._cores)

    def __call__(self) -> int:
        began, spent = time.process_time_ns(), 0
        for file in self._files:
            with contextlib.suppress(OSError):
                # Linux, Documentation/scheduler/sched-stats.rst: first the time spent on a CPU, in nanoseconds.
                spent += int(file.read_bytes().split()[0])
        now = time.process_time_ns()
        self._own += now - began
        return spent + now - self._own


def _pin(threads: list[int], cores: list[int]) -> None:
    for thread in threads:
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(thread, cores)


def _threads(process: int) -> list[Path]:
    folder = Path(f"/proc/{process}/task")
    return list(folder.iterdir()) if folder.is_dir() else []
