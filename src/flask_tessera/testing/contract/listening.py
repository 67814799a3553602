"""The contract: how workers learn of revocations, and what they say of themselves."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from unittest import SkipTest

from msgspec.structs import replace

from ...sessions.limits import Limits
from ...storage.contract import WaitingLog
from ..races import race
from .base import T0, Cases, begin, new_session, stored

if TYPE_CHECKING:
    from ...sessions.model import Session
    from ...storage.engine import Storage

_LONG = 30.0
"""Seconds that nobody waits: what they wait for comes at once."""
_SHORT = 0.05


_TURNS = 5
"""A wait may return early once or twice: where a connection is new, or a notification is of something read before."""


def _end_or_wait(storage: Storage, other: WaitingLog, session: Session, cursor: int, number: int) -> bool:
    if not number:
        return storage.sessions.end(session.sid, "logout", at=T0) is not None
    return _wait_for(other, cursor, session)


def _wait_for(log: WaitingLog, cursor: int, session: Session) -> bool:
    """Whether the ending of a session is found after a few waits."""
    for _ in range(_TURNS):
        log.wait(cursor, longest=_LONG)
        if session.sid in [each.sid for each in log.after(cursor, at=T0).entries]:
            return True
    return False


def _waiting(storage: Storage) -> WaitingLog:
    """The log of a storage that is waited for.

    Raises:
        SkipTest: it tells at each request whether it has changed, so that nobody waits for it.
    """
    log = storage.revocations
    if not isinstance(log, WaitingLog):
        raise SkipTest("nobody waits for a log that tells of each change at once")
    return log


class ListeningCases(Cases):
    """`WaitingLog`, `RevocationLog.restart`, `Storage.describe`."""

    def test_S01_who_waits_hears_of_an_ending_that_is_there_already(self, storage: Storage) -> None:
        """It may have come between two waits."""
        session, other = begin(storage), _waiting(self.reopen(storage))
        cursor = storage.revocations.after(0, at=T0).cursor
        other.after(0, at=T0)
        other.wait(cursor, longest=_SHORT)
        storage.sessions.end(session.sid, "logout", at=T0)
        assert _wait_for(other, cursor, session)

    def test_S01_who_waits_hears_of_an_ending_that_comes(self, storage: Storage) -> None:
        """From another handle, while it waits."""
        other = _waiting(self.reopen(storage))
        for _ in range(5):
            session = begin(storage)
            cursor = other.after(0, at=T0).cursor
            assert race(2, partial(_end_or_wait, storage, other, session, cursor)) == [True, True]

    def test_S01_what_a_wait_gives_ahead_is_what_the_log_says(self, storage: Storage) -> None:
        """If it gives anything; and what has changed is not called unchanged."""
        first, second, log = begin(storage), begin(storage), _waiting(storage)
        storage.sessions.end(first.sid, "logout", at=T0)
        cursor = log.after(0, at=T0).cursor
        log.wait(cursor, longest=_SHORT)
        storage.sessions.end(second.sid, "kick", at=T0)
        wakeup = log.wait(cursor, longest=_LONG)
        assert not wakeup.is_unchanged
        ahead = tuple(replace(entry, is_intent=False) for entry in wakeup.entries)
        assert ahead in ((), log.after(cursor, at=T0).entries)

    def test_who_waits_in_vain_comes_back(self, storage: Storage) -> None:
        """With nothing, and the cursor is still good."""
        log = _waiting(storage)
        cursor = log.after(0, at=T0).cursor
        assert log.wait(cursor, longest=_SHORT).entries == ()
        page = log.after(cursor, at=T0)
        assert (page.entries, page.cursor) == ((), cursor)

    def test_a_small_value_wakes_nobody(self, storage: Storage) -> None:
        """Else workers that idle would wake each other with their beats, the more the more there are."""
        other = _waiting(self.reopen(storage))
        cursor = other.after(0, at=T0).cursor
        before = [other.wait(cursor, longest=_SHORT) for _ in range(3)][-1]
        storage.values.put("worker", b"aa", b"", expires_at=T0 + 9, at=T0)
        assert other.wait(cursor, longest=_SHORT) == before

    def test_a_wait_can_be_interrupted(self, storage: Storage) -> None:
        """At once or at its own end, and the next one works."""
        log = _waiting(storage)
        cursor = log.after(0, at=T0).cursor
        log.wait(cursor, longest=_SHORT)
        log.interrupt()
        log.wait(cursor, longest=_SHORT)
        session = begin(storage)
        storage.sessions.end(session.sid, "logout", at=T0)
        assert _wait_for(log, cursor, session)

    def test_F04_a_restored_storage_begins_a_log(self, storage: Storage) -> None:
        """Created at that moment, for every handle, which notices it; how old a session may be is never turned back."""
        session, other = begin(storage), self.reopen(storage)
        before, head = storage.revocations.after(0, at=T0), other.revocations.head(at=T0).checkpoint
        assert before.valid_from == 0
        storage.revocations.restart(at=T0 + 50, valid_from=T0 + 50)
        assert other.revocations.head(at=T0 + 60).checkpoint != head
        page = other.revocations.after(before.cursor, at=T0 + 60)
        assert (page.valid_from, page.created_at) == (T0 + 50, T0 + 50)
        assert page.log_id != before.log_id
        storage.revocations.restart(at=T0 + 70, valid_from=0)
        page = other.revocations.after(0, at=T0 + 80)
        assert (page.valid_from, page.created_at) == (T0 + 50, T0 + 70)
        assert stored(storage, session) == session

    def test_F04_sessions_from_before_a_restore_take_no_room_and_are_over(self, storage: Storage) -> None:
        """A newcomer is not refused on their account; they are neither listed nor renewed."""
        session = begin(storage)
        newcomer = new_session(at=T0 + 1)
        limits = Limits(1, 1, "refuse")
        added = storage.sessions.add(newcomer, limits=limits, at=T0 + 1, valid_from=T0 + 1)
        assert added.ended == ()
        assert storage.sessions.list("", "7", at=T0 + 1, valid_from=T0 + 1) == [added.session]
        said = storage.sessions.rotate(session.sid, 0, at=T0 + 1, leeway=15, idle=60, valid_from=T0 + 1)
        assert said is not None
        assert (said.outcome, said.reason) == ("refused", "expiry")
        assert stored(storage, session) == session

    def test_a_storage_says_what_it_is(self, storage: Storage) -> None:
        """In words."""
        said = storage.describe()
        assert said.engine
        assert said.durability
        assert all(said.warnings)
