"""The schema of a SQLite database: created where it is missing, refused where it is of another version."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.dialects import sqlite

from .. import schema, upgrades
from .transaction import LONGEST_WAIT, begin, transaction

if TYPE_CHECKING:
    from sqlalchemy.pool import PoolProxiedConnection

# Made at import, also since a process that has run out of file descriptors cannot import the dialect later.
_CREATE: Final = tuple(schema.statements(schema.make_metadata(), sqlite.dialect()))
_IS_PREPARED: Final = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'tessera_log'"
_VERSION: Final = "SELECT schema_version FROM tessera_log"
_BEGIN_LOG: Final = """
INSERT INTO tessera_log (id, log_id, created_at, place, head, valid_from, schema_version)
VALUES (1, ?, NULL, '', (SELECT coalesce(max(number), 0) FROM tessera_entries), 0, ?)"""


def prepare(connection: PoolProxiedConnection, *, is_ours: bool) -> None:
    """Create what is missing; nothing is written to a database that is complete or of another version.

    An older schema in our own file is upgraded: nobody else reads it, and whoever runs the ready service has one
    command.

    Raises:
        ConfigError: the schema is newer than this process knows, or an older one in a host's database.
    """
    cursor = connection.cursor()
    version = version_of(cursor)
    if not version or (version < schema.VERSION and is_ours):
        begin(connection, LONGEST_WAIT)
        # Two processes may start at once: the second waited, and finds all in place.
        for _ in transaction(connection):
            create_or_upgrade(cursor)
        version = version_of(cursor)
    schema.refuse_other(version)


def create_or_upgrade(cursor: Any) -> list[str]:
    """Bring the schema up to date in the transaction of the cursor; gives the steps that were applied.

    Raises:
        ConfigError: it is newer than this process knows.
    """
    version = version_of(cursor)
    if version >= schema.VERSION:
        schema.refuse_other(version)
        return []
    if version:
        return upgrades.upgrade(cursor.execute, version, postgres=False)
    for statement in _CREATE:
        cursor.execute(statement)
    cursor.execute(_BEGIN_LOG, (secrets.token_hex(8), schema.VERSION))
    return [upgrades.HEAD]


def version_of(cursor: Any) -> int:
    """Of the schema that is there; 0 where there is none, or where the row of its log is gone."""
    if cursor.execute(_IS_PREPARED).fetchone() is None:
        return 0
    row = cursor.execute(_VERSION).fetchone()
    return 0 if row is None else int(row[0])
