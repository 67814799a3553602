"""The users of the file into the table that has just been made: after a move of the sessions they are the same."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql

from .table import TABLE

if TYPE_CHECKING:
    import psycopg

    from .file import FileDatabase

_COPY: Final = sql.SQL("COPY {} ({}) FROM STDIN").format(
    sql.Identifier(TABLE.name), sql.SQL(", ").join(sql.Identifier(column.name) for column in TABLE.c)
)
_SET_LAST_ID: Final = f"SELECT setval(pg_get_serial_sequence('{TABLE.name}', 'id'), %s)"
_log = logging.getLogger("flask_tessera")


def import_file_users(connection: psycopg.Connection[Any], file: FileDatabase) -> None:
    """Copy all users with their ids, by which tokens name them; none where there is no file.

    Args:
        connection: within the transaction that has made the table.
        file: where they lived; it is left as it is.

    Raises:
        StorageUnavailableError: the file cannot be read.
    """
    rows, last_id = file.everything()
    if not last_id:
        return
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for row in rows:
            copy.write_row(row)
    # The id of a user who was deleted there must not become another's here.
    connection.execute(_SET_LAST_ID, (last_id,))
    _log.warning("the new table of users in PostgreSQL begins with the %d users of %s", len(rows), file.path)
