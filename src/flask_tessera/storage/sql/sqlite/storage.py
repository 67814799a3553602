"""All ports over one SQLite database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ....clocks import boot_clock
from .. import migrations
from .database import Database
from .description import describe
from .principals import SQLitePrincipals
from .records import SQLiteRecords
from .revocations import SQLiteRevocations
from .sessions import SQLiteSessions
from .workers import SQLiteWorkers

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...contract import Description, SchemaState


class SQLiteStorage:
    """All records in one file.

    Args:
        path: of the file.
        is_ours: whether we create the file and choose its journal; else it is a host's, and only the connections are
            ours: a step of ours waits neither for the host's pool nor by its time-outs.
        makes_folder: whether its folder is made where it is missing, at first use.
        steady: gives seconds that only grow, for the interval between two looks at the file; for tests.
    """

    def __init__(
        self, path: str, *, is_ours: bool = True, makes_folder: bool = False, steady: Callable[[], float] = boot_clock
    ) -> None:
        self._database = Database(path, is_ours=is_ours, makes_folder=makes_folder)
        self.workers = SQLiteWorkers(self._database)
        self.revocations = SQLiteRevocations(self._database, steady)
        self.sessions = SQLiteSessions(self._database, self.revocations)
        self.principals = SQLitePrincipals(self._database, self.revocations)
        self.records = SQLiteRecords(self._database, self.revocations)

    def describe(self) -> Description:
        with self._database.reading() as connection:
            return describe(connection)

    def schema_state(self) -> SchemaState:
        """Which version the schema is of, and what is to be done about it.

        Raises:
            StorageUnavailableError: the database does not answer.
        """
        file = Path(self._database.path)
        if file.parent.is_dir() and not file.exists():
            # Looking makes no file.
            return migrations.state_of(0)
        with self._database.migrating() as connection:
            return migrations.state_of(migrations.version_of(connection))

    def upgrade(self) -> list[str]:
        """Bring the schema up to date, also while others are at work; gives the revisions that were applied.

        Raises:
            ConfigError: Alembic is missing, or the schema is newer than known here.
            StorageUnavailableError: the database does not answer; nothing was changed.
        """
        with self._database.migrating() as connection:
            if migrations.version_of(connection):
                return migrations.upgrade(connection)
        # There is nothing to be brought up to date: it is made at first use.
        self.check()
        return [migrations.HEAD]

    def check(self) -> None:
        self._database.open()
        self.revocations.stamp()
        with self._database.writing():
            pass

    def close(self) -> None:
        self.revocations.close()
        self._database.close()
