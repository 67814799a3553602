"""Who opens a socket or a stream, and what it is closed by: for `contrib` and for libraries of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..errors import SessionEndedError, TokenInvalidError
from ..services.keys import parse_sid
from ..services.open_connections import Connection
from ..tokens import api_key
from .credential_reading import find_credential, verify_credential
from .current import current_request_object
from .http_errors import raises_http
from .request_auth import authenticate, authenticate_as
from .ticket_reading import redeemed_on, take_ticket

if TYPE_CHECKING:
    from collections.abc import Callable

    from .app_state import Runtime
    from .extension import Tessera
    from .identity import Identity
    from .requirements import Requirements

_A_DAY: Final = 86_400


@raises_http
def let_in(tessera: Tessera[Any], wanted: Requirements, *, token: str = "", ticket: str = "") -> Identity[Any]:
    """Who opens a connection by the present request: what `login_required` asks, of what a socket can present.

    Args:
        tessera: whose users.
        wanted: what is asked of them.
        token: what was presented beside the request, e.g. in a first message.
        ticket: likewise, a ticket for the purpose that `wanted` names.

    Raises:
        TesseraHTTPError: nobody is let in.
        TypeError: `wanted` is optional: nobody's connection has no end.
    """
    if wanted.optional != "no":
        raise TypeError("a socket is somebody's, so optional= has no meaning here")
    runtime, request = tessera.runtime, current_request_object()
    identity: Identity[Any]
    if token or ticket:
        identity = verify_credential(runtime, token, strict=wanted.strict) if token else _take(runtime, ticket, wanted)
        authenticate_as(runtime, identity, wanted)
        return identity
    identity = authenticate(tessera.realm, wanted).identity
    if identity.credential == "access" and find_credential(runtime, request)[1] == "cookie" and runtime.cookies:
        # Browsers let any page open a WebSocket, and send our cookies with it.
        runtime.cookies.refuse_foreign_origin()
    return identity


def _take(runtime: Runtime, ticket: str, wanted: Requirements) -> Identity[Any]:
    return take_ticket(runtime, current_request_object(), ticket, wanted.ticket)


@raises_http
def watch(
    runtime: Runtime,
    identity: Identity[Any],
    *,
    close: Callable[[str], object],
    is_open: Callable[[], bool],
    token: str = "",
) -> Connection:
    """Have a connection of the present request closed when what it was opened by is over.

    Args:
        runtime: of the realm.
        identity: who has opened it.
        close: closes it, given the slug of the error that tells why; may be called more than once.
        is_open: whether it is still there.
        token: what it was opened by, if that did not stand in the request.

    Returns:
        To be given to `runtime.shared.connections.leave` when it is closed.

    Raises:
        SessionEndedError: it is over already; and other errors of the core.
    """
    name, check = _check_of(runtime, identity, token)
    connection = Connection(name, (runtime.realm, str(identity.user_id)), check=check, close=close, is_open=is_open)
    runtime.shared.connections.open(connection)
    return connection


def _check_of(runtime: Runtime, identity: Identity[Any], token: str) -> tuple[bytes, Callable[[], int]]:
    """What the log calls it, and what tells whether it is over."""
    user_id, sid = str(identity.user_id), parse_sid(identity.session_id)
    if sid:
        return sid, lambda: runtime.sessions.live_until(sid, user_id)
    request = current_request_object()
    if identity.credential == "ticket":
        epoch = redeemed_on(request, identity).epoch
        return b"", lambda: _unchanged_until(runtime, user_id, epoch)
    text = token or find_credential(runtime, request)[0]
    if identity.credential != "api_key":
        return b"", lambda: verify_credential(runtime, text).expires_at
    key_id, secret = api_key.parse(text)
    return key_id, lambda: _good_until(runtime, key_id, secret)


def _unchanged_until(runtime: Runtime, user_id: str, epoch: int) -> int:
    at = runtime.clock()
    principal = runtime.storage.sessions.principal(runtime.realm, user_id)
    if principal.suspended_until > at:
        raise SessionEndedError("suspension")
    if principal.epoch != epoch:
        raise SessionEndedError("kick")
    return at + _A_DAY


def _good_until(runtime: Runtime, key_id: bytes, secret: bytes) -> int:
    # Not by `verify_credential`: the address from which the key may be used was looked at when it was.
    found = runtime.api_keys.find(key_id, secret, at=runtime.clock())
    if found is None:
        raise TokenInvalidError("no such API key")
    return found.until
