"""The service's own users, in its SQLite file."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import DisconnectionError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.schema import CreateTable

from ..errors import AlreadyExistsError, NotFoundError, StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Connection
    from sqlalchemy.pool import ConnectionPoolEntry

_LONGEST_WAIT: Final = 2
"""Seconds to wait for a lock or a free connection."""
_PAUSE: Final = 0.01
"""Seconds between two tries to make the table."""

_table = sa.Table(
    "service_users",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("phone", sa.Text, nullable=False, unique=True),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("head_portrait", sa.Text, nullable=False),
    sa.Column("intro", sa.Text, nullable=False),
    sa.Column("level", sa.Integer, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    # A deleted user's id must not become another's.
    sqlite_autoincrement=True,
)
_BY_ID: Final = sa.select(_table).where(_table.c.id == sa.bindparam("key"))
_BY_PHONE: Final = sa.select(_table).where(_table.c.phone == sa.bindparam("key"))
_hash = _table.c.password_hash
_LANES: Final = ",p="
# What a hash says of how it was made: of argon2 up to its last parameter, of Werkzeug's up to the salt.
_KIND: Final = sa.case(
    (sa.func.instr(_hash, _LANES) > 0, sa.func.substr(_hash, 1, sa.func.instr(_hash, _LANES) + 4)),
    else_=sa.func.substr(_hash, 1, sa.func.instr(_hash, "$")),
)
_ONE_OF_EACH_KIND: Final = sa.select(sa.func.min(_hash)).group_by(_KIND).limit(100)


@dataclass(frozen=True, slots=True)
class User:
    """A person who may log in. `phone` is as it was registered."""

    id: int
    phone: str
    password_hash: str
    name: str
    head_portrait: str
    intro: str
    level: int
    role: str
    disabled: bool

    def to_dict(self) -> dict[str, Any]:
        """What the person is shown of it."""
        return {
            "phone": self.phone,
            "name": self.name,
            "head_portrait": self.head_portrait,
            "intro": self.intro,
            "level": self.level,
        }


class Users:
    """The table of users.

    A file that vanishes is not made anew while the process runs: that would turn lost users into wrong passwords.
    One that is put (back) in its place is taken up with the next step.

    Args:
        path: the SQLite file; it and the table are created at first use.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = sa.create_engine(
            sa.URL.create("sqlite", database=f"file:{quote(str(path))}", query={"uri": "true", "mode": "rw"}),
            connect_args={"timeout": _LONGEST_WAIT},
            pool_timeout=_LONGEST_WAIT,
            pool_size=8,
            max_overflow=56,
        )
        sa.event.listen(self._engine, "connect", self._note_file)
        sa.event.listen(self._engine, "checkout", self._refuse_another_file)
        self._process = 0

    def by_phone(self, phone: str) -> User | None:
        """The user with this phone number.

        Raises:
            StorageUnavailableError: the file cannot be read.
        """
        return self._find(_BY_PHONE, phone)

    def by_id(self, user_id: int) -> User | None:
        """The user with this id, if not disabled.

        Raises:
            StorageUnavailableError: the file cannot be read.
        """
        user = self._find(_BY_ID, user_id)
        return None if user is None or user.disabled else user

    def all(self) -> list[User]:
        """All users, in the order in which they were added.

        Raises:
            StorageUnavailableError: the file cannot be read.
        """
        with self._connection(writing=False) as connection:
            return [User(*row) for row in connection.execute(sa.select(_table).order_by(_table.c.id))]

    def some_hashes(self) -> list[str]:
        """One password hash of each kind that is stored, a hundred at most.

        Raises:
            StorageUnavailableError: the file cannot be read.
        """
        with self._connection(writing=False) as connection:
            return list(connection.execute(_ONE_OF_EACH_KIND).scalars())

    def add(self, phone: str, password_hash: str, *, name: str = "", level: int = 0, role: str = "") -> User:
        """Add a user.

        Raises:
            AlreadyExistsError: the phone number is taken.
            StorageUnavailableError: the file cannot be written.
        """
        values = {"phone": phone, "password_hash": password_hash, "name": name, "level": level, "role": role}
        defaults = {"head_portrait": "", "intro": "", "disabled": False}
        try:
            with self._connection(writing=True) as connection:
                connection.execute(sa.insert(_table).values(**values, **defaults))
        except IntegrityError as error:
            raise AlreadyExistsError("this phone number is taken") from error
        return self.get(phone)

    def change(self, phone: str, **values: Any) -> User:
        """Change columns of a user.

        Raises:
            NotFoundError: there is no such user.
            StorageUnavailableError: the file cannot be written.
        """
        with self._connection(writing=True) as connection:
            connection.execute(sa.update(_table).where(_table.c.phone == phone).values(**values))
        return self.get(phone)

    def upgrade_hash(self, user: User, password_hash: str) -> None:
        """Put a stronger hash of the same password, unless the password was changed meanwhile.

        Raises:
            StorageUnavailableError: the file cannot be written.
        """
        is_same = (_table.c.id == user.id) & (_table.c.password_hash == user.password_hash)
        with self._connection(writing=True) as connection:
            connection.execute(sa.update(_table).where(is_same).values(password_hash=password_hash))

    def delete(self, phone: str) -> User:
        """Remove a user; gives the one that was removed.

        Raises:
            NotFoundError: there is no such user.
            StorageUnavailableError: the file cannot be written.
        """
        user = self.get(phone)
        with self._connection(writing=True) as connection:
            connection.execute(sa.delete(_table).where(_table.c.id == user.id))
        return user

    def get(self, phone: str) -> User:
        """The user with this phone number.

        Raises:
            NotFoundError: there is no such user.
            StorageUnavailableError: the file cannot be read.
        """
        user = self.by_phone(phone)
        if user is None:
            raise NotFoundError(f"no user has the phone number {phone}")
        return user

    def _find(self, query: sa.Select[Any], key: str | int) -> User | None:
        with self._connection(writing=False) as connection:
            row = connection.execute(query, {"key": key}).first()
        return None if row is None else User(*row)

    @contextmanager
    def _connection(self, *, writing: bool) -> Iterator[Connection]:
        try:
            if self._process != os.getpid():
                self._prepare()
            with self._engine.begin() if writing else self._engine.connect() as connection:
                yield connection
        except IntegrityError:
            raise
        except (SQLAlchemyError, OSError) as error:
            raise StorageUnavailableError(f"users: {type(error).__name__}", writing=writing) from error

    def _prepare(self) -> None:
        # A parent's connections must be neither used nor closed from here.
        self._engine.dispose(close=False)
        # Readable for its owner only, since it holds the password hashes.
        # Only where there is none: closing a descriptor of it would drop all locks that SQLite holds in this process.
        with suppress(FileExistsError):
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        give_up_at = time.monotonic() + _LONGEST_WAIT
        # SQLite does not wait by itself where several processes make the file at once.
        while not self._has_table():
            if time.monotonic() >= give_up_at:
                raise StorageUnavailableError("users: the file stays locked", writing=True)
            time.sleep(_PAUSE)
        self._process = os.getpid()

    def _has_table(self) -> bool:
        """Make the table where there is none; False if another process is just at it."""
        try:
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                connection.execute(CreateTable(_table, if_not_exists=True))
        except OperationalError as error:
            if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                return False
            raise
        return True

    def _note_file(self, _connection: object, entry: ConnectionPoolEntry) -> None:
        entry.info["file"] = self._present_file()

    def _refuse_another_file(self, _connection: object, entry: ConnectionPoolEntry, _proxy: object) -> None:
        if entry.info.get("file") != self._present_file():
            raise DisconnectionError("another file lies where the users were")

    def _present_file(self) -> tuple[int, int]:
        status = self._path.stat()
        return status.st_dev, status.st_ino
