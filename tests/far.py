"""A storage in memory whose log has to be waited for, as those on other machines."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from flask_tessera.storage.memory import MemoryStorage
from flask_tessera.storage.model import Wakeup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask_tessera.sessions.revocations import Revocation
    from flask_tessera.storage.model import LogPage

LOOK_EVERY = 0.01
"""Seconds between two looks."""


class FarLog:
    """A `WaitingLog` over the log of another storage."""

    def __init__(self, log: Any, bound: int = 2) -> None:
        self.log = log
        self.bound = bound
        self._woken = threading.Event()

    def after(self, cursor: int, *, at: int) -> LogPage:
        return self.log.after(cursor, at=at)

    def head(self, *, at: int) -> LogPage:
        return self.log.head(at=at)

    def append(self, entries: Sequence[Revocation], *, at: int) -> None:
        self.log.append(entries, at=at)

    def restart(self, *, at: int, valid_from: int) -> None:
        self.log.restart(at=at, valid_from=valid_from)

    def drop_expired(self, *, at: int, most: int, is_sure: bool) -> int:
        return self.log.drop_expired(at=at, most=most, is_sure=is_sure)

    def wait(self, cursor: int, *, longest: float) -> Wakeup:
        for _ in range(max(1, round(longest / LOOK_EVERY))):
            if self.log.head(at=0).number > cursor:
                return Wakeup()
            if self._woken.wait(LOOK_EVERY):
                break
        self._woken.clear()
        return Wakeup(is_unchanged=self.log.head(at=0).number <= cursor)

    def interrupt(self) -> None:
        self._woken.set()


def far_storage(bound: int = 2) -> MemoryStorage:
    """A storage in memory with such a log."""
    return make_far(MemoryStorage(), bound)


def make_far(storage: Any, bound: int = 2) -> Any:
    """The same storage, whose log has to be waited for from now on."""
    storage.revocations = FarLog(storage.revocations, bound)
    return storage
