"""The URL of the storage to the users: beside the sessions where several machines share them, else in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .file import FileDatabase
from .operations import Users

if TYPE_CHECKING:
    from pathlib import Path


def open_users(store_url: str, file: Path, *, may_create: bool = True) -> Users:
    """The users of a service; their database is asked at first use.

    Args:
        store_url: of the service's storage.
        file: SQLite's, for the users of a storage that is not PostgreSQL; where it is, a new table begins with those.
        may_create: whether the file may be made.

    Raises:
        ConfigError: a PostgreSQL URL that is malformed, or its driver is not installed.
    """
    if store_url.partition(":")[0].partition("+")[0] not in {"postgresql", "postgres"}:
        return Users(FileDatabase(file, may_create=may_create))
    from .postgres import PostgresDatabase

    return Users(PostgresDatabase(store_url, previous=FileDatabase(file)))
