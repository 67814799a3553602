"""Removes what no token can need any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import ClockJumpError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..storage.contract import Storage

_LONGEST_SILENCE: Final = 86_400
"""Seconds since the newest login after which the clock is not believed: it would take all sessions for dead."""


def purge(
    storage: Storage, *, at: int, batch: int, force: bool = False, rest: Callable[[], None] = lambda: None
) -> int:
    """Remove dead sessions and forgettable endings in batches that never block a login; gives how many sessions.

    Args:
        storage: where they are.
        at: now, Unix seconds.
        batch: sessions in one transaction.
        force: although nobody has logged in for more than a day.
        rest: called between two batches, so that others get at the write lock.

    Raises:
        ClockJumpError: the clock may have jumped.
        StorageUnavailableError: what was removed before stays removed.
    """
    newest = storage.sessions.newest()
    if newest and abs(at - newest) > _LONGEST_SILENCE and not force:
        days = abs(at - newest) // _LONGEST_SILENCE
        raise ClockJumpError(f"the newest login is {days} days from now: if the clock is right, purge with --force")
    total = 0
    while removed := storage.sessions.purge(at=at, most=batch):
        total += removed
        rest()
    # By a clock that has jumped less than that tokens are taken for dead that a worker that starts later must refuse.
    storage.revocations.purge(at=at if force else at - _LONGEST_SILENCE)
    return total
