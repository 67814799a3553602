"""A connection for changing the schema, with time for it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg
import sqlalchemy
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo
from sqlalchemy.pool import NullPool

from ....errors import StorageUnavailableError
from . import failures
from .preparation import QUEUE, USE_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .address import Address

# Who waits for a table's lock has everybody queue behind: others must not run into their own time limit (2 s).
_SETTINGS: Final = "SET lock_timeout TO 1000"


class BusyError(StorageUnavailableError):
    """A table was in use for longer than others may be kept waiting; nothing was changed."""


@contextmanager
def migrating(address: Address) -> Iterator[sqlalchemy.Connection]:
    """A connection in a transaction in which nobody else creates or changes our tables; committed at the end.

    Raises:
        BusyError: a table is in use for too long.
        StorageUnavailableError: the database does not answer.
    """
    engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: _connect(address), poolclass=NullPool)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(QUEUE)
            yield connection
    except failures.ERRORS as error:
        original = getattr(error, "orig", None) or error
        if isinstance(original, errors.LockNotAvailable):
            raise BusyError("a table was in use for too long; try again", writing=True) from error
        raise failures.unavailable(original, writing=True) from error


def _connect(address: Address) -> psycopg.Connection[Any]:
    first, *others = address.attempts
    try:
        connection = psycopg.connect(make_conninfo("", **first), client_encoding="utf8", autocommit=True)
    except psycopg.OperationalError:
        if not others:
            raise
        return _connect(address._replace(attempts=tuple(others)))
    connection.execute(_SETTINGS)
    connection.execute(USE_SCHEMA.format(sql.Identifier(address.schema)))
    connection.autocommit = False
    return connection
