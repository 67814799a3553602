"""What can be done with the service's users, wherever they live."""

from __future__ import annotations

import secrets
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ...errors import NotFoundError
from . import table
from .user import User

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from .database import UserDatabase


class Users:
    """The table of users; every method raises StorageUnavailableError where the database does not do its part.

    Args:
        database: where they live.
    """

    def __init__(self, database: UserDatabase) -> None:
        self._database = database

    def by_phone(self, phone: str) -> User | None:
        """The user with this phone number."""
        return _first(self._database.read(table.BY_PHONE, {"key": phone}))

    def by_email(self, email: str) -> User | None:
        """The user with this e-mail address."""
        return _first(self._database.read(table.BY_EMAIL, {"key": email}))

    def by_id(self, user_id: int) -> User | None:
        """The user with this id, if not disabled."""
        user = self.find(user_id)
        return None if user is None or user.disabled else user

    def find(self, user_id: int) -> User | None:
        """The user with this id, disabled or not."""
        return _first(self._database.read(table.BY_ID, {"key": user_id}))

    def get(self, phone: str) -> User:
        """The user with this phone number; NotFoundError if there is none."""
        return _only(phone, self._database.read(table.BY_PHONE, {"key": phone}))

    def all(self) -> list[User]:
        """All users, by phone number."""
        return [User(*row) for row in self._database.read(table.ALL, {})]

    def some_hashes(self) -> list[str]:
        """One password hash of each kind that is stored, a hundred at most."""
        return [stored for (stored,) in self._database.read(table.ONE_HASH_OF_EACH_KIND, {})]

    def add(
        self,
        phone: str,
        password_hash: str,
        *,
        name: str = "",
        level: int = 0,
        role: str = "",
        scope: str = "",
        email: str = "",
    ) -> User:
        """Add a user, with an id that nobody else has had or will have.

        Raises:
            AlreadyExistsError: the phone number or e-mail address is taken.
        """
        # 63 bits, of which the first is set: neither a phone number looks like it nor an id of before, from a counter.
        user_id = 1 << 62 | secrets.randbits(62)
        user = User(user_id, phone, password_hash, name, "", "", level, role, disabled=False, scope=scope, email=email)
        row = {**asdict(user), "email": email or None}
        self._database.write(lambda connection: connection.execute(table.ADD, row))
        return user

    def change(self, phone: str, **values: Any) -> User:
        """Change columns of a user; NotFoundError if there is none."""

        def change(connection: Connection) -> User:
            connection.execute(table.CHANGE, {"key": phone, **values})
            return _only(phone, connection.execute(table.BY_PHONE, {"key": phone}).all())

        return self._database.write(change, again=True)

    def change_by_id(self, user_id: int, **values: Any) -> User:
        """Change columns of a user.

        Raises:
            NotFoundError: there is none.
            AlreadyExistsError: somebody else has the phone number or e-mail address.
        """

        def change(connection: Connection) -> User:
            connection.execute(table.CHANGE_BY_ID, {"key": user_id, **values})
            return _only(str(user_id), connection.execute(table.BY_ID, {"key": user_id}).all())

        return self._database.write(change, again=True)

    def replace_hash(self, user: User, new: str, old: str) -> bool:
        """Put another hash where the row still holds `old`; whether it did."""
        values = {"key": user.id, "old_hash": old, "password_hash": new}

        def replace(connection: Connection) -> bool:
            if connection.execute(table.REPLACE_HASH, values).rowcount:
                return True
            # Where it was done already, and nobody heard of it, the salt tells.
            now = _first(connection.execute(table.BY_ID, {"key": user.id}).all())
            return now is not None and now.password_hash == new

        return self._database.write(replace, again=True)

    def delete(self, phone: str) -> User:
        """Remove a user, and give the one that was removed; NotFoundError if there is none."""

        def delete(connection: Connection) -> User:
            user = _only(phone, connection.execute(table.BY_PHONE, {"key": phone}).all())
            is_gone = connection.execute(table.DELETE, {"key": user.id}).rowcount
            return user if is_gone else _only(phone, ())

        return self._database.write(delete)


def _first(rows: Sequence[Sequence[Any]]) -> User | None:
    return User(*rows[0]) if rows else None


def _only(phone: str, rows: Sequence[Sequence[Any]]) -> User:
    if not rows:
        raise NotFoundError(f"there is no user {phone}")
    return User(*rows[0])
