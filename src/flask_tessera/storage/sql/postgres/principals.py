"""`PrincipalStorage` in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ....sessions.record import Principal
from . import steps

if TYPE_CHECKING:
    from ....sessions.record import Session
    from .database import Database
    from .notifier import Notifier

_FIND: Final = "SELECT epoch, suspended_until FROM tessera_principals WHERE user_id = %s AND realm = %s"
_UNSUSPEND: Final = "UPDATE tessera_principals SET suspended_until = 0 WHERE user_id = %s AND realm = %s"


class PostgresPrincipals:
    """A row for each user that has logged in."""

    def __init__(self, database: Database, notifier: Notifier) -> None:
        self._database = database
        self._notifier = notifier

    def find(self, realm: str, user_id: str) -> Principal:
        row = self._database.read(lambda connection: connection.one(_FIND, (user_id, realm)))
        return Principal(realm, user_id, *(row or ()))

    def suspend(self, realm: str, user_id: str, *, until: int, at: int, keep_until: int = 0) -> list[Session]:
        ended = self._database.transact(
            lambda connection: steps.end_all(
                connection, realm, user_id, "suspension", at, suspended_until=until, keep_until=keep_until
            )
        )
        self._notifier.notify()
        return ended

    def unsuspend(self, realm: str, user_id: str) -> None:
        self._database.write(lambda connection: connection.run(_UNSUSPEND, (user_id, realm)), again=True)
