"""What became of a step that the driver has given up, and how to say it without a secret."""

from __future__ import annotations

from typing import Final

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from ....errors import StorageUnavailableError

ERRORS: Final = (psycopg.Error, SQLAlchemyError, OSError, UnicodeError)
"""All that a driver may raise."""
_ROLLED_BACK: Final = {"40001", "40P01"}
"""Serialization failure, deadlock: the server says that nothing of the transaction is left."""
_STALE: Final = {"0A000", "26000", "42P01", "3F000"}
"""A prepared statement that does not fit a table which was made anew, or the table is gone; nothing was done."""
_GOODBYE: Final = {"57P01", "57P02", "57P03"}
"""An administrator, a crash, a start that is not over."""


class NotBegunError(psycopg.OperationalError):
    """The connection was lost before anything was sent of the step but that it begins."""


def is_undone(error: BaseException) -> bool:
    """Whether the server has said that nothing of it was kept."""
    return getattr(error, "sqlstate", None) in _ROLLED_BACK | _STALE


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone: what was sent last may have been done or not."""
    state = getattr(error, "sqlstate", None)
    return isinstance(error, psycopg.OperationalError) and (state is None or state in _GOODBYE)


def unavailable(error: BaseException, *, writing: bool) -> StorageUnavailableError:
    """The error that leaves the storage: the driver's words without statement, parameters and address."""
    if isinstance(error, StorageUnavailableError):
        return error
    return StorageUnavailableError(f"{type(error).__name__}: {_say(error)}", writing=writing)


def _say(error: BaseException) -> str:
    if isinstance(error, (psycopg.DataError, UnicodeError)):
        # Its own words repeat the value.
        return f"a value that PostgreSQL cannot keep, such as a text with NUL ({getattr(error, 'sqlstate', None)})"
    if isinstance(error, psycopg.Error) and error.sqlstate:
        return f"{error.diag.message_primary} ({error.sqlstate})"
    # "connection to server at …, port … failed: Connection refused"
    return str(error).partition("\n")[0].rpartition("failed: ")[2] or "no detail"
