"""The database of a host: SQLite or PostgreSQL, as its engine says at first use."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from ...errors import ConfigError, StorageUnavailableError
from ...fork import renew_in_children

if TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy

    from ..contract import (
        Description,
        PrincipalStorage,
        Records,
        RevocationLog,
        SchemaState,
        SessionStorage,
        Storage,
        WorkerRegistry,
    )

_LONGEST_WAIT = 0.75


class HostStorage:
    """A storage that is made when it is first used, since a host's engine may need its application.

    Args:
        get_url: gives the address of the host's database; asked until it has answered once.
    """

    def __init__(self, get_url: Callable[[], sqlalchemy.URL]) -> None:
        self._get_url = get_url
        self._found: Storage | None = None
        self.sessions = cast("SessionStorage", _Port(self, "sessions"))
        self.principals = cast("PrincipalStorage", _Port(self, "principals"))
        self.revocations = cast("RevocationLog", _Port(self, "revocations"))
        self.workers = cast("WorkerRegistry", _Port(self, "workers"))
        self.records = cast("Records", _Port(self, "records"))
        renew_in_children(self)

    def renew_locks(self) -> None:
        """A thread of the parent may have been asking."""
        self._lock = threading.Lock()

    @property
    def found(self) -> Storage:
        """The storage in that database.

        Raises:
            ConfigError: it is neither SQLite in a file nor PostgreSQL.
        """
        found = self._found
        return found if found is not None else self._find()

    def describe(self) -> Description:
        return self.found.describe()

    def schema_state(self) -> SchemaState:
        """Which version the schema is of; see the storage of that database."""
        return cast("Migrating", self.found).schema_state()

    def upgrade(self) -> list[str]:
        """Bring the schema up to date; see the storage of that database."""
        return cast("Migrating", self.found).upgrade()

    def check(self) -> None:
        self.found.check()

    def close(self) -> None:
        if self._found is not None:
            self._found.close()

    def _find(self) -> Storage:
        lock = self._lock
        if not lock.acquire(timeout=_LONGEST_WAIT):
            raise StorageUnavailableError("waited too long for another thread that asks for the host's engine")
        try:
            if self._found is None:
                self._found = _storage_at(self._get_url())
            return self._found
        finally:
            lock.release()


class Migrating(Protocol):
    """What storages with a schema can do, too."""

    def schema_state(self) -> SchemaState:
        """Which version the schema is of, and what is to be done about it."""
        ...

    def upgrade(self) -> list[str]:
        """Bring the schema up to date; gives the revisions that were applied."""
        ...


class _Port:
    """Stands for a port of a storage that is not known yet; what was asked of it once is found at once."""

    def __init__(self, owner: HostStorage, name: str) -> None:
        self._owner = owner
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(getattr(self._owner.found, self._name), name)
        setattr(self, name, value)
        return value


def _storage_at(url: sqlalchemy.URL) -> Storage:
    name = url.get_backend_name()
    if name == "sqlite":
        from .sqlite import SQLiteStorage

        return SQLiteStorage(_path_of(url), is_ours=False)
    if name == "postgresql":
        from .postgres import PostgresStorage

        return PostgresStorage.of_host(url)
    raise ConfigError(f"STORE_URL: {name} is not supported; use sqlite:///file, postgresql://host/db or memory:")


def _path_of(url: sqlalchemy.URL) -> str:
    path = url.database
    if not path or path == ":memory:" or "mode=memory" in path:
        raise ConfigError("STORE_URL: SQLite in memory cannot be shared; use memory: or a file")
    if path.startswith("file:"):
        raise ConfigError("STORE_URL: SQLite by a file: address is not supported; give the path")
    return str(Path(path).absolute())
