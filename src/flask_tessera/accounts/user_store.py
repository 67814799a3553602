"""The port by which an application gives its users: for those who let the package register and log people in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .recipients import Recipient

User = TypeVar("User")


@dataclass(frozen=True, slots=True)
class NewUser:
    """A person who registers. `recipient` was verified by a code; `password_hash` is None where there is none."""

    recipient: Recipient
    password_hash: str | None = field(default=None, repr=False)
    name: str = ""


class UserStore(Protocol[User]):
    """The application's users, given as `Tessera(users=store)`. Its methods may be `async`.

    A user has an `id`, or a `get_id()`. What a method raises is answered with 500; a database that does not answer is
    told by StorageUnavailableError, and answered with 503.
    """

    def by_id(self, user_id: Any) -> User | None:
        """The user of this id, as `user_id_type` makes it; None for none."""
        ...

    def by_recipient(self, recipient: Recipient) -> User | None:
        """The user with this phone number or e-mail address, if it was verified; None for none."""
        ...

    def recipients(self, user: User) -> Sequence[Recipient]:
        """The verified phone numbers and e-mail addresses of a user."""
        ...

    def password_hash(self, user: User) -> str | None:
        """What `set_password_hash` was given last; None for a user without a password."""
        ...

    def set_password_hash(self, user: User, new: str, old: str | None) -> bool:
        """Keep a hash, in one step and only where the row still holds `old`; whether it was kept."""
        ...

    def is_disabled(self, user: User) -> bool:
        """Whether the user may not log in."""
        ...

    def create(self, new: NewUser) -> User:
        """Add a user, committed before it returns.

        Raises:
            AlreadyExistsError: somebody has this phone number or e-mail address, also where two register at once.
        """
        ...

    def update(self, user: User, changes: Mapping[str, str]) -> User:
        """Change what the user may change of himself: `name`, `head_portrait`, `intro`; gives the user as he is now."""
        ...

    def bind(self, user: User, recipient: Recipient) -> User:
        """Give the user another phone number or e-mail address, in place of that which he has.

        Raises:
            AlreadyExistsError: somebody else has it.
        """
        ...
