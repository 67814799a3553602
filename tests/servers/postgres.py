"""PostgreSQL, which refuses to run as root: then it runs as `nobody`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, ClassVar

from . import binaries
from .server import Server, ServerError
from .users import unprivileged_user

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .run import Owner
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


class PostgresServer(Server):
    """A PostgreSQL server, with the superuser `postgres` and no passwords.

    Args:
        folder: for its data and its log; by default one of its own, which `close` removes. As root, it must be one
            that every user can enter; else the data lie in a folder of their own.
        fsync: whether what is committed is on the disk, as in production.
        settings: of postgresql.conf, over `SETTINGS`.
        owner: whose end is its own, in place of the calling process.
    """

    name = "postgres"
    ending: ClassVar[signal.Signals] = getattr(signal, "SIGQUIT", signal.SIGTERM)

    def __init__(
        self,
        folder: Path | None = None,
        *,
        fsync: bool = False,
        settings: Mapping[str, str] | None = None,
        owner: Owner | None = None,
    ) -> None:
        binaries.refuse_elsewhere()
        usable = folder if folder and (os.geteuid() or binaries.can_everybody_enter(folder.parent)) else None
        super().__init__(usable, owner=owner)
        self._settings = {**SETTINGS, **({} if fsync else UNSAFE), **(settings or {})}
        self._home = binaries.postgres_home() if os.geteuid() else binaries.home_for_everybody()
        self._data = self.folder / "data"

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def _prepare(self) -> None:
        if (self._data / "PG_VERSION").exists():
            return
        self._data.mkdir(mode=0o700, exist_ok=True)
        user = unprivileged_user()
        if user:
            self.folder.chmod(0o755)
            shutil.chown(self._data, *user)
        options = ("-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-U", "postgres")
        done = subprocess.run(
            [self._home / "bin" / "initdb", *options, "-D", self._data],
            cwd=self.folder,
            env={"LC_ALL": "C", "PATH": os.defpath, "TZ": "UTC"},
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            user=user and user[0],
            group=user and user[1],
            extra_groups=user and [],
        )
        if done.returncode:
            raise ServerError(f"initdb failed:\n{done.stdout}")

    def _command(self, port: int) -> list[str]:
        settings = {**self._settings, "port": str(port)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self._home / "bin" / "postgres"), "-D", str(self._data), *options]

    def _job(self, port: int) -> ServerJob:
        return {**super()._job(port), "user": unprivileged_user(), "shared_memory": str(self._data / "postmaster.pid")}

    def _is_ready(self, port: int) -> bool:
        file = self._data / "postmaster.pid"
        lines = file.read_text().splitlines() if file.exists() else []
        is_ours = len(lines) > STATUS_LINE and lines[0] == str(self.pid)
        return is_ours and lines[STATUS_LINE].strip() == "ready"
