"""CPU time of this process and of servers that work for it: unlike wall time, it hardly depends on the scheduler."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers.supervisor import children_of

if TYPE_CHECKING:
    from .stores import Store


class ProcessorTime:
    """A clock that gives nanoseconds, without those that it takes itself.

    The processes of a server are looked for once: make it when all connections are open.

    Args:
        stores: whose servers count, where there are any.
    """

    def __init__(self, *stores: Store) -> None:
        servers = [store.server.pid for store in stores if store.server]
        processes = [number for server in servers for number in (server, *children_of(server))]
        self._files = [thread / "schedstat" for process in processes for thread in _threads(process)]
        self._own = 0

    def __call__(self) -> int:
        began, spent = time.process_time_ns(), 0
        for file in self._files:
            with contextlib.suppress(OSError):
                # Linux, Documentation/scheduler/sched-stats.rst: first the time spent on a CPU, in nanoseconds.
                spent += int(file.read_bytes().split()[0])
        now = time.process_time_ns()
        self._own += now - began
        return spent + now - self._own


def _threads(process: int) -> list[Path]:
    folder = Path(f"/proc/{process}/task")
    return list(folder.iterdir()) if folder.is_dir() else []
