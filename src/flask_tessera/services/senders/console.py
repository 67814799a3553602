"""Shows messages in the log, for development."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from .one_line import one_line

if TYPE_CHECKING:
    from .message import Message

_log = logging.getLogger("flask_tessera.sender")


class ConsoleSender:
    """Writes messages, with their codes and links, to the logger `flask_tessera.sender`.

    They are warnings, since Python prints these on standard error where no logging is set up.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._has_warned = False

    def send(self, message: Message) -> None:
        """Log it in one line."""
        with self._lock:
            is_first, self._has_warned = not self._has_warned, True
        if is_first:
            _log.warning("TESSERA_SENDER is console: codes and links go to the log; for development only")
        _log.warning("%s message to %s: %s", message.purpose, one_line(message.to), one_line(message.text))
