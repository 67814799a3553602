"""Moves everything from one storage to another without logging anyone out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..storage.model import Page
from .revocation import pages_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..storage.engine import Storage


@dataclass(frozen=True, slots=True)
class Moved:
    """How many records there were to move; one that was read twice is counted twice."""

    sessions: int = 0
    principals: int = 0
    endings: int = 0
    values: int = 0


def move(
    source: Storage, target: Storage, *, at: int, batch: int, tell: Callable[[Moved], None] = lambda _: None
) -> Moved:
    """Copy sessions, principals, open endings and small values; nothing is taken away from `source`.

    It may be done again, after a failure or to fetch what was written meanwhile: what is further on stays. Only a
    move while nobody writes to `source` misses nothing.

    Args:
        source: where they are.
        target: where they go; what is there already stays.
        at: now, Unix seconds.
        batch: records in one step.
        tell: hears how many there were so far.

    Raises:
        StorageUnavailableError: what was moved before stays moved; do it again.
    """
    _forget_what_the_source_has_forgotten(source, target, at)
    moved, cursor = Moved(), ""
    # Before the sessions, so that none of them is ever live there while its tokens are refused here.
    for log in pages_after(source.revocations, 0, at=at):
        open_entries = tuple(entry for entry in log.entries if entry.forget_at > at)
        target.revocations.append(open_entries, at=at)
        moved = Moved(endings=moved.endings + len(open_entries))
    while True:
        page = source.records.read(cursor, most=batch)
        # From before a restore, or past its limits: over, and where it goes nobody would know.
        sessions = tuple(each for each in page.sessions if each.created_at >= log.valid_from and each.idle_until > at)
        values = tuple(each for each in page.values if each.expires_at > at)
        target.records.write(Page(sessions, page.principals, values), at=at)
        moved = Moved(
            moved.sessions + len(sessions),
            # On SQL a user who has logged in has a row, which says nothing.
            moved.principals + sum(each.epoch > 0 or each.suspended_until > at for each in page.principals),
            moved.endings,
            moved.values + len(values),
        )
        tell(moved)
        cursor = page.cursor
        if not cursor:
            return moved


def _forget_what_the_source_has_forgotten(source: Storage, target: Storage, at: int) -> None:
    """Let an empty target vouch for no token that the source does not: its log may be the older one."""
    here, there = source.revocations.head(at=at), target.revocations.head(at=at)
    if here.created_at > there.created_at and not target.sessions.newest():
        target.revocations.restart(at=at, valid_from=0)
