"""PostgreSQL, which refuses to run as root: then it runs as `nobody`."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, ClassVar

from . import binaries
from .unprivileged import UnprivilegedServer

if TYPE_CHECKING:
    from pathlib import Path

    from .supervisor import ServerJob

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # no path, so none that is too long
    "dynamic_shared_memory_type": "mmap",  # in the data, so that no kill leaves any in /dev/shm
    "shared_buffers": "32MB",
    "max_connections": "200",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}
UNSAFE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
STATUS_LINE = 7
"""Of `postmaster.pid`: LOCK_FILE_LINE_PM_STATUS in PostgreSQL's src/include/utils/pidfile.h, counted from 0."""


class PostgresServer(UnprivilegedServer):
    """A PostgreSQL server, with the superuser `postgres` and no passwords."""

    name = "postgres"
    ending: ClassVar[signal.Signals] = getattr(signal, "SIGQUIT", signal.SIGTERM)
    settings = SETTINGS
    unsafe = UNSAFE

    def _find_home(self) -> Path:
        return binaries.postgres_home() if os.geteuid() else binaries.home_for_everybody()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def _prepare(self) -> None:
        if (self._data / "PG_VERSION").exists():
            return
        options = ("-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-U", "postgres")
        self._make_data([self._home / "bin" / "initdb", *options, "-D", self._data])

    def _command(self, port: int) -> list[str]:
        settings = {**self._settings, "port": str(port)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self._home / "bin" / "postgres"), "-D", str(self._data), *options]

    def _job(self, port: int) -> ServerJob:
        return {**super()._job(port), "shared_memory": str(self._data / "postmaster.pid")}

    def _is_ready(self, port: int) -> bool:
        file = self._data / "postmaster.pid"
        lines = file.read_text().splitlines() if file.exists() else []
        is_ours = len(lines) > STATUS_LINE and lines[0] == str(self.pid)
        return is_ours and lines[STATUS_LINE].strip() == "ready"
