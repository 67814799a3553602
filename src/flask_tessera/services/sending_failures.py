"""What the log says of messages that could not be delivered: the first of a series, without a secret or an address."""

from __future__ import annotations

import logging
import threading
import traceback
from typing import TYPE_CHECKING

from ..fork import renew_in_children
from .senders.masking import mask_recipient

if TYPE_CHECKING:
    from ..errors import SendingError
    from .senders.message import Message

_log = logging.getLogger("flask_tessera")


class FailureLog:
    """Logs that messages cannot be delivered, and that they can be again: once each."""

    def __init__(self) -> None:
        self._is_failing = False
        self._is_dropping = False
        renew_in_children(self)

    def reset_after_fork(self) -> None:
        """A thread of the parent may have held it."""
        self._lock = threading.Lock()

    def failed(self, message: Message, error: SendingError) -> None:
        """A message was not delivered; logged if the one before it was."""
        with self._lock:
            is_first, self._is_failing = not self._is_failing, True
        if is_first:
            _log.warning(
                "a %s message to %s could not be sent (further failures are not logged until one is sent): %s",
                message.purpose,
                mask_recipient(message.to),
                without_secrets(_story_of(error), message),
            )

    def succeeded(self) -> None:
        """A message was delivered; logged if the one before it was not."""
        # Without the lock where nothing has failed: the usual case.
        if not self._is_failing:
            return
        with self._lock:
            was_failing, self._is_failing = self._is_failing, False
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
