"""The schema of a MySQL database: created where it is missing, refused where it is of another version."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Final

from sqlalchemy.dialects import mysql

from ....errors import ConfigError
from .. import schema
from . import failures

if TYPE_CHECKING:
    from .connection import Connection

_OLDEST: Final = {"MySQL": (8, 0), "MariaDB": (10, 5)}
_CREATE: Final = tuple(schema.statements(schema.make_metadata(), mysql.dialect()))
_VERSION: Final = "SELECT schema_version FROM tessera_log"
_BEGIN_LOG: Final = """
INSERT INTO tessera_log (id, log_id, created_at, place, head, valid_from, schema_version)
VALUES (1, %s, NULL, '', (SELECT coalesce(max(number), 0) FROM tessera_entries), 0, %s)"""
# The server's lock of a name, of 64 characters at most; it ends with the connection. It is waited for longer than for
# an answer, which is then an error.
_LOCK: Final = "SELECT GET_LOCK(CONCAT('tessera:', MD5(DATABASE())), 5)"
_UNLOCK: Final = "DO RELEASE_LOCK(CONCAT('tessera:', MD5(DATABASE())))"
# A dump that was put back has made the table anew.
_TABLE: Final = """
SELECT create_time FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'tessera_log'"""
_SERVER: Final = {"MySQL": "SELECT @@GLOBAL.server_uuid", "MariaDB": "SELECT ''"}
"""MariaDB's servers have no name of their own that outlives a move."""


def prepare(connection: Connection, *, is_first: bool) -> None:
    """See that the database suits us and has our tables, and learn which it is.

    A process that is at work already goes on when the schema is upgraded beneath it: only its first connection is
    refused a version that is not its own.

    Raises:
        ConfigError: it does not suit us, its schema is of another version, or we lack a right.
    """
    name = _check_server(connection.get_server_info())
    try:
        version = version_of(connection) or _create(connection)
    except failures.ERRORS as error:
        if failures.code_of(error) in failures.DENIED:
            ((user,),) = connection.all("SELECT CURRENT_USER()")
            raise ConfigError(
                f"STORE_URL: {user} lacks a right in this database; grant it SELECT, INSERT, UPDATE, DELETE, and CREATE"
                " and INDEX for the first start"
            ) from error
        raise
    if is_first:
        schema.refuse_other(version)
    ((created,),) = connection.all(_TABLE)
    ((server,),) = connection.all(_SERVER[name])
    connection.identity = f"{server}.{created:%Y%m%d%H%M%S}"


def version_of(connection: Connection) -> int:
    """Of the schema that is there; 0 where there is none, or where its log has lost its row."""
    try:
        rows = connection.all(_VERSION)
    except failures.ERRORS as error:
        if failures.code_of(error) == failures.NO_TABLE:
            return 0
        raise
    return int(rows[0][0]) if rows else 0


def _check_server(said: str) -> str:
    name = "MariaDB" if "mariadb" in said.lower() else "MySQL"
    found = re.match(r"(?:5\.5\.5-)?(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < _OLDEST[name]:
        oldest = ".".join(map(str, _OLDEST[name]))
        raise ConfigError(f"STORE_URL: {name} must be of version {oldest} or later")
    return name


def _create(connection: Connection) -> int:
    # Processes that start at once do so one after the other, and all but the first find everything in place.
    connection.all(_LOCK)
    version = version_of(connection)
    if not version:
        for statement in _CREATE:
            _execute_if_needed(connection, statement)
        # Last, since each statement is committed by itself: a log with its row means that all tables are there.
        connection.all(_BEGIN_LOG, (secrets.token_hex(8), schema.VERSION))
    connection.all(_UNLOCK)
    return version or schema.VERSION


def _execute_if_needed(connection: Connection, statement: str) -> None:
    try:
        connection.all(statement)
    except failures.ERRORS as error:
        # MySQL has no word for an index that may be there already.
        if failures.code_of(error) != failures.DUPLICATE_INDEX:
            raise
