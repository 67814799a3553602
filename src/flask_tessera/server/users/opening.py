"""A URL to the users."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...errors import ConfigError
from . import engines
from .database import UserDatabase
from .repository import Users

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Engine

USERS_URL: Final = "TESSERA_USERS_URL"
SQL: Final = {"sqlite", "postgresql", "postgres", "mysql", "mariadb"}
"""Schemes of databases that can keep users."""


def scheme_of(url: str) -> str:
    """The scheme of a URL, without the name of a driver."""
    return url.partition(":")[0].partition("+")[0]


def open_users(url: str, file: Path, *, may_create: bool = True, setting: str = USERS_URL) -> Users:
    """The users of a service; their database is asked at first use.

    Args:
        url: of a database; if it is empty, they live in `file`.
        file: SQLite's, in the data folder; where it is, the new table of another database begins with its users.
        may_create: whether a file may be made.
        setting: where the URL comes from, for error texts.

    Raises:
        ConfigError: the URL is malformed or of no SQL database, or its driver is not installed.
    """
    path = _file_of(url, file.parent, setting) if url else file
    if path:
        previous = None if path == file else file
        make = partial(engines.sqlite_engine, path)
        return Users(UserDatabase(make, file=path, may_create=may_create, previous=previous))
    return Users(UserDatabase(_engine_of(url, setting), previous=file))


def _engine_of(url: str, setting: str) -> Callable[[], Engine]:
    try:
        if scheme_of(url) in {"postgresql", "postgres"}:
            from ...storage.sql.postgres import address as postgres

            return partial(engines.postgres_engine, postgres.parse(url))
        if scheme_of(url) in {"mysql", "mariadb"}:
            from ...storage.sql.mysql import address as mysql

            return partial(engines.mysql_engine, mysql.parse(url))
    except ConfigError as error:
        raise ConfigError(str(error).replace("STORE_URL", setting)) from error
    # The URL may hold a password: only its scheme is repeated.
    known = "sqlite:///file.db, postgresql://host/database or mysql://host/database"
    raise ConfigError(f"{setting}: {scheme_of(url)!r} is not supported; use {known}")


def _file_of(url: str, folder: Path, setting: str) -> Path | None:
    """The file that a URL of SQLite names; None for another database."""
    if scheme_of(url) != "sqlite":
        return None
    path = url.partition(":")[2].removeprefix("///")
    if not url.startswith("sqlite:///") or not path or path == ":memory:" or "?" in path:
        raise ConfigError(f"{setting}: SQLite needs a file, sqlite:///file.db, and takes no options")
    return Path(folder, path).absolute()
