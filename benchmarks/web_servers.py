"""gunicorn and granian with an application of P6, each ended with whoever started it."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tests.servers.server import Server
from tests.servers.supervisor import children_of

from . import peers
from .load import Load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.servers.supervisor import ServerJob

GUNICORN, GRANIAN = "gunicorn", "granian"
TICKS = 100
"""CPU time in /proc is counted in hundredths of a second on all Linux systems (USER_HZ)."""


def command(kind: str, port: int, workers: int) -> list[str]:
    """How it is started, its own defaults but for the number of workers."""
    if kind == GUNICORN:
        options = ["--workers", str(workers), "--bind", f"127.0.0.1:{port}"]
        return ["-m", "gunicorn", *options, "benchmarks.served:create()"]
    options = [
        "--interface",
        "wsgi",
        "--workers",
        str(workers),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--factory",
    ]
    return ["-m", "granian", *options, "benchmarks.served:create"]


class WebServer(Server):
    """One of them.

    Args:
        kind: `GUNICORN` or `GRANIAN`.
        workers: processes.
        environment: what `served.create` reads.
        requests: of which it must answer one before it counts as started.
    """

    name = "web"
    ending: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, kind: str, *, workers: int, environment: Mapping[str, str], requests: Sequence[bytes]) -> None:
        super().__init__()
        self._kind, self._workers, self._environment, self._requests = kind, workers, environment, requests

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def load(self) -> Load:
        """A client for it."""
        return Load(self.port, self._requests)

    def cpu_seconds(self) -> float:
        """What all its processes have used so far."""
        return sum(map(_cpu_seconds, [self.pid, *children_of(self.pid)]))

    def _command(self, port: int) -> list[str]:
        settings = [f"{name}={value}" for name, value in self._environment.items()]
        return ["/usr/bin/env", *settings, sys.executable, *command(self._kind, port, self._workers)]

    def _job(self, port: int) -> ServerJob:
        return {**super()._job(port), "folder": str(peers.ROOT)}

    def _is_ready(self, port: int) -> bool:
        try:
            Load(port, self._requests).once()
        except OSError:
            return False
        return True


def _cpu_seconds(process: int) -> float:
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0.0
    # proc_pid_stat(5): utime and stime, the 14th and 15th field; the second may hold spaces and brackets.
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
