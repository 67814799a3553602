"""All ports over one SQL database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .database import Database, our_engine
from .principals import SQLPrincipals
from .revocations import SQLRevocations
from .sessions import SQLSessions

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Engine


class SQLStorage:
    """Sessions, principals and the revocation log in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.revocations = SQLRevocations(database)
        self.sessions = SQLSessions(database, self.revocations)
        self.principals = SQLPrincipals(database, self.revocations)

    @classmethod
    def of_file(cls, path: str) -> SQLStorage:
        """A SQLite file of our own, created at first use."""
        return cls(Database(lambda: our_engine(path), is_ours=True))

    @classmethod
    def of_engine(cls, engine: Callable[[], Engine]) -> SQLStorage:
        """The host's database; `engine` is asked at first use, and no PRAGMA is set on its connections."""
        return cls(Database(engine, is_ours=False))

    def check(self) -> None:
        self._database.open()
        self.revocations.stamp()
        with self._database.writing():
            pass

    def close(self) -> None:
        self._database.close()
