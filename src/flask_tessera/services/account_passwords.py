"""Passwords of an application's users: checked, upgraded, changed; telling nothing about who has an account."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..errors import CredentialsError, OldPasswordError, ThrottledError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..accounts.passwords import Passwords
    from ..accounts.recipients import Recipient
    from ..accounts.user_store import UserStore


class AccountPasswords:
    """Over the application's users. Every method may raise StorageUnavailableError.

    Args:
        users: of the application.
        passwords: hashes and verifies.
    """

    def __init__(self, users: UserStore[Any], passwords: Passwords) -> None:
        self._users = users
        self._passwords = passwords

    def owner(self, recipient: Recipient, password: str) -> Any:
        """The user of a recipient and a password.

        An unknown recipient, a user without a password and a wrong password cost the same work.

        Raises:
            InputError: the password is none.
            CredentialsError: nobody has them.
            ThrottledError: too many passwords are being checked at this moment.
        """
        user = self._users.by_recipient(recipient)
        stored = None if user is None else self._users.password_hash(user)
        is_right = self._passwords.verify(stored, password)
        if user is None or not stored or not is_right:
            raise CredentialsError("no such user, or another password")
        if self._passwords.needs_rehash(stored):
            # With the next login, if too many are being hashed right now.
            with suppress(ThrottledError):
                self._users.set_password_hash(user, self._passwords.hash(password), stored)
        return user

    def refuse_if_full(self) -> None:
        """Refuse before anything is counted where `owner` would find no place; ThrottledError."""
        self._passwords.refuse_if_full()

    def verify(self, user: Any, password: str) -> bool:
        """Whether a user has this password; errors as of `owner`."""
        stored = self._users.password_hash(user)
        return self._passwords.verify(stored, password) and bool(stored)

    def change(self, user: Any, new: str, *, old: str | None) -> None:
        """Give a user another password.

        Args:
            user: who.
            new: as it was checked by the policy.
            old: the present one; None where the user has none.

        Raises:
            InputError: one of them is no password.
            OldPasswordError: the old one is wrong, or another change was faster.
            ThrottledError: too many passwords are being checked at this moment; nothing was changed.
        """
        stored = self._users.password_hash(user)
        if old is not None and not (self._passwords.verify(stored, old) and stored):
            raise OldPasswordError("the old password is wrong")
        self._put(user, self._passwords.hash(new), stored)

    def reset(self, user: Any, hashed: str) -> None:
        """Give a user who has proven otherwise who it is another password, of which `hash` has made a text.

        Raises:
            OldPasswordError: another change was faster.
        """
        self._put(user, hashed, self._users.password_hash(user))

    def _put(self, user: Any, hashed: str, stored: str | None) -> None:
        if not self._users.set_password_hash(user, hashed, stored):
            raise OldPasswordError("the password was changed meanwhile")

    def hash(self, password: str) -> str:
        """The text to be stored for a new password; errors as of `Passwords.hash`."""
        return self._passwords.hash(password)

    def has_password(self, user: Any) -> bool:
        """Whether a user has one."""
        return bool(self._users.password_hash(user))

    def words_of(self, user: Any) -> Iterable[str]:
        """What is known of a user, of which a password must not be made."""
        name = getattr(user, "name", "")
        return [*(each.local for each in self._users.recipients(user)), *([name] if isinstance(name, str) else [])]
