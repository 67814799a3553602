"""Flask-Sock: WebSockets by token, cookie or ticket; they are closed when their session is over.

@sock.route("/chat")
@socket_login_required(tessera, ticket="chat")
def chat(ws): ...
"""

from __future__ import annotations

import functools
import os
import socket
import struct
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from simple_websocket import ConnectionClosed

from ..errors import TesseraError
from ..web.connections import let_in, watch
from ..web.requirements import parse_requirements, put_on

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Unpack

    from ..web.extension import Tessera
    from ..web.requirements import RequirementArguments

_POLICY_VIOLATION = 1008
"""RFC 6455 §7.4.1: what the peer has done, or is, is not allowed here."""
_SPARE = "tessera_spare"
"""Set on a connection that is being closed: its socket once more."""
_A_SECOND = struct.pack("@ll", 1, 0) if os.name == "posix" else 1000
"""As sockets take a time."""


def socket_login_required(tessera: Tessera[Any], **asked: Unpack[RequirementArguments]) -> Callable[[Any], Any]:
    """Below `@sock.route(…)`: `login_required` for a WebSocket.

    Flask-Sock has accepted the connection by then. So it is closed, with code 1008 and the error's slug as the reason,
    which scripts of a page can read, other than the status of a connection that is refused.

    Args:
        tessera: whose users may connect; by header, by cookie (from pages of this origin) or by `?ticket=`.
        **asked: as for `login_required`; `ticket` is the purpose of the tickets that are accepted.

    Raises:
        TypeError: as of `login_required`.
    """
    wanted = parse_requirements(**asked)

    def decorate(handler: Any) -> Any:
        @functools.wraps(handler)
        def guarded(ws: Any, *arguments: Any, **named: Any) -> Any:
            is_closing = threading.Lock()
            close = functools.partial(_close, ws, is_closing)
            try:
                identity = let_in(tessera, wanted)
                # Watched until its thread has seen the end: closed or not, a client may still be there.
                watch(tessera.runtime, identity, close=close, is_open=ws.thread.is_alive)
            except TesseraError as error:
                return close(error.row.slug)
            try:
                return handler(ws, *arguments, **named)
            finally:
                # Flask-Sock answers now: not while another thread tells the client why.
                with is_closing:
                    pass

        put_on(guarded, wanted, tessera.realm)
        return guarded

    return decorate


def _close(ws: Any, is_closing: threading.Lock, slug: str) -> None:
    spare = getattr(ws, _SPARE, None)
    if spare is not None:
        # Still there a second later. Not told yet: another thread is about to. Told: a client that does not answer.
        if not is_closing.locked():
            with suppress(OSError):
                spare.shutdown(socket.SHUT_RDWR)
        return
    with is_closing, suppress(OSError):
        # The server may have closed its own by then, and could not be told any more.
        spare = socket.socket(fileno=os.dup(ws.sock.fileno()))
        weakref.finalize(ws, spare.close)
        setattr(ws, _SPARE, spare)
        spare.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _A_SECOND)
        try:
            with suppress(ConnectionClosed):
                ws.close(_POLICY_VIOLATION, slug)
            # Nothing comes after that: Flask-Sock has Werkzeug's server write an HTTP answer behind it, which clients
            # take for a broken frame.
            spare.shutdown(socket.SHUT_WR)
        except OSError:
            # A client that takes nothing in.
            spare.shutdown(socket.SHUT_RDWR)
    # Whoever waits for a message is not woken by closing, and would get one more.
    ws.event.set()
