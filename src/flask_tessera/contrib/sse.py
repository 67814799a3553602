"""Server-Sent Events: a stream that other threads write to; it ends when its session is over.

@app.get("/events")
@login_required(ticket="events")
def events():
stream = EventStream(tessera)
listeners.add(stream)
return stream.to_response()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..web.connections import watch
from ..web.current import current_app_object
from ..web.events import EventQueue, event_text
from ..web.request_auth import auth_of

if TYPE_CHECKING:
    from flask import Response

    from ..web.extension import Tessera


class EventStream(EventQueue):
    """The events of one client, the present request's (HTML standard, "Server-sent events").

    Args:
        tessera: whose guard has let the request in.

    Raises:
        SessionEndedError: its session is over already.
        TypeError: nobody is logged in here.
    """

    def __init__(self, tessera: Tessera[Any]) -> None:
        super().__init__()
        identity = auth_of(tessera.realm).identity
        if identity is None:
            raise TypeError("a stream is somebody's: guard this view with @login_required, without optional=")
        self._connections = tessera.runtime.shared.connections
        self._connection = watch(tessera.runtime, identity, close=self._end, is_open=lambda: self.is_open)

    def to_response(self) -> Response:
        """The answer of the view."""
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return current_app_object().response_class(self, mimetype="text/event-stream", headers=headers)

    def close(self) -> None:
        """End the stream; servers call it when the client is gone."""
        super().close()
        self._connections.leave(self._connection)

    def _end(self, slug: str) -> None:
        self.farewell = event_text(slug, "session_ended")
        self.close()
