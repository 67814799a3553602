"""The table of users: made where there is none, with the users of the file in which they lived before, or completed."""

from __future__ import annotations

import logging
import sqlite3
import time
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, NoSuchTableError, OperationalError
from sqlalchemy.schema import CreateSchema, CreateTable

from ...errors import ConfigError
from . import engines, table

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Connection, Engine

_PATIENCE: Final = 2
"""Seconds for which SQLite's file may be locked."""
_PAUSE: Final = 0.01
"""Seconds between two tries."""
_BATCH: Final = 1000
# Processes that start at once do so one after the other: IF NOT EXISTS alone fails when they race. PostgreSQL's is the
# lock of the storage's tables. MySQL's would be waited for longer than for an answer, which is then an error.
_LOCK: Final = {
    "sqlite": ("PRAGMA journal_mode = WAL", "BEGIN IMMEDIATE"),
    "postgresql": ("BEGIN", "SELECT pg_advisory_xact_lock(hashtext('flask_tessera'))"),
    "mysql": ("SELECT GET_LOCK(CONCAT('tessera:', MD5(DATABASE())), 5)",),
}
_UNLOCK: Final = {"mysql": "SELECT RELEASE_LOCK(CONCAT('tessera:', MD5(DATABASE())))"}
# MySQL commits each CREATE: what a crash leaves unfinished there must not be taken for the table.
_DRAFT: Final = table.make_table("service_users_draft")
_DROP_DRAFT: Final = "DROP TABLE IF EXISTS service_users_draft"
_RENAME_DRAFT: Final = "RENAME TABLE service_users_draft TO service_users"
_DENIED: Final = {"42501", 1142, 1044}
"""PostgreSQL's insufficient_privilege; MySQL's ER_TABLEACCESS_DENIED_ERROR, ER_DBACCESS_DENIED_ERROR."""
_log = logging.getLogger("flask_tessera")


def make_table(engine: Engine, previous: Path | None) -> None:
    """Make the table where there is none, or add what it lacks.

    Args:
        engine: of the database.
        previous: a SQLite file; a new table begins with its users, whose ids tokens name. It is left as it is.

    Raises:
        ConfigError: we have no right to do so.
    """
    give_up_at = time.monotonic() + _PATIENCE
    while True:
        try:
            with engine.connect() as connection:
                _make_in(connection, previous)
        except OperationalError as error:
            # SQLite does not always wait by itself where several processes make a file.
            is_busy = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if not is_busy or time.monotonic() > give_up_at:
                raise
            time.sleep(_PAUSE)
        else:
            return


def _make_in(connection: Connection, previous: Path | None) -> None:
    dialect = connection.dialect.name
    try:
        if _missing(connection):
            for statement in _LOCK[dialect]:
                connection.exec_driver_sql(statement)
            if not _has_table(connection):
                _make(connection, previous)
            for statement in _completion(connection):
                connection.exec_driver_sql(statement)
            connection.exec_driver_sql(_UNLOCK.get(dialect, "COMMIT"))
    except DBAPIError as error:
        # What was begun is undone with the connection.
        connection.invalidate()
        connection.rollback()
        if error.orig and engines.code_of(error.orig) in _DENIED:
            raise ConfigError(f"the table of users cannot be made or completed: {_remedy(connection)}") from error
        raise
    except BaseException:
        connection.invalidate()
        raise


def _make(connection: Connection, previous: Path | None) -> None:
    users = _users_of(previous) if previous and previous.exists() else []
    is_mysql = connection.dialect.name == "mysql"
    schema, made = connection.info.get("schema"), _DRAFT if is_mysql else table.TABLE
    if is_mysql:
        connection.exec_driver_sql(_DROP_DRAFT)
    if schema and not sa.inspect(connection).has_schema(schema):
        connection.execute(CreateSchema(schema))
    connection.execute(CreateTable(made))
    for first in range(0, len(users), _BATCH):
        engines.begin_step(connection)
        connection.execute(sa.insert(made), users[first : first + _BATCH])
    if is_mysql:
        connection.exec_driver_sql(_RENAME_DRAFT)
    if users:
        _log.warning("the new table of users begins with the %d users of %s", len(users), previous)


def _users_of(file: Path) -> list[dict[str, Any]]:
    engine = engines.sqlite_engine(file)
    try:
        with engine.connect() as connection:
            columns = [column for column in table.TABLE.c if column.name in _columns_of(connection)]
            rows = connection.execute(sa.select(*columns)).mappings() if columns else ()
            return [dict(row) for row in rows]
    finally:
        engine.dispose()


def _has_table(connection: Connection) -> bool:
    return bool(_columns_of(connection))


def _missing(connection: Connection) -> list[str]:
    """The names of the columns that the table lacks; all of them where there is no table."""
    found = _columns_of(connection)
    return [column.name for column in table.TABLE.c if column.name not in found]


def _completion(connection: Connection) -> list[str]:
    """The statements that add them."""
    return [each for name in _missing(connection) for each in table.LATER[name][connection.dialect.name]]


def _columns_of(connection: Connection) -> set[str]:
    """The names of the table's columns; none where there is no table."""
    try:
        found = sa.inspect(connection).get_columns(table.NAME, schema=connection.info.get("schema"))
    except NoSuchTableError:
        return set()
    return {column["name"] for column in found}


def _remedy(connection: Connection) -> str:
    """Says what to grant."""
    user, schema = connection.scalar(sa.text("SELECT CURRENT_USER")), connection.info.get("schema")
    if not schema:
        return f"grant CREATE, INSERT, ALTER and DROP on this database to {user}"
    quote = connection.dialect.identifier_preparer.quote_identifier
    if _has_table(connection):
        statements = "; ".join(_completion(connection))
        return f"as its owner run: {statements.replace(f' {table.NAME} ', f' {quote(schema)}.{table.NAME} ')}"
    has_schema = sa.inspect(connection).has_schema(schema)
    form = "GRANT CREATE ON SCHEMA {} TO {}" if has_schema else "CREATE SCHEMA {} AUTHORIZATION {}"
    return f"as the owner of the database run: {form.format(quote(schema), quote(user))}"
