"""A connection for changing the schema, with time for it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import errors
from psycopg.conninfo import make_conninfo

from ....errors import StorageUnavailableError
from .. import schema, upgrades
from . import failures
from .preparation import QUEUE, use_schema

if TYPE_CHECKING:
    from .address import Address

# Who waits for a table's lock has everybody queue behind: others must not run into their own time limit (2 s).
_SETTINGS: Final = "SET lock_timeout TO 1000"
_HAS_LOG: Final = "SELECT to_regclass('tessera_log') IS NOT NULL"
_VERSION: Final = "SELECT schema_version FROM tessera_log"


class BusyError(StorageUnavailableError):
    """A table was in use for longer than others may be kept waiting; nothing was changed."""


def version_of(address: Address) -> int:
    """Of the schema that is there; 0 where there is none.

    Raises:
        StorageUnavailableError: the database does not answer.
    """
    try:
        with closing(_connect(address)) as connection:
            return _version(connection)
    except failures.ERRORS as error:
        raise failures.unavailable(error, writing=False) from error


def upgrade(address: Address) -> list[str]:
    """Bring tables that are there up to date, in one transaction; gives the steps that were applied.

    Raises:
        ConfigError: the schema is newer than known here.
        BusyError: a table is in use for too long.
        StorageUnavailableError: the database does not answer.
    """
    try:
        with closing(_connect(address)) as connection, connection.transaction():
            connection.execute(QUEUE)
            version = _version(connection)
            if version == 0 or version >= schema.VERSION:
                schema.refuse_other(version or schema.VERSION)
                return []
            return upgrades.upgrade(connection.execute, version, postgres=True)
    except errors.LockNotAvailable as error:
        raise BusyError("a table was in use for too long; try again", writing=True) from error
    except failures.ERRORS as error:
        raise failures.unavailable(error, writing=True) from error


def _version(connection: psycopg.Connection[Any]) -> int:
    if connection.execute(_HAS_LOG).fetchone() != (True,):
        return 0
    row = connection.execute(_VERSION).fetchone()
    # A log without its row gets one when it is opened; its tables are there.
    return int(row[0]) if row else schema.VERSION


def _connect(address: Address) -> psycopg.Connection[Any]:
    first, *others = address.attempts
    try:
        connection = psycopg.connect(make_conninfo("", **first), client_encoding="utf8", autocommit=True)
    except psycopg.OperationalError:
        if not others:
            raise
        return _connect(address._replace(attempts=tuple(others)))
    connection.execute(_SETTINGS)
    use_schema(connection, address)
    return connection
