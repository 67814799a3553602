"""Flask-SocketIO: connections by token, cookie or ticket; they are closed when their session is over.

sockets = SocketLogin(socketio, tessera, ticket="chat")

@socketio.on("connect")
@sockets.required
def connect(auth): ...
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar

import flask_socketio

from ..errors import TesseraError
from ..web.connections import let_in, watch
from ..web.current import current_request_object
from ..web.request_auth import keep_for_connection
from ..web.requirements import parse_requirements

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Unpack

    from ..web.extension import Tessera
    from ..web.requirements import RequirementArguments

Handler = TypeVar("Handler", bound="Callable[..., Any]")


class SocketLogin:
    """Guards the `connect` handlers of a `SocketIO`.

    A client presents `auth={"token": …}`, `auth={"ticket": …}`, a header, a cookie (from pages of this origin) or
    `?ticket=`. In the handlers of its events `current_user` and `current_identity` are whoever has connected.

    Args:
        socketio: of Flask-SocketIO.
        tessera: whose users may connect.
        **asked: as for `login_required`; `ticket` is the purpose of the tickets that are accepted.

    Raises:
        TypeError: as of `login_required`.
    """

    def __init__(self, socketio: Any, tessera: Tessera[Any], **asked: Unpack[RequirementArguments]) -> None:
        self._socketio = socketio
        self._tessera = tessera
        self._wanted = parse_requirements(**asked)

    def required(self, handler: Handler) -> Handler:
        """Below `@socketio.on("connect")`: refuses with the error's slug; the handler is given `auth`, or nothing."""
        takes_auth = bool(inspect.signature(handler).parameters)

        @functools.wraps(handler)
        def connect(auth: Any = None) -> Any:
            try:
                self._let_in(auth if isinstance(auth, dict) else {})
            except TesseraError as error:
                raise flask_socketio.ConnectionRefusedError(error.row.slug) from error
            return handler(auth) if takes_auth else handler()

        return connect  # type: ignore[return-value]  # as functools.wraps has it

    def _let_in(self, auth: dict[str, Any]) -> None:
        token, ticket = (auth[name] if isinstance(auth.get(name), str) else "" for name in ("token", "ticket"))
        identity = let_in(self._tessera, self._wanted, token=token, ticket=ticket)
        request: Any = current_request_object()
        sid, namespace, server = request.sid, request.namespace, self._socketio.server

        def close(slug: str) -> None:
            server.emit("session_ended", {"error": slug}, to=sid, namespace=namespace)
            server.disconnect(sid, namespace)

        is_open = functools.partial(server.get_environ, sid, namespace)
        watch(self._tessera.runtime, identity, close=close, is_open=is_open, token=token)
        keep_for_connection(request, identity)
