"""A test client that is logged in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..services.login_data import Login
from ..sessions.model import UNKNOWN_DEVICE, Device
from ..web.app_state import runtime_of
from ..web.client import clean_device
from ..web.token_pair import TokenPair
from ..web.user_ids import id_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask.testing import FlaskClient

    from ..web.app_state import Runtime


def login_as(
    client: FlaskClient,
    user: Any,
    *,
    realm: str = "",
    device: Device = UNKNOWN_DEVICE,
    scope: str = "",
    amr: Iterable[str] = ("pwd",),
) -> TokenPair:
    """Begin a real session for `user`; all later requests of `client` carry its access token.

    Args:
        client: of the application that has the Tessera, `app.test_client()`.
        user: a user object or a plain user id, as for `Tessera.login`.
        realm: whose Tessera, where the application has several.
        device: as for `Tessera.login`.
        scope: as for `Tessera.login`.
        amr: as for `Tessera.login`.

    Raises:
        ConfigError: the application has no Tessera of this realm, or a setting is wrong.
        LoginRefusedError: the user is suspended.
        SessionLimitError: too many sessions, and newcomers are refused.
    """
    with client.application.app_context():
        runtime = runtime_of(realm)
        login = Login(id_of(user, runtime.hooks.user_id_type), clean_device(device), scope=scope, amr=" ".join(amr))
        pair = TokenPair(runtime.sessions.log_in(login), runtime.responses)
    name, value = _header(runtime, pair.access_token)
    client.environ_base[name] = value
    return pair


def _header(runtime: Runtime, token: str) -> tuple[str, str]:
    """The header that this application reads, as WSGI names it."""
    names = [name.lower() for name in runtime.settings.HEADERS]
    if "authorization" in names:
        return "HTTP_AUTHORIZATION", f"Bearer {token}"
    return "HTTP_" + names[0].upper().replace("-", "_"), token
