"""Phone and password to a user, telling nothing about who has an account."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..accounts.phone import normalise
from ..errors import InputError, LoginRefusedError, ThrottledError

if TYPE_CHECKING:
    from ..accounts.passwords import Passwords
    from .users import User, Users


class PhoneLogin:
    """Checks phone and password against the service's users."""

    def __init__(self, users: Users, passwords: Passwords) -> None:
        self._users = users
        self._passwords = passwords

    def __call__(self, credentials: dict[str, Any]) -> User | None:
        """The user of these credentials; None for an unknown phone or a wrong password.

        An unknown phone costs the same work as a wrong password. That the account is disabled is told only to who
        knows its password.

        Raises:
            InputError: something is missing, or is no phone number.
            LoginRefusedError: right, but disabled.
            ThrottledError: too many passwords are being checked at this moment.
            StorageUnavailableError: the users cannot be read.
        """
        phone, password = parse(credentials)
        user = self._users.by_phone(phone)
        is_right = self._passwords.verify(user.password_hash if user else None, password)
        if user is None or not is_right:
            return None
        if user.disabled:
            raise LoginRefusedError("the account is disabled")
        if self._passwords.needs_rehash(user.password_hash):
            # With the next login, if too many are being hashed right now.
            with suppress(ThrottledError):
                self._users.upgrade_hash(user, self._passwords.hash(password))
        return user


def parse(credentials: dict[str, Any]) -> tuple[str, str]:
    """Phone and password.

    Raises:
        InputError: something is missing, or is no phone number.
    """
    phone, password = credentials.get("phone"), credentials.get("password")
    if phone is None or phone == "" or not isinstance(password, str) or not password:
        raise InputError("phone or password is missing", slug="credentials_missing")
    return normalise(phone), password
