"""Whom a command is about: a user id, and in the ready service also a phone number or an e-mail address."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from flask import current_app

from ..accounts.recipients import parse_recipient
from ..errors import InputError, NotFoundError, TokenInvalidError, UserGoneError
from ..services.login_data import refuse_unusable
from ..web.logins import users_of
from ..web.user_loading import load_user

if TYPE_CHECKING:
    from ..web.app_state import Runtime


_ID: Final = re.compile("[1-9][0-9]{0,18}")
"""In the one spelling that tokens have."""
_LARGEST_ID: Final = 2**63 - 1
"""What a column can hold."""


def find_user_id(runtime: Runtime, name: str) -> str:
    """The user id of whoever is called so: of a user of the application, or of sessions that are still there.

    Args:
        runtime: of the realm.
        name: a user id, or in the ready service a phone number in any spelling, or an e-mail address.

    Raises:
        InputError: nobody can be called so.
        NotFoundError: nobody is called so, or without a loader: no session is.
        StorageUnavailableError: it cannot be looked up.
    """
    try:
        refuse_unusable(name)
    except ValueError as error:
        raise InputError(str(error)) from error
    service = current_app.extensions.get("tessera_service")
    if service and (found := _service_user(runtime, service, name)):
        return found
    # Before anybody else is asked: to end them must not depend on the application's own database.
    if runtime.sessions.list(name) or (service is None and _is_known(runtime, name)):
        return name
    if service is None and runtime.hooks.user_loader is None:
        # Whether there is such a user, nobody here can tell.
        raise NotFoundError(f"no live session of {name}")
    kinds = "phone number, e-mail address or id" if service else "id"
    raise NotFoundError(f"there is no user with the {kinds} {name}, and no live session of one")


def _service_user(runtime: Runtime, service: Any, name: str) -> str:
    """The id of a user of the service, disabled or not; an empty text for nobody."""
    user = None
    with suppress(InputError):
        user = users_of(runtime.accounts).by_recipient(parse_recipient(name))
    if user is None:
        # A row that somebody has written by hand.
        user = service.users.by_phone(name)
    if user is None and _ID.fullmatch(name) and int(name) <= _LARGEST_ID:
        user = service.users.find(int(name))
    return str(user.id) if user else ""


def _is_known(runtime: Runtime, name: str) -> bool:
    """Whether the application's loader finds a user of this id; without a loader only sessions can tell."""
    if runtime.hooks.user_loader is None:
        return False
    try:
        load_user(runtime.hooks, runtime.hooks.user_id_of(name))
    except (UserGoneError, TokenInvalidError, ValueError):
        return False
    except Exception as error:
        # A loader raises what its database does.
        kind = type(error).__name__
        raise NotFoundError(
            f"no live session of {name}; whether there is such a user, its loader ({kind}) did not say"
        ) from error
    return True
