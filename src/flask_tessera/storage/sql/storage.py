"""All ports over one SQL database."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from ..contract import CHECK_WRITES_EVERY
from ..engine import Storage
from ..model import ANY_VERSION
from ..pace import Pace
from . import schema, upgrades
from .sessions import SQLSessions
from .values import SQLValues

if TYPE_CHECKING:
    from typing import Any

    from ..model import SchemaState
    from .database import Database
    from .log import SQLLog


class SQLStorage(Storage):
    """All records in one database.

    Args:
        database: where they are.
        log: the revocation log there.
    """

    def __init__(self, database: Database[Any], log: SQLLog) -> None:
        self._database = database
        self._log = log
        self._writing = Pace(CHECK_WRITES_EVERY)
        super().__init__(SQLSessions(database, log.announce), log, SQLValues(database))

    def schema_state(self) -> SchemaState:
        """Which version the schema is of, and what is to be done about it.

        Raises:
            StorageUnavailableError: the database does not answer.
        """
        return schema.state_of(self._database.version())

    def upgrade(self) -> list[str]:
        """Bring the schema up to date, also while others are at work; gives the steps that were applied.

        Raises:
            ConfigError: the schema is newer than known here.
            StorageUnavailableError: the database does not answer, or is too busy; nothing was changed.
        """
        if self.schema_state().is_new:
            # There is nothing to be brought up to date: it is made at first use.
            self.check()
            return [upgrades.HEAD]
        return self._database.upgrade()

    def check(self) -> None:
        self._database.read(("SELECT 1 FROM tessera_log WHERE id = 1", ()))
        if self._writing.is_due:
            # Not the row that polls read; nobody reads it.
            row = ("check", b"", b"", secrets.randbits(52), 0, b"")
            self._database.run((self._database.dialect.put_value, (*row, ANY_VERSION, ANY_VERSION, 0)))
            self._writing.note_done()

    def close(self) -> None:
        self._log.close()
        self._database.close()
