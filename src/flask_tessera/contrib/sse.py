"""Server-Sent Events: a stream that other threads write to; it ends when its session is over.

@app.get("/events")
@login_required(ticket="events")
def events():
stream = EventStream(tessera)
listeners.add(stream)
return stream.to_response()
"""

from __future__ import annotations

import queue
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

from ..web.connections import watch
from ..web.current import current_app_object
from ..web.http_errors import http_errors
from ..web.request_auth import auth_of

if TYPE_CHECKING:
    from flask import Response

    from ..web.extension import Tessera

_HEARTBEAT: Final = 15.0
"""Seconds: proxies cut what is silent for longer, and only who writes learns that the client is gone."""
_MOST_WAITING: Final = 1000
_LINE_END: Final = re.compile(r"\r\n|\r|\n")


class EventStream:
    """The events of one client, the present request's (HTML standard, "Server-sent events").

    Args:
        tessera: whose guard has let the request in.

    Raises:
        SessionEndedError: its session is over already.
        TypeError: nobody is logged in here.
    """

    def __init__(self, tessera: Tessera[Any]) -> None:
        identity = auth_of(tessera.realm).identity
        if identity is None:
            raise TypeError("a stream is somebody's: guard this view with @login_required, without optional=")
        self._messages: queue.Queue[str] = queue.Queue(_MOST_WAITING)
        self._farewell = ""
        self.is_open = True
        """Whether what is sent can reach the client."""
        self._connections = tessera.runtime.shared.connections
        with http_errors():
            self._connection = watch(tessera.runtime, identity, close=self._end, is_open=lambda: self.is_open)

    def send(self, data: str, *, event: str = "", id: str = "") -> bool:  # noqa: A002 - as the standard has it
        """Send an event; False where the stream is closed, also since the client takes nothing in any more.

        Raises:
            ValueError: `event` or `id` has more than one line.
        """
        try:
            self._messages.put_nowait(_written(data, event, id))
        except queue.Full:
            self.close()
        return self.is_open

    def to_response(self) -> Response:
        """The answer of the view."""
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return current_app_object().response_class(self, mimetype="text/event-stream", headers=headers)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        try:
            message = self._messages.get(timeout=_HEARTBEAT)
        except queue.Empty:
            message = ":\n\n"
        if self.is_open:
            return message
        # What else was sent is not for a session that is over.
        farewell, self._farewell = self._farewell, ""
        if not farewell:
            raise StopIteration
        self._wake()
        return farewell

    def close(self) -> None:
        """End the stream; servers call it when the client is gone."""
        self.is_open = False
        self._connections.leave(self._connection)
        self._wake()

    def _end(self, slug: str) -> None:
        self._farewell = _written(slug, "session_ended", "")
        self.close()

    def _wake(self) -> None:
        with suppress(queue.Full):
            self._messages.put_nowait("")


def _written(data: str, event: str, id_: str) -> str:
    fields = [("event", event), ("id", id_), *(("data", line) for line in _LINE_END.split(data))]
    if any(_LINE_END.search(text) for _, text in fields):
        raise ValueError("the name and the id of an event have one line")
    return "".join(f"{name}: {text}\n" for name, text in fields if text or name == "data") + "\n"
