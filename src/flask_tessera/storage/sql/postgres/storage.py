"""All ports over one PostgreSQL database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...engine import Storage
from .. import upgrades
from ..sessions import SQLSessions
from ..values import SQLValues
from . import address, upgrading
from .database import PostgresDatabase
from .description import describe
from .log import PostgresLog

if TYPE_CHECKING:
    import sqlalchemy

    from ...contract import Description, SchemaState


class PostgresStorage(Storage):
    """All records in one schema.

    Args:
        place: where.
    """

    another_place = "?schema=NAME in the URL of the storage"

    def __init__(self, place: address.Address) -> None:
        self._database = PostgresDatabase(place)
        self._log = PostgresLog(self._database)
        super().__init__(SQLSessions(self._database), self._log, SQLValues(self._database))

    @classmethod
    def at(cls, url: str) -> PostgresStorage:
        """A database of our own, or a schema of our own in any.

        Raises:
            ConfigError: the URL is malformed, or has an option that is not known.
        """
        return cls(address.parse(url))

    @classmethod
    def of_host(cls, url: sqlalchemy.URL) -> PostgresStorage:
        """The database of a host's engine; its own connections and transactions are left alone."""
        return cls(address.of_host(url))

    def describe(self) -> Description:
        return describe(self._database)

    def schema_state(self) -> SchemaState:
        """Which version the schema is of, and what is to be done about it.

        Raises:
            StorageUnavailableError: the database does not answer.
        """
        return upgrades.state_of(upgrading.version_of(self._database.address))

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
        self._database.check()

    def close(self) -> None:
        self._log.close()
        self._database.close()
