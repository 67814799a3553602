"""All ports over one SQL database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import URL

from .database import Database
from .principals import SQLPrincipals
from .revocations import SQLRevocations
from .sessions import SQLSessions
from .watch import steady_clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Engine


class SQLStorage:
    """Sessions, principals and the revocation log in one database.

    Args:
        database: where.
        steady: gives seconds that only grow, for the interval between two looks at the file; for tests.
    """

    def __init__(self, database: Database, *, steady: Callable[[], float] = steady_clock) -> None:
        self._database = database
        self.revocations = SQLRevocations(database, steady)
        self.sessions = SQLSessions(database, self.revocations)
        self.principals = SQLPrincipals(database, self.revocations)

    @classmethod
    def of_file(cls, path: str, *, steady: Callable[[], float] = steady_clock) -> SQLStorage:
        """A SQLite file of our own, created at first use."""
        return cls(Database(lambda: URL.create("sqlite", database=path), is_ours=True), steady=steady)

    @classmethod
    def of_engine(cls, engine: Callable[[], Engine]) -> SQLStorage:
        """The host's database; `engine` is asked once, at first use, for where it is.

        Its own connections are left alone: a step of ours waits neither for its pool nor by its time-outs.
        """
        return cls(Database(lambda: engine().url, is_ours=False))

    def check(self) -> None:
        self._database.open()
        self.revocations.stamp()
        with self._database.writing():
            pass

    def close(self) -> None:
        self.revocations.close()
        self._database.close()
