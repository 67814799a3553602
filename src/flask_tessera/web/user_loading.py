"""The user of a verified credential, as the host's loader gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import TesseraError, UserGoneError
from .current import call_host

if TYPE_CHECKING:
    from .hooks import Hooks


class UserLoaderError(Exception):
    """The host's user loader failed in a way that a proxy would take for an absent user or attribute."""


def load_user(hooks: Hooks, user_id: Any, user_stamp: str = "") -> Any:
    """The user of a user id; the id itself where no loader was given.

    Args:
        hooks: of the realm.
        user_id: as `user_id_type` makes it.
        user_stamp: what the session keeps of the user, empty where that is not known: a user of another stamp is not
            the one who logged in.

    Raises:
        UserGoneError: the loader knows no such user.
        UserLoaderError: the loader raised an AttributeError or RuntimeError.
    """
    load = hooks.user_loader
    if load is None:
        return user_id
    try:
        user = call_host(load, user_id)
    except TesseraError:
        raise
    except (AttributeError, RuntimeError) as error:
        # Through `current_user` these would read as "no such attribute" and as "nobody".
        raise UserLoaderError(f"the user loader failed: {error}") from error
    return refuse_gone(hooks, user, user_stamp)


def refuse_gone(hooks: Hooks, user: Any, user_stamp: str) -> Any:
    """What a loader gave, if it is the user who logged in; errors as of `load_user`."""
    # `return user.is_active and user` gives False.
    if user is None or user is False:
        raise UserGoneError("the user loader gave nobody")
    if hooks.users is not None and hooks.user_loader != hooks.users.load and hooks.users.is_disabled(user):
        raise UserGoneError("the user is disabled")
    try:
        is_other = bool(user_stamp) and hooks.stamp_of(user) not in ("", user_stamp)
    except (AttributeError, RuntimeError) as error:
        raise UserLoaderError(f"user_stamp failed: {error}") from error
    if is_other:
        raise UserGoneError("the user of this id is another one now: user_stamp gives another text")
    return user
