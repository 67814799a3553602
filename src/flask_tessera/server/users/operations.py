"""What can be done with the service's users, wherever they live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import NotFoundError
from . import table
from .user import User

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .database import UserDatabase


class Users:
    """The table of users.

    Args:
        database: where they live.
    """

    def __init__(self, database: UserDatabase) -> None:
        self._database = database

    def by_phone(self, phone: str) -> User | None:
        """The user with this phone number.

        Raises:
            StorageUnavailableError: the users cannot be read.
        """
        return _first(self._database.read(table.BY_PHONE, {"key": phone}))

    def by_id(self, user_id: int) -> User | None:
        """The user with this id, if not disabled.

        Raises:
            StorageUnavailableError: the users cannot be read.
        """
        user = self.find(user_id)
        return None if user is None or user.disabled else user

    def find(self, user_id: int) -> User | None:
        """The user with this id, disabled or not.

        Raises:
            StorageUnavailableError: the users cannot be read.
        """
        return _first(self._database.read(table.BY_ID, {"key": user_id}))

    def all(self) -> list[User]:
        """All users, in the order in which they were added.

        Raises:
            StorageUnavailableError: the users cannot be read.
        """
        return [User(*row) for row in self._database.read(table.ALL, {})]

    def some_hashes(self) -> list[str]:
        """One password hash of each kind that is stored, a hundred at most.

        Raises:
            StorageUnavailableError: the users cannot be read.
        """
        query = table.one_hash_of_each_kind(self._database.position)
        return [stored for (stored,) in self._database.read(query, {})]

    def add(self, phone: str, password_hash: str, *, name: str = "", level: int = 0, role: str = "") -> User:
        """Add a user.

        Raises:
            AlreadyExistsError: the phone number is taken.
            StorageUnavailableError: the users cannot be written.
        """
        values = {"phone": phone, "password_hash": password_hash, "name": name, "level": level, "role": role}
        defaults = {"head_portrait": "", "intro": "", "disabled": False}
        (row,) = self._database.write(table.ADD, values | defaults)
        return User(*row)

    def change(self, phone: str, **values: Any) -> User:
        """Change columns of a user.

        Raises:
            NotFoundError: there is no such user.
            StorageUnavailableError: the users cannot be written.
        """
        return _only(phone, self._database.write(table.CHANGE, {"key": phone, **values}))

    def upgrade_hash(self, user: User, password_hash: str) -> None:
        """Put a stronger hash of the same password, unless the password was changed meanwhile.

        Raises:
            StorageUnavailableError: the users cannot be written.
        """
        values = {"key": user.id, "old_hash": user.password_hash, "password_hash": password_hash}
        self._database.write(table.REPLACE_HASH, values)

    def delete(self, phone: str) -> User:
        """Remove a user; gives the one that was removed.

        Raises:
            NotFoundError: there is no such user.
            StorageUnavailableError: the users cannot be written.
        """
        return _only(phone, self._database.write(table.DELETE, {"key": phone}))

    def get(self, phone: str) -> User:
        """The user with this phone number.

        Raises:
            NotFoundError: there is no such user.
            StorageUnavailableError: the users cannot be read.
        """
        return _only(phone, self._database.read(table.BY_PHONE, {"key": phone}))


def _first(rows: Sequence[Sequence[Any]]) -> User | None:
    return User(*rows[0]) if rows else None


def _only(phone: str, rows: Sequence[Sequence[Any]]) -> User:
    if not rows:
        raise NotFoundError(f"no user has the phone number {phone}")
    return User(*rows[0])
