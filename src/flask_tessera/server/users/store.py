"""The service's users as the extension takes an application's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...accounts.recipients import Recipient, parse_recipient
from ...errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...accounts.user_store import NewUser
    from .repository import Users
    from .user import User


class ServiceUsers:
    """A `UserStore` over the table of users; errors as of `Users`.

    Args:
        users: of the service.
    """

    def __init__(self, users: Users) -> None:
        self._users = users

    def by_id(self, user_id: int) -> User | None:
        """The user of this id."""
        return self._users.find(user_id)

    def by_recipient(self, recipient: Recipient) -> User | None:
        """The user with this phone number or e-mail address."""
        return self._users.by_email(recipient.address) if recipient.kind == "email" else self._phone(recipient)

    def _phone(self, recipient: Recipient) -> User | None:
        return self._users.by_phone(recipient.local)

    def recipients(self, user: User) -> list[Recipient]:
        """The phone number and the e-mail address."""
        found = []
        for text in filter(None, dict.fromkeys((user.phone, user.email))):
            try:
                found.append(parse_recipient(text))
            except InputError:
                # A row that somebody has written by hand.
                continue
        return found

    def password_hash(self, user: User) -> str | None:
        """The hash; None for who has no password."""
        return user.password_hash or None

    def set_password_hash(self, user: User, new: str, old: str | None) -> bool:
        """Keep a hash in place of `old`."""
        return self._users.replace_hash(user, new, old or "")

    def is_disabled(self, user: User) -> bool:
        """Whether the user may not log in."""
        return user.disabled

    def create(self, new: NewUser) -> User:
        """Add a user; AlreadyExistsError if the phone number or e-mail address is taken."""
        email = new.recipient.address if new.recipient.kind == "email" else ""
        return self._users.add(new.recipient.local, new.password_hash or "", name=new.name, email=email)

    def update(self, user: User, changes: Mapping[str, str]) -> User:
        """Change columns; NotFoundError if the user is gone."""
        return self._users.change_by_id(user.id, **changes)

    def bind(self, user: User, recipient: Recipient) -> User:
        """Give the user another phone number or e-mail address; AlreadyExistsError if somebody else has it."""
        changes = {"email": recipient.address} if recipient.kind == "email" else {"phone": recipient.local}
        if recipient.kind == "email" and "@" in user.phone:
            changes["phone"] = recipient.address
        return self._users.change_by_id(user.id, **changes)
