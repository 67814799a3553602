"""The schema of a SQLite database: created where it is missing, refused where it is of another version."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.dialects import sqlite

from .. import schema
from .transaction import LONGEST_WAIT, begin, transaction

if TYPE_CHECKING:
    from sqlalchemy.pool import PoolProxiedConnection

# Made at import, also since a process that has run out of file descriptors cannot import the dialect later.
_CREATE: Final = tuple(schema.statements(schema.make_metadata(), sqlite.dialect()))
_IS_PREPARED: Final = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'tessera_log'"
_VERSION: Final = "SELECT schema_version FROM tessera_log"
_NAME: Final = "INSERT INTO tessera_log (log_id, born_at, file, schema_version) VALUES (?, NULL, '', ?)"
_REVISION: Final = f"INSERT INTO {schema.REVISION_TABLE} (version_num) VALUES (?)"  # noqa: S608 - a constant
_FORGET_REVISION: Final = f"DELETE FROM {schema.REVISION_TABLE}"  # noqa: S608 - a constant
_WORKERS_OF_2: Final = """
CREATE TABLE tessera_workers (
    name TEXT NOT NULL, started_at BIGINT NOT NULL, beat_at BIGINT NOT NULL, lag_ms BIGINT NOT NULL, PRIMARY KEY (name)
) WITHOUT ROWID"""
# One that Alembic has made has it already.
_REVISIONS_OF_2: Final = """
CREATE TABLE IF NOT EXISTS tessera_alembic_version (
    version_num VARCHAR(32) NOT NULL, CONSTRAINT tessera_alembic_version_pkc PRIMARY KEY (version_num)
)"""
# What the migrations do, by the version that they lead to. On our own file it is done at open: nobody else reads that
# file, whoever runs the ready service has one command and no Alembic, and to add a column with a default rewrites no
# row. A process of an older version that is still running goes on, since it names its columns. A step that was released
# stays as it is, whatever the schema becomes.
_STEPS: Final = (
    (
        2,
        (
            "ALTER TABLE tessera_sessions ADD COLUMN era BIGINT DEFAULT 0 NOT NULL",
            "ALTER TABLE tessera_log ADD COLUMN era BIGINT DEFAULT 0 NOT NULL",
            _WORKERS_OF_2,
            _REVISIONS_OF_2,
        ),
    ),
    (
        3,
        (
            "ALTER TABLE tessera_sessions ADD COLUMN user_stamp TEXT DEFAULT '' NOT NULL",
            "ALTER TABLE tessera_sessions ADD COLUMN issued_for TEXT DEFAULT '' NOT NULL",
            "ALTER TABLE tessera_sessions ADD COLUMN claims TEXT DEFAULT '' NOT NULL",
        ),
    ),
    # Of PostgreSQL only.
    (4, ()),
)
_SET_VERSION: Final = "UPDATE tessera_log SET schema_version = ?"


def prepare(connection: PoolProxiedConnection, *, is_ours: bool) -> None:
    """Create what is missing; nothing is written to a database that is complete or of another version.

    Raises:
        ConfigError: the schema is newer than this process knows, or an older one in a host's database.
    """
    cursor = connection.cursor()
    version = _version(cursor)
    if version is None or (version < schema.VERSION and is_ours):
        begin(connection, LONGEST_WAIT)
        # Two processes may start at once: the second waited, and finds all in place.
        for _ in transaction(connection):
            _write(cursor)
        version = _version(cursor)
    if version is not None:
        schema.refuse_other(version)


def _write(cursor: Any) -> None:
    version = _version(cursor)
    if version is not None and version >= schema.VERSION:
        return
    if version is None:
        _create(cursor)
    else:
        _upgrade(cursor, version)
    cursor.execute(_FORGET_REVISION)
    cursor.execute(_REVISION, (schema.revision_of(schema.VERSION),))


def _create(cursor: Any) -> None:
    for statement in _CREATE:
        cursor.execute(statement)
    cursor.execute(_NAME, (secrets.token_hex(8), schema.VERSION))


def _upgrade(cursor: Any, version: int) -> None:
    """Apply each step that the file has not seen yet, in turn."""
    for number, statements in _STEPS:
        if number > version:
            for statement in statements:
                cursor.execute(statement)
            cursor.execute(_SET_VERSION, (number,))


def _version(cursor: Any) -> int | None:
    """Of the schema that is there; None where there is none, or where its log has lost its name."""
    if cursor.execute(_IS_PREPARED).fetchone() is None:
        return None
    row = cursor.execute(_VERSION).fetchone()
    return None if row is None else int(row[0])
