"""The schema of a PostgreSQL database: created where it is missing, refused where it is of another version."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import errors, sql
from sqlalchemy.dialects import postgresql

from ....errors import ConfigError
from .. import schema
from .address import DEFAULT_SCHEMA, OTHER_DEFAULT

if TYPE_CHECKING:
    from .address import Address
    from .connection import Connection

_OLDEST_SERVER: Final = 130_000
"""PostgreSQL 13: the first with `xid8`."""
_CREATE: Final = tuple(schema.statements(schema.make_metadata(), postgresql.dialect()))  # type: ignore[no-untyped-call] # of SQLAlchemy
# No name is sought but in our schema. (And in pg_temp, where only we ourselves could put one.)
USE_SCHEMA: Final = sql.SQL("SET search_path TO {}")
_CREATE_SCHEMA: Final = sql.SQL("CREATE SCHEMA {}")
_WHERE_WE_ARE: Final = """
SELECT n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relname = 'tessera_log' AND n.nspname IN (%s, %s)"""
_IS_ROLE: Final = "SELECT 1 FROM pg_roles WHERE rolname = %s"
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
    schema_name = use_schema(connection, address)
    version = _version(connection, schema_name)
    if version is None:
        version = _create(connection, schema_name)
    if is_first:
        schema.refuse_other(version)
    connection.identity = _identity_of(connection)


def use_schema(connection: psycopg.Connection[Any], address: Address) -> str:
    """Seek names in our schema only; gives its name, which is that of the address, or where our tables are."""
    name = address.schema
    if not name:
        found = {name for (name,) in connection.execute(_WHERE_WE_ARE, (DEFAULT_SCHEMA, OTHER_DEFAULT)).fetchall()}
        is_role = bool(connection.execute(_IS_ROLE, (DEFAULT_SCHEMA,)).fetchone())
        is_other = OTHER_DEFAULT in found or (is_role and not found)
        name = OTHER_DEFAULT if is_other and DEFAULT_SCHEMA not in found else DEFAULT_SCHEMA
    connection.execute(USE_SCHEMA.format(sql.Identifier(name)))
    return name


def _check_server(connection: Connection) -> None:
    if connection.info.server_version < _OLDEST_SERVER:
        raise ConfigError("STORE_URL: PostgreSQL must be of version 13 or later")
    if connection.info.parameter_status("server_encoding") != "UTF8":
        raise ConfigError("STORE_URL: the database must be of encoding UTF8")


def _version(connection: Connection, name: str) -> int | None:
    """Of the schema that is there; None where there is none, or where its log has lost its name."""
    try:
        row = connection.execute(_VERSION).fetchone()
    except errors.UndefinedTable:
        return None
    except errors.InsufficientPrivilege as error:
        raise _lacks(connection, name) from error
    return None if row is None else int(row[0])


def _create(connection: Connection, name: str) -> int:
    try:
        with connection.transaction():
            # Processes that start at once do so one after the other, and all but the first find everything in place:
            # IF NOT EXISTS alone fails when they race.
            connection.execute(QUEUE)
            if connection.execute(_HAS_SCHEMA, (name,)).fetchone() is None:
                connection.execute(_CREATE_SCHEMA.format(sql.Identifier(name)))
            if connection.execute(_HAS_LOG).fetchone() == (True,):
                row = connection.execute(_VERSION).fetchone()
                if row is not None:
                    return int(row[0])
            connection.execute(";\n".join(_CREATE))
            connection.execute(_BEGIN_LOG, (secrets.token_hex(8), schema.VERSION))
            return schema.VERSION
    # A schema that we may not use is not even looked for.
    except (errors.InsufficientPrivilege, errors.InvalidSchemaName) as error:
        raise _lacks(connection, name) from error


def _identity_of(connection: Connection) -> str:
    """The cluster, its timeline (another one after a fail-over or a recovery to a point in time) and the table."""
    (table,) = connection.execute(_TABLE).fetchone() or ("",)
    try:
        row = connection.execute(_SERVER).fetchone()
    except (errors.InsufficientPrivilege, errors.UndefinedFunction, errors.ObjectNotInPrerequisiteState):
        row = None
    return f"{row[0] if row else ''}.{table}"


def _lacks(connection: Connection, name: str) -> ConfigError:
    """Says what to grant, by what is there already."""
    names = sql.Identifier(name), sql.Identifier(connection.info.user)
    (has_schema, has_tables) = connection.execute(_WHAT_IS_THERE, (name, name)).fetchone() or (0, 0)
    remedy = _GRANT_USE if has_tables else _GRANT_CREATE if has_schema else _CREATE_FOR
    return ConfigError(
        "STORE_URL: the role lacks a right; as the owner of the database run: "
        + "; ".join(sql.SQL(statement).format(*names).as_string(connection) for statement in remedy)
    )
