"""All ports over one SQLite database."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ....clocks import boot_clock
from ....errors import ConfigError
from ...model import Description
from ..storage import SQLStorage
from .database import SQLiteDatabase
from .log import SQLiteLog

if TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy

_OFF, _NORMAL = 0, 1
_OUTLIVES: Final = {
    _OFF: "a commit outlives its process, but a power cut may destroy the file (synchronous=OFF)",
    _NORMAL: "a commit outlives its process; a power cut may take the last ones (synchronous=NORMAL)",
}


class SQLiteStorage(SQLStorage):
    """All records in one file.

    Args:
        path: of the file.
        is_ours: whether we create the file and choose its journal; else it is a host's, and only the connections are
            ours: a step of ours waits neither for the host's pool nor by its time-outs.
        makes_folder: whether its folder is made where it is missing, at first use.
        steady: gives seconds that only grow, for the interval between two looks at the file; for tests.
    """

    another_place = "another file"

    def __init__(
        self, path: str, *, is_ours: bool = True, makes_folder: bool = False, steady: Callable[[], float] = boot_clock
    ) -> None:
        database = SQLiteDatabase(path, is_ours=is_ours, makes_folder=makes_folder)
        log = SQLiteLog(database, steady)
        super().__init__(database, log)
        self._stamp = log.stamp

    @classmethod
    def of_host(cls, url: sqlalchemy.URL) -> SQLiteStorage:
        """The file of a host's engine.

        Raises:
            ConfigError: it is in memory, or not named by a path.
        """
        path = url.database
        if not path or path == ":memory:" or "mode=memory" in path:
            raise ConfigError("STORE_URL: SQLite in memory cannot be shared; use memory: or a file")
        if path.startswith("file:"):
            raise ConfigError("STORE_URL: SQLite by a file: address is not supported; give the path")
        return cls(str(Path(path).absolute()), is_ours=False)

    def upgrade(self) -> list[str]:
        # Whatever is there: a look before would wait no longer than a request does for those who write all the time.
        return self._database.upgrade()

    def check(self) -> None:
        self._stamp()
        self._database.transact(lambda transaction: transaction.read())

    def describe(self) -> Description:
        ((journal,),), ((synchronous,),) = self._database.read(("PRAGMA journal_mode", ()), ("PRAGMA synchronous", ()))
        # Without a WAL, NORMAL syncs too; only an ill-timed power cut on old file systems could destroy the file.
        weak = _OUTLIVES.get(synchronous, "") if journal == "wal" or synchronous == _OFF else ""
        warnings = [weak] if weak else []
        if journal in {"memory", "off"}:
            warnings.append(f"journal_mode={journal}: a process that dies in a commit destroys the file")
        durability = weak or "a commit outlives its process and a power cut"
        return Description(
            f"SQLite {sqlite3.sqlite_version}", f"one machine; journal {journal}; {durability}", tuple(warnings)
        )
