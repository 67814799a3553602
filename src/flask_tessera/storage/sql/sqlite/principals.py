"""`PrincipalStorage` in SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import steps

if TYPE_CHECKING:
    from ....sessions.record import Principal, Session
    from .database import Database
    from .revocations import SQLiteRevocations

_UNSUSPEND: Final = "UPDATE tessera_principals SET suspended_until = 0 WHERE user_id = ? AND realm = ?"


class SQLitePrincipals:
    """Each method is one transaction of our own."""

    def __init__(self, database: Database, revocations: SQLiteRevocations) -> None:
        self._database = database
        self._revocations = revocations

    def find(self, realm: str, user_id: str) -> Principal:
        with self._database.reading() as connection:
            return steps.principal(connection, realm, user_id)

    def suspend(self, realm: str, user_id: str, *, until: int, at: int, keep_until: int = 0) -> list[Session]:
        with self._database.writing() as connection:
            ended = steps.end_all(
                connection, realm, user_id, "suspension", at, suspended_until=until, keep_until=keep_until
            )
        self._revocations.announce()
        return ended

    def unsuspend(self, realm: str, user_id: str) -> None:
        with self._database.writing() as connection:
            connection.cursor().execute(_UNSUSPEND, (user_id, realm))
