"""A MySQL or MariaDB database: its connections and tables, what its errors mean, and what it promises."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pymysql import err

from ....errors import ConfigError
from .. import schema
from ..database import Database, Failure
from ..dialect import MYSQL
from .connection import ERRORS, Connection

if TYPE_CHECKING:
    from .address import Address

_OLDEST: Final = {"MySQL": (8, 0), "MariaDB": (10, 5)}
# The server's lock of a name, of 64 characters at most; it ends with the connection. It is waited for longer than for
# an answer, which is then an error.
_LOCK: Final = "SELECT GET_LOCK(CONCAT('tessera:', MD5(DATABASE())), 5)"
_UNLOCK: Final = "DO RELEASE_LOCK(CONCAT('tessera:', MD5(DATABASE())))"
# A dump that was put back has made the table anew.
_TABLE: Final = """
SELECT create_time FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'tessera_log'"""
_SERVER: Final = {"MySQL": "SELECT @@GLOBAL.server_uuid", "MariaDB": "SELECT ''"}
"""MariaDB's servers have no name of their own that outlives a move."""
_NO_TABLE: Final = 1146
_DUPLICATE_INDEX: Final = 1061
_DENIED: Final = {1044, 1142}
"""ER_DBACCESS_DENIED_ERROR, ER_TABLEACCESS_DENIED_ERROR."""
_VALUES: Final = {1264, 1292, 1300, 1366, 1406}
"""Of which the words repeat a value, or its beginning."""
_FAILURES: Final = {
    # ER_LOCK_DEADLOCK: the whole transaction was rolled back. After ER_LOCK_WAIT_TIMEOUT (1205) it was not.
    1213: Failure.UNDONE,
    # The table is gone, or was made anew.
    **dict.fromkeys((_NO_TABLE, 1412), Failure.NOTHING_DONE),
    # ER_SERVER_SHUTDOWN, ER_CONNECTION_KILLED of MariaDB, ER_CLIENT_INTERACTION_TIMEOUT, ER_NORMAL_SHUTDOWN of MySQL.
    **dict.fromkeys((1053, 1927, 4031, 1077, 2006, 2013, 2055), Failure.LOST),
    1062: Failure.DUPLICATE,
}


class MySQLDatabase(Database[Connection]):
    """Tables in it that begin with `tessera_`."""

    dialect = MYSQL
    errors = ERRORS

    def __init__(self, address: Address) -> None:
        super().__init__(address.pool)
        self.address = address

    def upgrade(self) -> list[str]:
        # No older schema of MySQL was ever released.
        schema.refuse_other(self.version())
        return []

    def failure(self, error: BaseException) -> Failure:
        if isinstance(error, (err.InterfaceError, OSError)):
            return Failure.LOST
        return _FAILURES.get(_code_of(error), Failure.OTHER)

    def _dial(self, give_up_at: float) -> Connection:
        return Connection.dial(self.address.options, give_up_at)

    def _version_on(self, connection: Connection) -> int:
        try:
            rows = connection.all(schema.READ_VERSION)
        except err.ProgrammingError as error:
            if _code_of(error) == _NO_TABLE:
                return 0
            raise
        return int(rows[0][0]) if rows else 0

    def _create(self, connection: Connection) -> int:
        # Processes that start at once do so one after the other, and all but the first find everything in place.
        connection.all(_LOCK)
        version = self._version_on(connection)
        for statement in () if version else schema.creation(MYSQL):
            try:
                connection.all(statement)
            except err.MySQLError as error:
                # MySQL has no word for an index that may be there already.
                if _code_of(error) != _DUPLICATE_INDEX:
                    raise
        connection.all(_UNLOCK)
        return version or schema.VERSION

    def _prepare(self, connection: Connection) -> int:
        name = _check_server(connection.get_server_info())
        try:
            version = self._version_on(connection) or self._create(connection)
        except self.errors as error:
            if _code_of(error) not in _DENIED:
                raise
            ((user,),) = connection.all("SELECT CURRENT_USER()")
            raise ConfigError(
                f"STORE_URL: {user} lacks a right in this database; grant it SELECT, INSERT, UPDATE, DELETE, and CREATE"
                " and INDEX for the first start"
            ) from error
        ((created,),), ((server,),) = connection.all(_TABLE), connection.all(_SERVER[name])
        connection.identity = f"{server}.{created:%Y%m%d%H%M%S}"
        return version

    def _words(self, error: BaseException) -> str:
        code = _code_of(error)
        if isinstance(error, (err.DataError, err.IntegrityError, UnicodeError)) or code in _VALUES:
            return f"a value that MySQL cannot keep ({code})"
        # "Can't connect to MySQL server on 'host' ([Errno 111] Connection refused)"
        words = re.sub(r" on '[^']*'", "", str(error.args[-1] if error.args else ""))
        return f"{words.partition('; check the manual')[0] or 'no detail'} ({code})"


def _code_of(error: BaseException) -> Any:
    """The number of an error; None if it has none."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else None


def name_in(version: str) -> str:
    """Which of the two it is, by what it says of its version."""
    return "MariaDB" if "mariadb" in version.lower() else "MySQL"


def _check_server(version: str) -> str:
    """Refuse a server that is too old; gives its name."""
    name = name_in(version)
    found = re.match(r"(?:5\.5\.5-)?(\d+)\.(\d+)", version)
    if found is None or (int(found[1]), int(found[2])) < _OLDEST[name]:
        oldest = ".".join(map(str, _OLDEST[name]))
        raise ConfigError(f"STORE_URL: {name} must be of version {oldest} or later")
    return name
