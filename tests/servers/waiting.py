"""Waiting for what another process does."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

STEP = 0.01
"""Seconds between two looks."""


def wait_until(condition: Callable[[], object], what: str, *, seconds: float = 150) -> None:
    """Return as soon as the condition holds.

    Raises:
        TimeoutError: It did not within these seconds; the text names `what` was waited for.
    """
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} seconds, in vain, until {what}")
        pause.wait(STEP)
