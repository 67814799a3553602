"""`WaitingLog` in MySQL, which tells nobody: its head is read again and again."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from ....fork import renew_in_children
from ...contract import Wakeup
from ..log import LOG, SQLLog

if TYPE_CHECKING:
    from .database import MySQLDatabase

_PAUSE: Final = 0.7
"""Seconds between two looks: with what is read now and then, two statements a second for a worker that is idle."""


class MySQLLog(SQLLog):
    """The log, and what this process knows of its head."""

    bound = 2

    def __init__(self, database: MySQLDatabase) -> None:
        super().__init__(database)
        self._seen: object = None
        renew_in_children(self)

    def renew_locks(self) -> None:
        """A parent's thread may have held the lock that is in it."""
        self._interrupted = threading.Event()

    def wait(self, cursor: int, *, longest: float) -> Wakeup:
        give_up_at = time.monotonic() + longest
        while True:
            is_interrupted = self._interrupted.wait(min(_PAUSE, max(0.0, give_up_at - time.monotonic())))
            self._interrupted.clear()
            (rows,), identity = self._database.read((LOG, ()))
            before, self._seen = self._seen, (rows, identity)
            # Whatever differs, and be it that the number is smaller, is worth a look: it may be another log.
            if is_interrupted or before != self._seen or not rows or rows[0][-1] != cursor:
                return Wakeup()
            if time.monotonic() >= give_up_at:
                return Wakeup(is_unchanged=True)

    def interrupt(self) -> None:
        self._interrupted.set()
