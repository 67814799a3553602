"""Sends the notification that the revocation log has grown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ....errors import StorageUnavailableError

if TYPE_CHECKING:
    from .database import Database

# Apart from what it tells of, and not synced to the disk: who commits a NOTIFY holds a lock of the whole database
# meanwhile, so all endings would queue for one disk.
_NOTIFY: Final = "SELECT set_config('synchronous_commit', 'off', true), pg_notify(%s, %s)"


class Notifier:
    """Called after each revocation has been committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def notify(self, name: str = "") -> None:
        """Wake all who listen; `name` is of the worker whose beat this is.

        Without it nothing is lost: who listens looks by itself before its bound has passed.
        """
        values = (self._database.address.channel, name)
        try:
            self._database.write(lambda connection: connection.run(_NOTIFY, values), again=True)
        except StorageUnavailableError:
            return
