"""A PostgreSQL database: its connections, what its errors mean, and what it promises."""

from __future__ import annotations

import math
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql

from ....errors import ConfigError
from .. import schema, upgrades
from ..database import STEP, Database, Failure
from ..dialect import POSTGRES
from .address import DEFAULT_SCHEMA, OTHER_DEFAULT
from .connection import Connection, dial_one_of

if TYPE_CHECKING:
    from ..transaction import Rows, Statement
    from .address import Address

_OLDEST_SERVER: Final = 130_000
"""PostgreSQL 13: the first with `xid8`."""
_WHERE_WE_ARE: Final = """
SELECT n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relname = 'tessera_log' AND n.nspname IN (%s, %s)"""
_IS_ROLE: Final = "SELECT 1 FROM pg_roles WHERE rolname = %s"
_HAS_SCHEMA: Final = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
_HAS_LOG: Final = "SELECT to_regclass('tessera_log') IS NOT NULL"
_QUEUE: Final = "SELECT pg_advisory_xact_lock(hashtext('flask_tessera'))"
"""Processes that create or upgrade at once do so one after the other: IF NOT EXISTS alone fails when they race."""
_WHAT_IS_THERE: Final = """
SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = %s),
       EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = 'tessera_log')"""
_CREATE_FOR: Final = "CREATE SCHEMA {0} AUTHORIZATION {1}"
_GRANT_CREATE: Final = "GRANT USAGE, CREATE ON SCHEMA {0} TO {1}"
_GRANT_USE: Final = (
    "GRANT USAGE ON SCHEMA {0} TO {1}; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {0} TO {1}; "
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {0} TO {1}"
)
_TABLE: Final = "SELECT 'tessera_log'::regclass::oid"
_SERVER: Final = """
SELECT system_identifier || '.' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) FROM pg_control_system()"""
_UNKNOWN_SERVER: Final = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.ObjectNotInPrerequisiteState,
)
"""Where the server does not say which it is: a right is lacking, or it is a standby."""
_ATTEMPTS: Final = 10
# Who waits for a table's lock has everybody queue behind: others must not run into their own time limit (2 s).
_WITH_TIME: Final = "SET statement_timeout TO 0; SET lock_timeout TO 1000"
_FAILURES: Final = {
    # Serialization failure, deadlock: the server says that nothing of the transaction is left.
    **dict.fromkeys(("40001", "40P01"), Failure.UNDONE),
    # A prepared statement that does not fit a table which was made anew, or the table is gone.
    **dict.fromkeys(("0A000", "26000", "42P01", "3F000"), Failure.NOTHING_DONE),
    # An administrator, a crash, a start that is not over.
    **dict.fromkeys(("57P01", "57P02", "57P03"), Failure.LOST),
    "23505": Failure.DUPLICATE,
}


