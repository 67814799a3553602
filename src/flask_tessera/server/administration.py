"""What an administrator does with the service's users: rows and sessions in the right order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..accounts.phone import normalise
from ..errors import InputError

if TYPE_CHECKING:
    from .app import Service
    from .users import User


def add(service: Service, phone: str, password: str, *, name: str = "", level: int = 0, role: str = "") -> User:
    """Add a user.

    Raises:
        InputError: no phone number, or a password that is too short or cannot be used.
        AlreadyExistsError: the phone number is taken.
        StorageUnavailableError: nothing was added.
    """
    number = normalise(phone)
    return service.users.add(number, _hash(service, password), name=name, level=level, role=role)


def set_password(service: Service, phone: str, password: str) -> User:
    """Give a user a new password and end all sessions.

    Raises:
        InputError: a password that is too short or cannot be used.
        NotFoundError: there is no such user.
        StorageUnavailableError: try again; it may be half done.
    """
    user = service.users.change(phone, password_hash=_hash(service, password))
    service.tessera.kick_user(user, "password_change")
    return user


def disable(service: Service, phone: str) -> int:
    """Lock a user out; gives how many sessions that has ended.

    Raises:
        NotFoundError: there is no such user.
        StorageUnavailableError: try again; it may be half done.
    """
    # The row first: from then on the loader refuses, whatever happens to the second step.
    user = service.users.change(phone, disabled=True)
    return len(service.tessera.suspend(user).sessions)


def enable(service: Service, phone: str) -> None:
    """Let a user log in again.

    Raises:
        NotFoundError: there is no such user.
        StorageUnavailableError: try again; it may be half done.
    """
    service.tessera.unsuspend(service.users.get(phone))
    service.users.change(phone, disabled=False)


def delete(service: Service, phone: str) -> int:
    """Remove a user; gives how many sessions that has ended.

    Raises:
        NotFoundError: there is no such user.
        StorageUnavailableError: try again; it may be half done.
    """
    user = service.users.get(phone)
    ended = len(service.tessera.kick_user(user, "user_gone").sessions)
    service.users.delete(phone)
    # Whoever logged in between the two steps is out as well.
    return ended + len(service.tessera.kick_user(user, "user_gone").sessions)


def _hash(service: Service, password: str) -> str:
    shortest = service.tessera.runtime.settings.PASSWORD_MIN_LENGTH
    if len(password) < shortest:
        raise InputError(f"the password needs at least {shortest} characters")
    return service.passwords.hash(password)
