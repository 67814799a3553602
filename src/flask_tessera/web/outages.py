"""The line in the log that tells why requests are answered with 503."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

from ..clocks import boot_clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..errors import StorageUnavailableError

_QUIET: Final = 30.0
"""Seconds without a failure after which the next one is the first of another series."""
_PASSWORD: Final = re.compile(r"(//[^/@\s:]*:)[^/]*@")
_PASSWORD_OPTION: Final = re.compile(r"(?<=password)=[^&\s]*", re.IGNORECASE)
_PASSWORD_IN_QUERY: Final = re.compile(r"(?<=password)=[^&]*", re.IGNORECASE)


class OutageLog:
    """Logs the first of a series of failures of the storage at ERROR, with its cause.

    Args:
        place: the storage's URL; no password of it is logged.
        steady: gives seconds that only grow.
    """

    def __init__(self, place: str, *, steady: Callable[[], float] = boot_clock) -> None:
        self._place = url_without_login(place)
        self._steady = steady
        self._last = float("-inf")

    def record(self, error: StorageUnavailableError) -> None:
        """Note a failure; those that follow it closely are not logged."""
        now, before = self._steady(), self._last
        self._last = now
        if now - before > _QUIET:
            # Looked up now: a logger that is there when the host configures logging may be disabled by that.
            log = logging.getLogger("flask_tessera.storage")
            log.error("the storage %s does not work, requests are answered with 503: %s", self._place, _causes(error))


def _causes(error: BaseException) -> str:
    texts: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        # A wrapped error most often repeats what it wraps.
        if not str(cause) or not any(str(cause) in text for text in texts):
            texts.append(f"{type(cause).__name__}: {cause}" if texts else str(cause) or type(cause).__name__)
        cause = cause.__cause__
    return without_password("; caused by ".join(" ".join(text.split()) for text in texts))


def url_without_login(url: str) -> str:
    """A storage's URL with three dots for all that may be a user's name or password, percent-encoded or not."""
    before, at, after = _PASSWORD_IN_QUERY.sub("=…", url).rpartition("@")
    return f"{before.partition('//')[0]}//…@{after}" if at else after


def without_password(text: str) -> str:
    """`text` with the passwords of its URLs replaced by three dots."""
    return _PASSWORD_OPTION.sub("=…", _PASSWORD.sub(r"\1…@", text))
