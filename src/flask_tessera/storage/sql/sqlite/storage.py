"""All ports over one SQLite database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....clocks import boot_clock
from ...engine import Storage
from .. import upgrades
from ..sessions import SQLSessions
from ..values import SQLValues
from .database import SQLiteDatabase
from .description import describe
from .log import SQLiteLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...contract import Description, SchemaState


class SQLiteStorage(Storage):
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
        self._database = SQLiteDatabase(path, is_ours=is_ours, makes_folder=makes_folder)
        self._log = SQLiteLog(self._database, steady)
        super().__init__(SQLSessions(self._database, self._log.announce), self._log, SQLValues(self._database))

    def describe(self) -> Description:
        return describe(self._database)

    def schema_state(self) -> SchemaState:
        """Which version the schema is of, and what is to be done about it.

        Raises:
            StorageUnavailableError: the database does not answer.
        """
        return upgrades.state_of(self._database.schema_version())

    def upgrade(self) -> list[str]:
        """Bring the schema up to date, also while others are at work; gives the steps that were applied.

        Raises:
            ConfigError: the schema is newer than known here.
            StorageUnavailableError: the database does not answer; nothing was changed.
        """
        return self._database.upgrade()

    def check(self) -> None:
        self._database.open()
        self._log.stamp()
        with self._database.writing():
            pass

    def close(self) -> None:
        self._log.close()
        self._database.close()
