"""Locks that are free in a child process, whoever held them in the moment of the fork."""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import Final, Protocol

LONGEST_DELAY: Final = 2
"""Seconds for which a fork waits for writers at most."""


class ResetsAfterFork(Protocol):
    """Something whose locks a child process must not inherit."""

    def reset_after_fork(self) -> None:
        """Put new locks in place of those that a thread of the parent may hold for ever."""
        ...


class Writes(Protocol):
    """Something that must not be writing in the moment of a fork."""

    @property
    def write_lock(self) -> threading.Lock:
        """The lock that is held for as long as it writes."""
        ...


_holders: weakref.WeakSet[ResetsAfterFork] = weakref.WeakSet()
_writers: weakref.WeakSet[Writes] = weakref.WeakSet()
_held = threading.local()


def renew_in_children(holder: ResetsAfterFork) -> None:
    """Make new locks for `holder` now, and again in every child process."""
    holder.reset_after_fork()
    _holders.add(holder)


def fork_between_writes(writer: Writes) -> None:
    """Let every fork wait until no thread writes with `writer`, for at most `LONGEST_DELAY` seconds."""
    _writers.add(writer)


def _hold_writers() -> None:
    give_up_at = time.monotonic() + LONGEST_DELAY
    locks = [each.write_lock for each in list(_writers)]
    _held.locks = [lock for lock in locks if lock.acquire(timeout=max(0.0, give_up_at - time.monotonic()))]


def _release_writers() -> None:
    for lock in _held.locks:
        lock.release()
    _held.locks = []


def _renew_all() -> None:
    for holder in list(_holders):
        holder.reset_after_fork()


# Windows has no fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold_writers, after_in_parent=_release_writers, after_in_child=_renew_all)
