"""What the log says of messages that could not be delivered: each cause once, without a secret or an address."""

from __future__ import annotations

import logging
import re
import threading
import traceback
from typing import TYPE_CHECKING, Final

from ..fork import renew_in_children
from .senders.masking import mask_recipient

if TYPE_CHECKING:
    from ..errors import SendingError
    from .senders.message import Message

_log = logging.getLogger("flask_tessera")
_MOST_CAUSES: Final = 32
"""That are logged in one series: a sender may give each of its errors another text."""
_VARYING: Final = re.compile(r"\b(?![0-9]{3}\b)\w*[0-9]\w*")
"""What may be another one in each error of one cause: an id, a time; not a status of three digits."""


class FailureLog:
    """Logs why messages cannot be delivered, each cause once, and that they can be again."""

    def __init__(self) -> None:
        self._causes: set[str] = set()
        self._is_dropping = False
        renew_in_children(self)

    def reset_after_fork(self) -> None:
        """A thread of the parent may have held it."""
        self._lock = threading.Lock()

    def failed(self, message: Message, error: SendingError) -> None:
        """A message was not delivered; logged if none was for this cause since the last one that was delivered."""
        cause = _VARYING.sub("#", without_secrets(str(error), message))
        with self._lock:
            is_new = cause not in self._causes and len(self._causes) < _MOST_CAUSES
            if is_new:
                self._causes.add(cause)
        if is_new:
            _log.warning(
                "a %s message to %s could not be sent (not logged again for this cause until one is sent): %s",
                message.purpose,
                mask_recipient(message.to),
                without_secrets(_story_of(error), message),
            )

    def succeeded(self) -> None:
        """A message was delivered; logged if one before it was not."""
        # Without the lock where nothing has failed: the usual case.
        if not self._causes:
            return
        with self._lock:
            was_failing = bool(self._causes)
            self._causes.clear()
        if was_failing:
            _log.warning("messages are sent again")

    def dropped(self, message: Message, waiting: int) -> None:
        """A notice was dropped since so many wait; logged for the first of a series."""
        with self._lock:
            is_first, self._is_dropping = not self._is_dropping, True
        if is_first:
            _log.warning(
                "%d notices wait to be sent; a %s notice to %s and others after it are dropped",
                waiting,
                message.purpose,
                mask_recipient(message.to),
            )

    def accepted(self) -> None:
        """A notice was put in the queue: a later one that is dropped begins a new series."""
        self._is_dropping = False


def without_secrets(text: str, message: Message) -> str:
    """The text with three asterisks in place of the message's code, link, text and recipient."""
    ticket = message.link.rpartition("/")[2]
    number = message.to.removeprefix("+")
    secrets = {message.text, message.html, message.link, ticket, message.code, message.to, number}
    if message.kind == "phone":
        # Without the calling code, of up to three digits.
        secrets.update(number[digits:] for digits in (1, 2, 3))
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _story_of(error: SendingError) -> str:
    """The error's text; of an error that no sender should raise also where it came from."""
    unexpected = error.__cause__
    if unexpected is None or isinstance(unexpected, OSError):
        return str(error)
    return "".join([str(error), "\n", *traceback.format_exception(unexpected)]).rstrip()
