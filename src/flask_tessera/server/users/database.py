"""Steps on the database of the users, whichever it is; its table is made at first use.

Not again while the process runs: a table that vanished would else turn lost users into wrong passwords. A file that
vanishes is not made anew either, and one that is put (back) in its place is taken up with the next step.
"""

from __future__ import annotations

import os
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from ...errors import AlreadyExistsError, ConfigError, StorageUnavailableError, TesseraError
from . import engines
from .creation import make_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import sqlalchemy as sa
    from sqlalchemy.engine import Connection, Engine

Result = TypeVar("Result")
_ERRORS: Final = (SQLAlchemyError, OSError, UnicodeError, OverflowError)
"""All that a driver may raise."""


class UserDatabase:
    """A database with the table of users.

    Args:
        make_engine: makes an engine that commits each statement.
        file: where it is, for SQLite: it is made when something is to be written.
        may_create: whether that file may be made.
        previous: a SQLite file; where it is and has users, a new table begins with those.
    """

    def __init__(
        self,
        make_engine: Callable[[], Engine],
        *,
        file: Path | None = None,
        may_create: bool = True,
        previous: Path | None = None,
    ) -> None:
        self._make_engine = make_engine
        self._file = file
        self._may_create = may_create
        self._previous = previous
        self._engines: dict[int, Engine] = {}
        """By process: a parent's connections must be neither used nor closed by its child, which keeps them."""

    def read(self, statement: sa.Select[Any], values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """The rows that a query finds; none where the file or its folder was not made yet.

        Raises:
            ConfigError: at first use: the database is not one that can be used.
            StorageUnavailableError: it cannot be read, or not be asked for such values.
        """
        if (
            self._file
            and not self._engines
            and not any(path and path.exists() for path in (self._file, self._previous))
        ):
            return []
        return self._carry_out(
            lambda connection: connection.execute(statement, values).all(), writing=False, again=True
        )

    def write(self, work: Callable[[Connection], Result], *, again: bool = False) -> Result:
        """Carry out statements, each of which is committed.

        Args:
            work: does it.
            again: whether it does no harm if it was done already, and nobody heard of it.

        Raises:
            AlreadyExistsError: the phone number is another user's.
            ConfigError: at first use: the database is not one that can be used.
            StorageUnavailableError: it cannot be written, or cannot keep such values; or the outcome is not known.
        """
        return self._carry_out(work, writing=True, again=again)

    def _carry_out(self, work: Callable[[Connection], Result], *, writing: bool, again: bool) -> Result:
        began = time.monotonic()
        engines.begin_step()
        try:
            try:
                return self._try(work)
            except DBAPIError as error:
                # A connection that was lost since it was used last; and so are all others, as the engine knows by now.
                is_early = time.monotonic() < began + engines.EARLY
                if not (again and is_early and error.connection_invalidated):
                    raise
            return self._try(work)
        except IntegrityError as error:
            raise AlreadyExistsError("this phone number is taken") from error
        except _ERRORS as error:
            raise StorageUnavailableError(f"users: {_say(error)}", writing=writing) from error

    def _try(self, work: Callable[[Connection], Result]) -> Result:
        engine = self._engines.get(os.getpid()) or self._open()
        with engine.connect() as connection:
            try:
                return work(connection)
            except TesseraError:
                raise
            except BaseException:
                # Nobody knows what its server still has to say.
                connection.invalidate()
                raise

    def _open(self) -> Engine:
        if self._file:
            self._make_file(self._file)
        engine = self._make_engine()
        # What nobody holds any more leaves no open connection.
        closing = weakref.finalize(self, _dispose, engine, os.getpid())
        try:
            make_table(engine, self._previous)
        except BaseException:
            closing()
            raise
        kept = self._engines.setdefault(os.getpid(), engine)
        if kept is not engine:
            # Another thread was faster.
            closing()
        return kept

    def _make_file(self, path: Path) -> None:
        if not self._may_create and not path.exists():
            raise ConfigError(f"there are no users in {path}: only `serve` and `users add` make that file")
        # Readable for its owner only, since it holds the password hashes.
        # Only where there is none: closing a descriptor of it would drop all locks that SQLite holds in this process.
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _dispose(engine: Engine, process: int) -> None:
    if process == os.getpid():
        engine.dispose()


def _say(error: BaseException) -> str:
    """What is wrong, without statement, values and address."""
    cause = getattr(error, "orig", None) or error
    said = str(cause.args[0] if cause.args else "").partition("\n")[0].rpartition("failed: ")[2]
    return f"{type(cause).__name__}: {engines.code_of(cause) or said}"
