"""Users in PostgreSQL, in the schema of the sessions: several machines share them."""

from __future__ import annotations

import weakref
from contextlib import ExitStack
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from psycopg import errors, sql
from sqlalchemy.dialects.postgresql import psycopg as dialects
from sqlalchemy.schema import CreateTable

from ...errors import AlreadyExistsError, ConfigError, StorageUnavailableError
from ...storage.sql.postgres import address
from ...storage.sql.postgres.database import Database
from ...storage.sql.postgres.preparation import QUEUE
from .import_file_users import import_file_users
from .table import TABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine.interfaces import Compiled

    from ...storage.sql.postgres.connection import Connection
    from .database import Statement
    from .file import FileDatabase

_DIALECT: Final = dialects.dialect()  # type: ignore[no-untyped-call] # of SQLAlchemy
# Not `to_regclass`, which may not have heard yet of a table that another process has made.
_HAS_TABLE: Final = "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = %s"
_CREATE: Final = str(CreateTable(TABLE).compile(dialect=_DIALECT))
_REMEDY: Final = sql.SQL("GRANT CREATE ON SCHEMA {} TO {}")


class PostgresDatabase:
    """The table of users in the schema that a storage's URL names.

    Args:
        url: of the storage.
        previous: where the users lived before; the table begins with them.

    Raises:
        ConfigError: it is malformed, or has an option that is not known.
    """

    position = staticmethod(sa.func.strpos)

    def __init__(self, url: str, *, previous: FileDatabase) -> None:
        self._database = _Database(address.parse(url), previous)
        # With the service or the process, whichever ends first.
        weakref.finalize(self, self._database.close)

    def read(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """As the Protocol says, with a connection that gives up in time."""
        return self._database.read(lambda connection: _run(connection, statement, values))

    def write(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """As the Protocol says; an UPDATE is tried again where its connection was lost."""
        return self._database.write(lambda connection: _run(connection, statement, values), again=statement.is_update)


class _Database(Database):
    """The database, in which the table is made unless it was there before."""

    def __init__(self, place: address.Address, previous: FileDatabase) -> None:
        super().__init__(place)
        self._previous = previous
        self._has_table = False

    def connect(self, give_up_at: float) -> Connection:
        try:
            connection = super().connect(give_up_at)
        except ConfigError as error:
            if not self._has_table:
                raise
            # It was good until now: a right was taken away, or the schema upgraded.
            raise StorageUnavailableError(str(error)) from error
        if not self._has_table:
            with ExitStack() as undoing:
                undoing.callback(connection.close)
                self._make_table(connection)
                undoing.pop_all()
            self._has_table = True
        return connection

    def _make_table(self, connection: Connection) -> None:
        if connection.execute(_HAS_TABLE, (TABLE.name,)).fetchone():
            return
        try:
            with connection.transaction():
                # One after the other, as with all other tables: IF NOT EXISTS alone fails when processes race.
                connection.execute(QUEUE)
                if not connection.execute(_HAS_TABLE, (TABLE.name,)).fetchone():
                    connection.execute(_CREATE)
                    import_file_users(connection, self._previous)
        except errors.InsufficientPrivilege as error:
            names = sql.Identifier(self.address.schema), sql.Identifier(connection.info.user)
            remedy = _REMEDY.format(*names).as_string(connection)
            raise ConfigError(
                f"STORE_URL: the role cannot make the table of users; as the owner run: {remedy}"
            ) from error


def _run(connection: Connection, statement: Statement, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
    compiled = _compile(statement, tuple(values))
    try:
        return connection.all(str(compiled), compiled.construct_params(dict(values)))
    except errors.UniqueViolation as error:
        raise AlreadyExistsError("this phone number is taken") from error


@lru_cache(maxsize=64)
def _compile(statement: Statement, names: tuple[str, ...]) -> Compiled:
    """A statement in PostgreSQL's words, for values of these names."""
    return statement.compile(dialect=_DIALECT, column_keys=list(names))
