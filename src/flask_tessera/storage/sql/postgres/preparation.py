"""The schema of a PostgreSQL database: created where it is missing, refused where it is of another version."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from psycopg import errors, sql
from sqlalchemy.dialects import postgresql

from ....errors import ConfigError
from .. import schema

if TYPE_CHECKING:
    from .address import Address
    from .connection import Connection

_OLDEST_SERVER: Final = 130_000
"""PostgreSQL 13: the first with `xid8`."""
_CREATE: Final = tuple(schema.statements(schema.make_metadata(), postgresql.dialect()))  # type: ignore[no-untyped-call] # of SQLAlchemy
# No name is sought but in our schema. (And in pg_temp, where only we ourselves could put one.)
USE_SCHEMA: Final = sql.SQL("SET search_path TO {}")
_CREATE_SCHEMA: Final = sql.SQL("CREATE SCHEMA {}")
_HAS_SCHEMA: Final = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
_HAS_LOG: Final = "SELECT to_regclass('tessera_log') IS NOT NULL"
_VERSION: Final = "SELECT schema_version FROM tessera_log"
_BEGIN_LOG: Final = """
INSERT INTO tessera_log (id, log_id, created_at, place, head, valid_from, schema_version)
VALUES (1, %s, NULL, '', (SELECT coalesce(max(number), 0) FROM tessera_entries), 0, %s)"""
QUEUE: Final = "SELECT pg_advisory_xact_lock(hashtext('flask_tessera'))"
_WHAT_IS_THERE: Final = """
SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = %s),
       EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = 'tessera_log')"""
_CREATE_FOR: Final = ("CREATE SCHEMA {} AUTHORIZATION {}",)
_GRANT_CREATE: Final = ("GRANT USAGE, CREATE ON SCHEMA {} TO {}",)
_GRANT_USE: Final = (
    "GRANT USAGE ON SCHEMA {0} TO {1}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {0} TO {1}",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {0} TO {1}",
)
_TABLE: Final = "SELECT 'tessera_log'::regclass::oid"
_SERVER: Final = """
SELECT system_identifier || '.' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) FROM pg_control_system()"""


def prepare(connection: Connection, address: Address, *, is_first: bool) -> None:
    """See that the database suits us and has our tables, and learn which server it is.

    A process that is at work already goes on when the schema is upgraded beneath it: only its first connection is
    refused a version that is not its own.

    Raises:
        ConfigError: it does not suit us, its schema is of another version, or we lack a right.
    """
    _check_server(connection)
    connection.execute(USE_SCHEMA.format(sql.Identifier(address.schema)))
    version = _version(connection, address)
    if version is None:
        version = _create(connection, address)
    if is_first:
        schema.refuse_other(version)
    connection.identity = _identity_of(connection)


def _check_server(connection: Connection) -> None:
    if connection.info.server_version < _OLDEST_SERVER:
        raise ConfigError("STORE_URL: PostgreSQL must be of version 13 or later")
    if connection.info.parameter_status("server_encoding") != "UTF8":
        raise ConfigError("STORE_URL: the database must be of encoding UTF8")


def _version(connection: Connection, address: Address) -> int | None:
    """Of the schema that is there; None where there is none, or where its log has lost its name."""
    try:
        row = connection.execute(_VERSION).fetchone()
    except errors.UndefinedTable:
        return None
    except errors.InsufficientPrivilege as error:
        raise _lacks(connection, address) from error
    return None if row is None else int(row[0])


def _create(connection: Connection, address: Address) -> int:
    name = sql.Identifier(address.schema)
    try:
        with connection.transaction():
            # Processes that start at once do so one after the other, and all but the first find everything in place:
            # IF NOT EXISTS alone fails when they race.
            connection.execute(QUEUE)
            if connection.execute(_HAS_SCHEMA, (address.schema,)).fetchone() is None:
                connection.execute(_CREATE_SCHEMA.format(name))
            if connection.execute(_HAS_LOG).fetchone() == (True,):
                row = connection.execute(_VERSION).fetchone()
                if row is not None:
                    return int(row[0])
            connection.execute(";\n".join(_CREATE))
            connection.execute(_BEGIN_LOG, (secrets.token_hex(8), schema.VERSION))
            return schema.VERSION
    # A schema that we may not use is not even looked for.
    except (errors.InsufficientPrivilege, errors.InvalidSchemaName) as error:
        raise _lacks(connection, address) from error


def _identity_of(connection: Connection) -> str:
    """The cluster, its timeline (another one after a fail-over or a recovery to a point in time) and the table."""
    (table,) = connection.execute(_TABLE).fetchone() or ("",)
    try:
        row = connection.execute(_SERVER).fetchone()
    except (errors.InsufficientPrivilege, errors.UndefinedFunction, errors.ObjectNotInPrerequisiteState):
        row = None
    return f"{row[0] if row else ''}.{table}"


def _lacks(connection: Connection, address: Address) -> ConfigError:
    """Says what to grant, by what is there already."""
    names = sql.Identifier(address.schema), sql.Identifier(connection.info.user)
    (has_schema, has_tables) = connection.execute(_WHAT_IS_THERE, (address.schema, address.schema)).fetchone() or (0, 0)
    remedy = _GRANT_USE if has_tables else _GRANT_CREATE if has_schema else _CREATE_FOR
    return ConfigError(
        "STORE_URL: the role lacks a right; as the owner of the database run: "
        + "; ".join(sql.SQL(statement).format(*names).as_string(connection) for statement in remedy)
    )
