"""MariaDB, which refuses to run as root: then it runs as `nobody`."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
from typing import TYPE_CHECKING, ClassVar

from . import binaries
from .unprivileged import UnprivilegedServer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


DATABASE = "tessera"
"""Made with the data, empty."""
SETTINGS = {
    "bind-address": "127.0.0.1",
    "socket": "s",  # in the data, to which the server changes: a whole path may be too long
    "pid-file": "pid",
    "skip-name-resolve": "1",
    "skip-log-bin": "1",
    "max-connections": "300",
    "character-set-server": "latin1",  # unlike what is needed: who relies on a default shall see it
    "innodb-buffer-pool-size": "32M",
    "innodb-log-file-size": "16M",
}
UNSAFE = {"innodb-flush-log-at-trx-commit": "0", "innodb-flush-method": "nosync", "sync-frm": "0"}
BOOTSTRAP = {
    "log-warnings": "0",
    "enforce-storage-engine": "",
    "max-allowed-packet": "8M",
    "innodb-buffer-pool-size": "32M",
    "innodb-log-file-size": "16M",
}
SCRIPTS = ("mysql_system_tables", "mysql_performance_tables", "mysql_system_tables_data", "maria_add_gis_sp_bootstrap")
BEFORE_SCRIPTS = "CREATE DATABASE IF NOT EXISTS mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n"
PROTOCOL = 10
"""The first byte of a handshake; an error begins with 255."""


class MariaDBServer(UnprivilegedServer):
    """A MariaDB server, with the user `root`, who has all rights and no password, and the empty database `tessera`."""

    name = "mariadb"
    ending: ClassVar[signal.Signals] = signal.SIGTERM
    settings = SETTINGS
    unsafe = UNSAFE

    def _find_home(self) -> Path:
        return binaries.mariadb_home() if os.geteuid() else binaries.mariadb_home_for_everybody()

    @property
    def url(self) -> str:
        return f"mysql://root@127.0.0.1:{self.port}/{DATABASE}"

    def _prepare(self) -> None:
        if (self._data / DATABASE).exists():
            return
        shutil.rmtree(self._data, ignore_errors=True)
        text = BEFORE_SCRIPTS + self._system_tables() + f"CREATE DATABASE {DATABASE};\n"
        self._make_data([*self._words(BOOTSTRAP), "--bootstrap"], text)

    def _system_tables(self) -> str:
        folder = next(path for path in (self._home / "share").glob("m*/mysql_system_tables.sql")).parent
        return "\n".join((folder / f"{name}.sql").read_text() for name in SCRIPTS) + "\n"

    def _words(self, settings: Mapping[str, str]) -> list[str]:
        libraries = ":".join(str(path) for path in (self._home / "lib").glob("*-linux-gnu*"))
        # `env` becomes the server: its process is the one that is watched.
        program = ("/usr/bin/env", f"LD_LIBRARY_PATH={libraries}", str(binaries.mariadb_program(self._home)))
        places = {"basedir": str(self._home), "datadir": str(self._data), "tmpdir": str(self._data)}
        return [*program, "--no-defaults", *(f"--{name}={value}" for name, value in {**places, **settings}.items())]

    def _command(self, port: int) -> list[str]:
        return self._words({**self._settings, "port": str(port)})

    def _is_ready(self, port: int) -> bool:
        """Its port answers before it has decided to live, and another's may be there in its place."""
        file = self._data / "pid"
        with contextlib.suppress(OSError):
            if file.read_text().strip() == str(self.pid):
                with socket.create_connection(("127.0.0.1", port), 1) as connection:
                    return connection.recv(5)[4:] == bytes([PROTOCOL])
        return False
