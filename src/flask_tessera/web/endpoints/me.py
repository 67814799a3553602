"""GET /me: the current user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...errors import ConfigError
from ..current import call_host, current_app_object
from ..request_auth import auth_of
from ..requirements import TRANSPORTS
from .row import Endpoint

if TYPE_CHECKING:
    from ..extension import Tessera


def me(tessera: Tessera[Any]) -> msgspec.Raw:
    """The current user, as the application's user view shows them.

    Raises:
        ConfigError: there is no user view.
    """
    view = tessera.runtime.hooks.user_view
    if view is None:
        raise ConfigError("the endpoint me needs @tessera.user_view")
    shown = call_host(view, auth_of(tessera.realm).load_user())
    return msgspec.Raw(current_app_object().json.dumps(shown).encode())


ROWS: Final = (Endpoint("me", "GET", "/me", me, response=Any, is_guarded=True, transports=TRANSPORTS),)
