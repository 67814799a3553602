"""The contract: how workers learn of revocations, and what they say of themselves."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ...sessions.limits import Limits
from ...storage.contract import WORKER_FORGOTTEN, Worker
from ..races import race
from .base import T0, Cases, begin, new_session, stored

if TYPE_CHECKING:
    from ...sessions.record import Session
    from ...storage.contract import Storage

_LONG = 30.0
"""Seconds that nobody waits: what they wait for comes at once."""
_SHORT = 0.05


_TURNS = 5
"""A wait may return early once or twice: where a connection is new, or a notification is of something read before."""


def _end_or_wait(storage: Storage, other: Storage, session: Session, cursor: int, number: int) -> bool:
    if not number:
        return storage.sessions.end(session.sid, "logout", at=T0) is not None
    return _wait_for(other, cursor, session)


def _wait_for(storage: Storage, cursor: int, session: Session) -> bool:
    """Whether the ending of a session is found after a few waits."""
    for _ in range(_TURNS):
        storage.revocations.wait(cursor, longest=_LONG)
        if session.sid in [each.sid for each in storage.revocations.after(cursor, at=T0).entries]:
            return True
    return False


class ListeningCases(Cases):
    """`RevocationLog.wait` and `restore`, `WorkerRegistry`, `Storage.describe`."""

    def test_S01_who_waits_hears_of_an_ending_that_is_there_already(self, storage: Storage) -> None:
        """It may have come between two waits."""
        session = begin(storage)
        cursor = storage.revocations.after(0, at=T0).cursor
        other = self.reopen(storage)
        other.revocations.after(0, at=T0)
        other.revocations.wait(cursor, longest=_SHORT)
        storage.sessions.end(session.sid, "logout", at=T0)
        assert _wait_for(other, cursor, session)

    def test_S01_who_waits_hears_of_an_ending_that_comes(self, storage: Storage) -> None:
        """From another handle, while it waits."""
        other = self.reopen(storage)
        for _ in range(5):
            session = begin(storage)
            cursor = other.revocations.after(0, at=T0).cursor
            assert race(2, partial(_end_or_wait, storage, other, session, cursor)) == [True, True]

    def test_S01_what_a_wait_gives_ahead_is_what_the_log_says(self, storage: Storage) -> None:
        """If it gives anything; and what has changed is not called unchanged."""
        first, second = begin(storage), begin(storage)
        storage.sessions.end(first.sid, "logout", at=T0)
        cursor = storage.revocations.after(0, at=T0).cursor
        storage.revocations.wait(cursor, longest=_SHORT)
        storage.sessions.end(second.sid, "kick", at=T0)
        wakeup = storage.revocations.wait(cursor, longest=_LONG)
        assert not wakeup.is_unchanged
        assert wakeup.entries in ((), storage.revocations.after(cursor, at=T0).entries)

    def test_who_waits_in_vain_comes_back(self, storage: Storage) -> None:
        """With nothing, and the cursor is still good."""
        cursor = storage.revocations.after(0, at=T0).cursor
        assert storage.revocations.wait(cursor, longest=_SHORT).entries == ()
        page = storage.revocations.after(cursor, at=T0)
        assert (page.entries, page.cursor) == ((), cursor)

    def test_a_beat_wakes_nobody(self, storage: Storage) -> None:
        """Else workers that idle would wake each other, the more the more there are."""
        other = self.reopen(storage)
        cursor = other.revocations.after(0, at=T0).cursor
        before = [other.revocations.wait(cursor, longest=_SHORT) for _ in range(3)][-1]
        storage.workers.beat(Worker("host:1", T0, T0))
        assert other.revocations.wait(cursor, longest=_SHORT) == before

    def test_a_wait_can_be_interrupted(self, storage: Storage) -> None:
        """At once or at its own end, and the next one works."""
        cursor = storage.revocations.after(0, at=T0).cursor
        storage.revocations.wait(cursor, longest=_SHORT)
        storage.revocations.interrupt()
        storage.revocations.wait(cursor, longest=_SHORT)
        session = begin(storage)
        storage.sessions.end(session.sid, "logout", at=T0)
        assert _wait_for(storage, cursor, session)

    def test_workers_are_listed_until_they_leave(self, storage: Storage) -> None:
        """By name, as they said last."""
        first, second = Worker("host:1", T0, T0), Worker("host:0", T0, T0 + 1)
        for worker in (first, second):
            storage.workers.beat(worker)
        other = self.reopen(storage)
        assert other.workers.list(at=T0 + 1) == [second, first]
        late = Worker("host:1", T0, T0 + 10)
        storage.workers.beat(late)
        other.workers.remove("host:0")
        other.workers.remove("nobody")
        assert storage.workers.list(at=T0 + 10) == [late]

    def test_a_worker_that_was_killed_is_listed_for_a_while(self, storage: Storage) -> None:
        """Up to the last second, so that it can be seen to be overdue."""
        worker = Worker("host:1", T0, T0 + 10)
        storage.workers.beat(worker)
        assert storage.workers.list(at=T0 + WORKER_FORGOTTEN + 9) == [worker]
        assert storage.workers.list(at=T0 + WORKER_FORGOTTEN + 10) == []

    def test_F04_a_restored_storage_begins_an_era_and_a_log(self, storage: Storage) -> None:
        """Born at that moment, for every handle; its stamp is another one."""
        session = begin(storage)
        before, stamp = storage.revocations.after(0, at=T0), storage.revocations.stamp()
        assert before.era == 0
        assert storage.revocations.restore(at=T0 + 50) == 1
        assert storage.revocations.stamp() != stamp
        page = self.reopen(storage).revocations.after(before.cursor, at=T0 + 60)
        assert (page.era, page.born_at) == (1, T0 + 50)
        assert page.log_id != before.log_id
        assert storage.revocations.restore(at=T0 + 70) == 2
        assert stored(storage, session) == session

    def test_F04_sessions_of_an_older_era_take_no_room(self, storage: Storage) -> None:
        """They are over, so a newcomer is not refused on their account."""
        begin(storage)
        storage.revocations.restore(at=T0)
        newcomer = new_session(era=1)
        assert storage.sessions.add(newcomer, limits=Limits(1, 1, "refuse"), at=T0).ended == ()
        assert stored(storage, newcomer).era == 1

    def test_a_storage_says_what_it_is(self, storage: Storage) -> None:
        """In words."""
        said = storage.describe()
        assert said.engine
        assert said.durability
        assert all(said.warnings)
