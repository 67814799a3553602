"""Locks that are free in a child process, whoever held them in the moment of the fork."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class HoldsLocks(Protocol):
    """Something whose locks a child process must not inherit."""

    def renew_locks(self) -> None:
        """Put new locks in place of those that a thread of the parent may hold for ever."""
        ...


_holders: weakref.WeakSet[HoldsLocks] = weakref.WeakSet()


def renew_in_children(holder: HoldsLocks) -> None:
    """Make new locks for `holder` now, and again in every child process."""
    holder.renew_locks()
    _holders.add(holder)


def _renew_all() -> None:
    for holder in list(_holders):
        holder.renew_locks()


# Windows has no fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
