"""The storage in the database of a host: SQLite, PostgreSQL or MySQL, as the URL of its engine says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ConfigError

if TYPE_CHECKING:
    import sqlalchemy

    from ..engine import Storage


def storage_at(url: sqlalchemy.URL) -> Storage:
    """Make the storage in the database of a host; its connections are its own, and are made at first use.

    Raises:
        ConfigError: it is neither SQLite in a file nor PostgreSQL nor MySQL.
    """
    name = url.get_backend_name()
    if name == "sqlite":
        from .sqlite import SQLiteStorage

        return SQLiteStorage(_path_of(url), is_ours=False)
    if name == "postgresql":
        from .postgres import PostgresStorage

        return PostgresStorage.of_host(url)
    if name in {"mysql", "mariadb"}:
        from .mysql import MySQLStorage

        return MySQLStorage.of_host(url)
    known = "sqlite:///file, postgresql://host/db, mysql://host/db or memory:"
    raise ConfigError(f"STORE_URL: {name} is not supported; use {known}")


def _path_of(url: sqlalchemy.URL) -> str:
    path = url.database
    if not path or path == ":memory:" or "mode=memory" in path:
        raise ConfigError("STORE_URL: SQLite in memory cannot be shared; use memory: or a file")
    if path.startswith("file:"):
        raise ConfigError("STORE_URL: SQLite by a file: address is not supported; give the path")
    return str(Path(path).absolute())