class PostgresDatabase(Database[Connection]):
    """One schema of it."""

    errors = (psycopg.Error, OSError, UnicodeError)

    def __init__(self, address: Address) -> None:
        super().__init__(address.pool)
        self.address = address
        # Sent when the transaction is committed. Those who append queue for the head of the log in any case.
        self.dialect = replace(POSTGRES, notify=f"SELECT pg_notify('{address.channel}', '')")
        self._hosts = list(address.attempts)

    def run(self, *statements: Statement, again: bool = True) -> list[Rows]:
        return self._carry_out(lambda connection: connection.batch(statements), writing=True, again=again)

    def upgrade(self) -> list[str]:
        attempts = _ATTEMPTS
        while True:
            try:
                with closing(self._dial(time.monotonic() + STEP)) as connection:
                    return self._upgrade_on(connection)
            except self.errors as error:
                attempts -= 1
                if not (attempts and isinstance(error, psycopg.errors.LockNotAvailable)):
                    raise self.unavailable(error, writing=True) from error

    def failure(self, error: BaseException) -> Failure:
        state = getattr(error, "sqlstate", None)
        if state is None and isinstance(error, psycopg.OperationalError):
            return Failure.LOST
        return _FAILURES.get(state or "", Failure.OTHER)

    def _upgrade_on(self, connection: Connection) -> list[str]:
        connection.deadline = math.inf
        connection.execute(_WITH_TIME)
        use_schema(connection, self.address)
        with connection.transaction():
            connection.execute(_QUEUE)
            version = _version_of(connection)
            if version >= schema.VERSION:
                schema.refuse_other(version)
                return []
            return upgrades.upgrade(connection.execute, version, postgres=True)

    def _dial(self, give_up_at: float) -> Connection:
        return dial_one_of(self._hosts, give_up_at)

    def _version_on(self, connection: Connection) -> int:
        use_schema(connection, self.address)
        return _version_of(connection)

    def _prepare(self, connection: Connection) -> int:
        if connection.info.server_version < _OLDEST_SERVER:
            raise ConfigError("STORE_URL: PostgreSQL must be of version 13 or later")
        if connection.info.parameter_status("server_encoding") != "UTF8":
            raise ConfigError("STORE_URL: the database must be of encoding UTF8")
        name = use_schema(connection, self.address)
        try:
            version = _version_of(connection) or _create(connection, name)
        # A schema that we may not use is not even looked for.
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidSchemaName) as error:
            raise _lacks(connection, name) from error
        connection.identity = _identity_of(connection)
        return version

    def _words(self, error: BaseException) -> str:
        if isinstance(error, (psycopg.DataError, UnicodeError)):
            # Its own words repeat the value.
            return f"a value that PostgreSQL cannot keep, such as a text with NUL ({getattr(error, 'sqlstate', None)})"
        if isinstance(error, psycopg.errors.LockNotAvailable):
            return "a table was in use for too long; try again"
        if isinstance(error, psycopg.Error) and error.sqlstate:
            return f"{error.diag.message_primary} ({error.sqlstate})"
        # "connection to server at …, port … failed: Connection refused"
        return str(error).partition("\n")[0].rpartition("failed: ")[2] or "no detail"


def use_schema(connection: psycopg.Connection[Any], address: Address) -> str:
    """Seek names in our schema only; gives its name, which is that of the address, or where our tables are."""
    name = address.schema
    if not name:
        found = {name for (name,) in connection.execute(_WHERE_WE_ARE, (DEFAULT_SCHEMA, OTHER_DEFAULT)).fetchall()}
        is_role = bool(connection.execute(_IS_ROLE, (DEFAULT_SCHEMA,)).fetchone())
        is_other = OTHER_DEFAULT in found or (is_role and not found)
        name = OTHER_DEFAULT if is_other and DEFAULT_SCHEMA not in found else DEFAULT_SCHEMA
    # And in pg_temp, where only we ourselves could put one.
    connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(name)))
    return name


def _version_of(connection: Connection) -> int:
    """Of the schema that is there; 0 where there is none, or where its log has lost its row."""
    if connection.execute(_HAS_LOG).fetchone() != (True,):
        return 0
    row = connection.execute(schema.READ_VERSION).fetchone()
    return int(row[0]) if row else 0


def _create(connection: Connection, name: str) -> int:
    with connection.transaction():
        connection.execute(_QUEUE)
        if connection.execute(_HAS_SCHEMA, (name,)).fetchone() is None:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
        version = _version_of(connection)
        if not version:
            connection.execute(";".join(schema.creation(POSTGRES)))
    return version or schema.VERSION


def _identity_of(connection: Connection) -> str:
    """The cluster, its timeline (another one after a fail-over or a recovery to a point in time) and the table."""
    (table,) = connection.execute(_TABLE).fetchone() or ("",)
    try:
        row = connection.execute(_SERVER).fetchone()
    except _UNKNOWN_SERVER:
        row = None
    return f"{row[0] if row else ''}.{table}"


def _lacks(connection: Connection, name: str) -> ConfigError:
    """Says what to grant, by what is there already."""
    names = sql.Identifier(name), sql.Identifier(connection.info.user)
    (has_schema, has_tables) = connection.execute(_WHAT_IS_THERE, (name, name)).fetchone() or (0, 0)
    remedy = _GRANT_USE if has_tables else _GRANT_CREATE if has_schema else _CREATE_FOR
    words = sql.SQL(remedy).format(*names).as_string(connection)
    return ConfigError(f"STORE_URL: the role lacks a right; as the owner of the database run: {words}")
