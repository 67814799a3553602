"""What became of a step that the driver has given up, and how to say it without a secret."""

from __future__ import annotations

import re
from typing import Any, Final

from pymysql import err

from ....errors import StorageUnavailableError

ERRORS: Final = (err.MySQLError, OSError, UnicodeError)
"""All that the driver may raise."""
DUPLICATE: Final = 1062
NO_TABLE: Final = 1146
DENIED: Final = {1044, 1142}
"""ER_DBACCESS_DENIED_ERROR, ER_TABLEACCESS_DENIED_ERROR."""
DUPLICATE_INDEX: Final = 1061
_DEADLOCK: Final = 1213
"""ER_LOCK_DEADLOCK, of which the server has rolled back the whole transaction; ER_LOCK_WAIT_TIMEOUT (1205) has not."""
_STALE: Final = {NO_TABLE, 1412}
"""The table is gone, or was made anew; nothing was done."""
# ER_SERVER_SHUTDOWN, ER_CONNECTION_KILLED of MariaDB, ER_CLIENT_INTERACTION_TIMEOUT and ER_NORMAL_SHUTDOWN of MySQL.
_GOODBYE: Final = {1053, 1927, 4031, 1077, 2006, 2013, 2055}
_VALUES: Final = {1264, 1292, 1300, 1366, 1406}
"""Of which the words repeat a value, or its beginning."""


class NotCommittedError(err.OperationalError):  # type: ignore[misc] # the driver has no types
    """The connection was lost before the commit was sent."""


def code_of(error: BaseException) -> Any:
    """The number of an error; None if it has none."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else None


def is_deadlock(error: BaseException) -> bool:
    """Whether the server has rolled the transaction back, since two of them waited for each other."""
    return bool(code_of(error) == _DEADLOCK)


def is_stale(error: BaseException) -> bool:
    """Whether a new connection would put it right, which sees that the tables are there."""
    return code_of(error) in _STALE


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone: what was sent last may have been done or not."""
    return isinstance(error, (err.InterfaceError, OSError)) or code_of(error) in _GOODBYE


def unavailable(error: BaseException, *, writing: bool) -> StorageUnavailableError:
    """The error that leaves the storage: the driver's words without statement, parameters and address."""
    if isinstance(error, StorageUnavailableError):
        return error
    return StorageUnavailableError(f"{type(error).__name__}: {_say(error)}", writing=writing)


def _say(error: BaseException) -> str:
    code = code_of(error)
    if isinstance(error, (err.DataError, err.IntegrityError, UnicodeError)) or code in _VALUES:
        return f"a value that MySQL cannot keep ({code})"
    # "Can't connect to MySQL server on 'host' ([Errno 111] Connection refused)"
    words = re.sub(r" on '[^']*'", "", str(error.args[-1] if error.args else ""))
    return f"{words.partition('; check the manual')[0] or 'no detail'} ({code})"
