"""Sends the notification that the revocation log has grown."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ....errors import StorageUnavailableError

if TYPE_CHECKING:
    from .database import Database

# Apart from what it tells of, and not synced to the disk: who commits a NOTIFY holds a lock of the whole database
# meanwhile, so all endings would queue for one disk.
_NOTIFY: Final = "SELECT set_config('synchronous_commit', 'off', true), pg_notify(%s, '')"


class Notifier:
    """Called after each revocation has been committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def notify(self) -> None:
        """Wake all who listen.

        Nothing is lost without it: who listens also looks by itself before its bound has passed.
        """
        values = (self._database.address.channel,)
        with suppress(StorageUnavailableError):
            self._database.write(lambda connection: connection.run(_NOTIFY, values), again=True)
