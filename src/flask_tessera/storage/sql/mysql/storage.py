"""All ports over one MySQL or MariaDB database."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

from ...engine import Storage
from .. import schema, upgrades
from ..pooled import STEP
from ..sessions import SQLSessions
from ..values import SQLValues
from . import address, failures
from .connection import Connection
from .database import MySQLDatabase
from .description import describe
from .log import MySQLLog
from .preparation import version_of

if TYPE_CHECKING:
    import sqlalchemy

    from ...contract import Description, SchemaState


class MySQLStorage(Storage):
    """All records in tables of one database, each called `tessera_…`.

    Args:
        place: where.
    """

    another_place = "another database of the server in the URL of the storage"

    def __init__(self, place: address.Address) -> None:
        self._database = MySQLDatabase(place)
        super().__init__(SQLSessions(self._database), MySQLLog(self._database), SQLValues(self._database))

    @classmethod
    def at(cls, url: str) -> MySQLStorage:
        """A database of our own, or a host's.

        Raises:
            ConfigError: the URL is malformed, or has an option that is not known.
        """
        return cls(address.parse(url))

    @classmethod
    def of_host(cls, url: sqlalchemy.URL) -> MySQLStorage:
        """The database of a host's engine; its own connections and transactions are left alone.

        Raises:
            ConfigError: the URL names no database.
        """
        return cls(address.of_host(url))

    def describe(self) -> Description:
        return describe(self._database)

    def schema_state(self) -> SchemaState:
        """Which version the schema is of, and what is to be done about it.

        Raises:
            StorageUnavailableError: the database does not answer.
        """
        try:
            with closing(Connection.dial(self._database.address.options, time.monotonic() + STEP)) as connection:
                return upgrades.state_of(version_of(connection))
        except failures.ERRORS as error:
            raise failures.unavailable(error, writing=False) from error

    def upgrade(self) -> list[str]:
        """Make the tables where there are none: no older schema of MySQL was ever released; gives what was done.

        Raises:
            ConfigError: the schema is newer than known here.
            StorageUnavailableError: the database does not answer.
        """
        is_new = self.schema_state().is_new
        self.check()
        return [schema.revision_of(schema.VERSION)] if is_new else []

    def check(self) -> None:
        self._database.check()

    def close(self) -> None:
        self._database.close()
