"""Removes what no token can need any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import ClockJumpError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..storage.engine import Storage

_DAY: Final = 86_400
_SURE: Final = "if the clock is right, purge with --force"
_LONGEST_SILENCE: Final = _DAY
"""Seconds since the newest login after which the clock is not believed: it would take all sessions for dead."""
_LONGEST_GAP: Final = 366 * _DAY
"""Seconds without a login, before the last day, after which it is not either: somebody may have logged in by it."""


def purge(
    storage: Storage, *, at: int, batch: int, force: bool = False, rest: Callable[[], None] = lambda: None
) -> int:
    """Remove dead sessions and forgettable endings in batches that never block a login; gives how many sessions.

    Args:
        storage: where they are.
        at: now, Unix seconds.
        batch: sessions in one transaction.
        force: although nobody has logged in for more than a day; then endings of the last day go, too.
        rest: called between two batches, so that others get at the write lock.

    Raises:
        ClockJumpError: the clock may have jumped.
        StorageUnavailableError: what was removed before stays removed.
    """
    if not force:
        _refuse_wrong_clock(storage, at)
    total = 0
    while removed := storage.sessions.purge(at=at, most=batch):
        total += removed
        rest()
    # By a clock that has jumped less than is noticed, tokens are taken for dead that a worker that starts later must
    # refuse.
    sure_at = at if force else at - _DAY
    while storage.revocations.drop_expired(at=sure_at, most=batch, is_sure=True):
        rest()
    while storage.values.purge(at=sure_at, most=batch):
        rest()
    return total


def _refuse_wrong_clock(storage: Storage, at: int) -> None:
    newest = storage.sessions.newest()
    silence = abs(at - newest) if newest else 0
    if silence > _LONGEST_SILENCE:
        raise ClockJumpError(f"the newest login is {silence // _DAY} days from now: {_SURE}")
    one_before = storage.sessions.newest(before=at - _DAY)
    if one_before and at - _DAY - one_before > _LONGEST_GAP:
        days = (at - _DAY - one_before) // _DAY
        raise ClockJumpError(f"before the last day nobody has logged in for {days} days: {_SURE}")
