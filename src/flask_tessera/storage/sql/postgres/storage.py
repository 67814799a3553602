"""All ports over one PostgreSQL database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import address
from .bell import Bell
from .database import Database
from .description import describe
from .principals import PostgresPrincipals
from .records import PostgresRecords
from .revocations import PostgresRevocations
from .sessions import PostgresSessions
from .workers import PostgresWorkers

if TYPE_CHECKING:
    import sqlalchemy

    from ...contract import Description


class PostgresStorage:
    """All records in one schema.

    Args:
        place: where.
    """

    def __init__(self, place: address.Address) -> None:
        self._database = Database(place)
        bell = Bell(self._database)
        self.sessions = PostgresSessions(self._database, bell)
        self.principals = PostgresPrincipals(self._database, bell)
        self.revocations = PostgresRevocations(self._database, bell)
        self.workers = PostgresWorkers(self._database, bell)
        self.records = PostgresRecords(self._database, bell)

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
        return self._database.read(describe)

    def check(self) -> None:
        self.revocations.stamp()
        self._database.transact(lambda connection: connection.one("SELECT pg_current_xact_id()::text"))

    def close(self) -> None:
        self.revocations.close()
        self._database.close()
