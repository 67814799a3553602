"""What an administrator does with the service's users: rows and sessions in the right order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..accounts.recipients import parse_recipient
from ..errors import InputError, NotFoundError
from ..web.ending_actions import FOR_EVER
from ..web.factor_reset import reset_factors as forget_factors
from .users import ServiceUsers

if TYPE_CHECKING:
    from .app import Service
    from .users import User

_LONGEST_SCOPE: Final = 1024
"""Bytes: half of what a token carries of scopes and ways to log in."""


def add(
    service: Service, phone: str, password: str, *, name: str = "", level: int = 0, role: str = "", scope: str = ""
) -> User:
    """Add a user.

    Raises:
        InputError: no phone number or e-mail address, a password that is too short, common or cannot be used, a name
            that cannot be shown, or a scope that no token can hold.
        AlreadyExistsError: the phone number or e-mail address is taken.
        StorageUnavailableError: nothing was added.
    """
    recipient = parse_recipient(phone)
    number = recipient.local
    for text in (name, role):
        if not text.isprintable():
            raise InputError(f"a name or role must be printable, not {text!r}")
    allowed = _checked(scope)
    hashed = _hash(service, password, number, name)
    email = recipient.address if recipient.kind == "email" else ""
    user = service.users.add(number, hashed, name=name, level=level, role=role, scope=allowed, email=email)
    _log(service, "user_added", user)
    return user


def set_password(service: Service, phone: str, password: str) -> int:
    """Give a user a new password and end all sessions; gives how many sessions that has ended.

    Raises:
        InputError: no phone number or e-mail address, or a password that is too short, common or cannot be used.
        NotFoundError: there is no such user.
        StorageUnavailableError: try again; it may be half done.
    """
    known = find(service, phone)
    hashed = _hash(service, password, known.phone, known.name)
    user = service.users.change(known.phone, password_hash=hashed)
    ended = len(service.tessera.revoke_user(user, "password_change").sessions)
    _log(service, "password_changed", user)
    return ended


def set_scope(service: Service, phone: str, scope: str) -> int:
    """Say what the logins of a user may do, and end all sessions; gives how many sessions that has ended.

    Raises:
        InputError: no phone number or e-mail address, or a scope that no token can hold.
        NotFoundError: there is no such user.
        StorageUnavailableError: try again; it may be half done.
    """
    user = service.users.change(find(service, phone).phone, scope=_checked(scope))
    ended = len(service.tessera.revoke_user(user).sessions)
    _log(service, "scope_changed", user)
    return ended


def disable(service: Service, phone: str) -> int:
    """Lock a user out; gives how many sessions that has ended.

    Raises:
        InputError: no phone number or e-mail address.
        NotFoundError: there is no such user.
        StorageUnavailableError: try again; it may be half done.
    """
    # The row first: from then on the loader refuses, whatever happens to the second step.
    user = service.users.change(find(service, phone).phone, disabled=True)
    ended = len(service.tessera.runtime.sessions.suspend(str(user.id), until=FOR_EVER))
    _log(service, "user_disabled", user)
    return ended


def enable(service: Service, phone: str) -> None:
    """Let a user log in again.

    Raises:
        InputError: no phone number or e-mail address.
        NotFoundError: there is no such user.
        StorageUnavailableError: try again; it may be half done.
    """
    user = find(service, phone)
    service.tessera.runtime.sessions.unsuspend(str(user.id))
    service.users.change(user.phone, disabled=False)
    _log(service, "user_enabled", user)


def delete(service: Service, phone: str) -> int:
    """Remove a user; gives how many sessions that has ended.

    Raises:
        InputError: no phone number or e-mail address.
        NotFoundError: there is no such user.
        StorageUnavailableError: try again; it may be half done.
    """
    user = find(service, phone)
    ended = len(service.tessera.revoke_user(user, "user_gone").sessions)
    service.users.delete(user.phone)
    _log(service, "user_deleted", user)
    # Whoever logged in between the two steps is out as well.
    return ended + len(service.tessera.revoke_user(user, "user_gone").sessions)


def reset_factors(service: Service, phone: str) -> int:
    """Forget all second factors of a user who has lost them, and end all sessions; gives how many that has ended.

    Raises:
        InputError: no phone number or e-mail address.
        NotFoundError: there is no such user.
        StorageUnavailableError: try again; it may be half done.
    """
    user = find(service, phone)
    return len(forget_factors(service.tessera.runtime, str(user.id), account=user.phone))


def find(service: Service, account: str) -> User:
    """The user of a phone number, in any spelling, or an e-mail address.

    Raises:
        InputError: it is neither.
        NotFoundError: there is no such user.
        StorageUnavailableError: that cannot be told.
    """
    user = ServiceUsers(service.users).by_recipient(parse_recipient(account))
    if user is None:
        raise NotFoundError(f"no user has the phone number or e-mail address {account}")
    return user


def _checked(scope: str) -> str:
    words = " ".join(dict.fromkeys(scope.split()))
    if not words.isprintable() or len(words.encode()) > _LONGEST_SCOPE:
        raise InputError(f"a scope has at most {_LONGEST_SCOPE} bytes, all of them printable")
    return words


def _hash(service: Service, password: str, *words: str) -> str:
    service.tessera.check_new_password(password, words)
    return service.passwords.hash(password)


def _log(service: Service, event: str, user: User) -> None:
    service.tessera.runtime.record(event, user_id=str(user.id), account=user.phone)
