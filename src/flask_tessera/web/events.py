"""Events on their way to one client, as text/event-stream writes them (HTML standard, "Server-sent events")."""

from __future__ import annotations

import queue
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEARTBEAT: Final = 15.0
"""Seconds: proxies cut what is silent for longer, and only who writes learns that the client is gone."""
_MOST_WAITING: Final = 1000
_LINE_END: Final = re.compile(r"\r\n|\r|\n")


class EventQueue:
    """What one thread reads and others write, until it is closed; it knows nothing of who reads."""

    def __init__(self) -> None:
        self._messages: queue.Queue[str] = queue.Queue(_MOST_WAITING)
        self.is_open = True
        """Whether what is sent can reach the client."""
        self.farewell = ""
        """What is read last, written as an event; empty where nothing is."""

    def send(self, data: str, *, event: str = "", id: str = "") -> bool:  # noqa: A002 - as the standard has it
        """Send an event; False where the stream is closed, also since the client takes nothing in any more.

        Raises:
            ValueError: `event` or `id` has more than one line.
        """
        try:
            self._messages.put_nowait(event_text(data, event, id))
        except queue.Full:
            self.close()
        return self.is_open

    def __iter__(self) -> Iterator[str]:
        while self.is_open:
            message = ":\n\n"
            with suppress(queue.Empty):
                message = self._messages.get(timeout=_HEARTBEAT)
            if self.is_open:
                yield message
        # What else was sent is not for who is closed out.
        if self.farewell:
            yield self.farewell

    def close(self) -> None:
        """End the stream; servers call it when the client is gone."""
        self.is_open = False
        # Wakes whoever waits for the next event.
        with suppress(queue.Full):
            self._messages.put_nowait("")


def event_text(data: str, event: str = "", id_: str = "") -> str:
    """The lines of one event; `data` may have any number of them.

    Raises:
        ValueError: `event` or `id_` has more than one line, and would forge others.
    """
    if _LINE_END.search(event + id_):
        raise ValueError("the name and the id of an event have one line")
    fields = [("event", event), ("id", id_), *(("data", line) for line in _LINE_END.split(data))]
    return "".join(f"{name}: {text}\n" for name, text in fields if text or name == "data") + "\n"
