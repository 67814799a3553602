"""All ports over one PostgreSQL database."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ...contract import CHECK_WRITES_EVERY
from ...pace import Pace
from .. import migrations
from . import address
from .database import Database
from .description import describe
from .migrating import BusyError, migrating
from .notifier import Notifier
from .principals import PostgresPrincipals
from .records import PostgresRecords
from .revocations import PostgresRevocations
from .sessions import PostgresSessions
from .workers import PostgresWorkers

if TYPE_CHECKING:
    import sqlalchemy

    from ...contract import Description, SchemaState

_ATTEMPTS: Final = 10
# Not to a row that polls read. It is a worker's that was last seen in 1970: never listed, and dropped by others' beats.
_WRITE_SOMETHING: Final = """
INSERT INTO tessera_workers (name, started_at, beat_at, lag_ms) VALUES ('', 0, 0, -1)
ON CONFLICT (name) DO UPDATE SET beat_at = 0"""


class PostgresStorage:
    """All records in one schema.

    Args:
        place: where.
    """

    def __init__(self, place: address.Address) -> None:
        self._database = Database(place)
        self._writing = Pace(CHECK_WRITES_EVERY)
        notifier = Notifier(self._database)
        self.sessions = PostgresSessions(self._database, notifier)
        self.principals = PostgresPrincipals(self._database, notifier)
        self.revocations = PostgresRevocations(self._database, notifier)
        self.workers = PostgresWorkers(self._database)
        self.records = PostgresRecords(self._database, notifier)

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

    def schema_state(self) -> SchemaState:
        """Which version the schema is of, and what is to be done about it.

        Raises:
            StorageUnavailableError: the database does not answer.
        """
        with migrating(self._database.address) as connection:
            return migrations.state_of(migrations.version_of(connection))

    def upgrade(self) -> list[str]:
        """Bring the schema up to date, also while others are at work; gives the revisions that were applied.

        Raises:
            ConfigError: Alembic is missing, or the schema is newer than known here.
            StorageUnavailableError: the database does not answer, or is too busy; nothing was changed.
        """
        for _ in range(_ATTEMPTS - 1):
            with suppress(BusyError):
                return self._upgrade()
        return self._upgrade()

    def check(self) -> None:
        self.revocations.stamp()
        if self._writing.is_due:
            self._database.write(lambda connection: connection.run(_WRITE_SOMETHING), again=True)
            self._writing.note_done()

    def _upgrade(self) -> list[str]:
        with migrating(self._database.address) as connection:
            if migrations.version_of(connection):
                return migrations.upgrade(connection)
        # There is nothing to be brought up to date: it is made at first use.
        self.check()
        return [migrations.HEAD]

    def close(self) -> None:
        self.revocations.close()
        self._database.close()
