"""GET and PATCH /me: the current user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...errors import ConfigError, InputError
from ..client import clean
from ..current import call_host, current_app_object
from ..logins import users_of
from ..request_auth import auth_of
from ..requirements import TRANSPORTS
from .row import Endpoint

if TYPE_CHECKING:
    from ..extension import Tessera

LONGEST_NAME: Final = 64
"""Characters of a user's name."""
_LONGEST: Final = {"name": LONGEST_NAME, "head_portrait": 1024, "intro": 1024}


def me(tessera: Tessera[Any]) -> msgspec.Raw:
    """The current user, as the application's user view shows them.

    Raises:
        ConfigError: there is no user view.
    """
    return shown_user(tessera, auth_of(tessera.realm).load_user())


def shown_user(tessera: Tessera[Any], user: Any) -> msgspec.Raw:
    """A user as the application's user view shows him; errors as of `me`."""
    view = tessera.runtime.hooks.user_view
    if view is None:
        raise ConfigError("the endpoint me needs @tessera.user_view")
    shown = call_host(view, user)
    return msgspec.Raw(current_app_object().json.dumps(shown).encode())


class MeRequest(msgspec.Struct, frozen=True):
    """What a user changes of himself; what is left out stays."""

    name: str | None = None
    head_portrait: str | None = None
    intro: str | None = None


def change_me(tessera: Tessera[Any], body: MeRequest) -> msgspec.Raw:
    """Change one's own name, portrait or introduction; gives the user as he is now.

    Raises:
        InputError: a text is too long.
    """
    changes = {}
    for name, longest in _LONGEST.items():
        text = getattr(body, name)
        if text is not None and len(text) > longest:
            raise InputError(f"{name} has {len(text)} characters, {longest} are taken", member=name)
        if text is not None:
            changes[name] = clean(text, longest)
    user = auth_of(tessera.realm).load_user()
    return shown_user(tessera, users_of(tessera.runtime.accounts).update(user, changes) if changes else user)


ROWS: Final = (
    Endpoint("me", "GET", "/me", me, response=Any, is_guarded=True, transports=TRANSPORTS),
    Endpoint("change_me", "PATCH", "/me", change_me, request=MeRequest, response=Any, is_guarded=True, needs="update"),
)
