"""The contract: last-seen times, and the removal of what is long over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...sessions.limits import Limits
from ...sessions.revocations import ENDED_KEPT, REASON_KEPT, RETENTION_MARGIN
from .base import ACCESS, IDLE, T0, Cases, begin, new_session, rotate, stored

if TYPE_CHECKING:
    from ...storage.engine import Storage


class SeeingCases(Cases):
    """`Sessions.touch` and `purge`."""

    def test_a_last_seen_time_moves_forward_only(self, storage: Storage) -> None:
        """In any order, for many at once, unknown ones passed over."""
        first, second = begin(storage), begin(storage)
        storage.sessions.touch((each for each in [(first.sid, T0 + 9), (second.sid, T0 + 2), (b"\3" * 16, T0)]), at=T0)
        storage.sessions.touch([(first.sid, T0 + 3), (second.sid, T0 + 4)], at=T0)
        storage.sessions.touch([], at=T0)
        assert [stored(storage, each).last_seen_at for each in (first, second)] == [T0 + 9, T0 + 4]

    def test_the_newest_session_tells_when_somebody_last_logged_in(self, storage: Storage) -> None:
        """By its birth, whoever has been seen since; 0 while there is none."""
        assert storage.sessions.newest() == 0
        first = begin(storage)
        begin(storage, "8", at=T0 + 50)
        storage.sessions.touch([(first.sid, T0 + 500)], at=T0 + 500)
        assert self.reopen(storage).sessions.newest() == T0 + 50

    def test_F07_the_newest_session_from_before_a_moment_tells_of_the_time_before(self, storage: Storage) -> None:
        """By the time in its sid; none is from before the first."""
        sids = [(at * 1000).to_bytes(6, "big") + b"ta" + bytes(8) for at in (T0, T0 + 50, T0 + 9000)]
        for sid, at in zip(sids, (T0, T0 + 50, T0 + 9000), strict=True):
            begin(storage, at=at, sid=sid)
        moments = (T0, T0 + 1, T0 + 50, T0 + 51, T0 + 9001)
        assert [storage.sessions.newest(before=at) for at in moments] == [0, T0, T0, T0 + 50, T0 + 9000]

    def test_S11_purge_removes_sessions_whose_tokens_are_all_dead(self, storage: Storage) -> None:
        """From the second in which the idle limit has passed."""
        dead = [begin(storage, idle_until=T0 + ACCESS) for _ in range(2)]
        alive = begin(storage)
        assert storage.sessions.purge(at=T0 + ACCESS - 1, most=100) == 0
        assert storage.sessions.purge(at=T0 + ACCESS, most=100) == 2
        assert [storage.sessions.find(each.sid) for each in dead] == [None, None]
        assert stored(storage, alive) == alive

    def test_S11_purge_goes_in_small_steps(self, storage: Storage) -> None:
        """Never more than asked for, and all in the end, though live ones stand in between."""
        for number in range(20):
            begin(storage, str(number % 3), idle_until=T0 + ACCESS if number % 2 else T0 + IDLE)
        removed = [storage.sessions.purge(at=T0 + ACCESS, most=4) for _ in range(4)]
        assert removed == [4, 4, 2, 0]
        assert sum(len(storage.sessions.list("", user_id, at=T0)) for user_id in "012") == 10

    def test_S11_an_ended_session_tells_its_reason_for_a_day(self, storage: Storage) -> None:
        """To whoever has a refresh token of it; after that it is as unknown as one that never was."""
        session = begin(storage)
        rotate(storage, session, 0, T0 + 100)
        storage.sessions.end(session.sid, "logout", at=T0 + 200)
        assert storage.sessions.purge(at=T0 + 200 + REASON_KEPT - 1, most=100) == 0
        assert rotate(storage, session, 0, T0 + 200 + REASON_KEPT - 1).reason == "logout"
        assert storage.sessions.purge(at=T0 + 200 + REASON_KEPT, most=100) == 1
        assert storage.sessions.find(session.sid) is None

    def test_S11_an_ended_session_is_kept_while_an_access_token_of_it_may_live(self, storage: Storage) -> None:
        """By its own access lifetime, and no longer than that where it would have been over within the day."""
        long = begin(storage, access_lifetime=3 * REASON_KEPT)
        short = begin(storage, idle_until=T0 + 10)
        for session in (long, short):
            storage.sessions.end(session.sid, "kick", at=T0)
        assert storage.sessions.purge(at=T0 + ACCESS + RETENTION_MARGIN - 1, most=9) == 0
        assert storage.sessions.purge(at=T0 + ACCESS + RETENTION_MARGIN, most=9) == 1
        assert storage.sessions.purge(at=T0 + 3 * REASON_KEPT + RETENTION_MARGIN - 1, most=9) == 0
        assert storage.sessions.purge(at=T0 + 3 * REASON_KEPT + RETENTION_MARGIN, most=9) == 1

    def test_S11_only_the_newest_ended_sessions_of_a_user_are_kept(self, storage: Storage) -> None:
        """Whoever logs in again and again cannot fill the storage."""
        other = begin(storage, "8")
        storage.sessions.end(other.sid, "logout", at=T0)
        begun = [
            storage.sessions.add(new_session(at=T0 + number), limits=Limits(2, 0, "evict"), at=T0 + number).session
            for number in range(ENDED_KEPT + 25)
        ]
        kept = [each for each in begun if storage.sessions.find(each.sid) is not None]
        # Two that live, and one that the last login has ended, which the next one counts.
        assert kept == begun[-ENDED_KEPT - 3 :]
        assert stored(storage, kept[0]).end_reason == "limit"
        assert stored(storage, other).end_reason == "logout"

    def test_S11_a_user_whose_sessions_are_purged_can_log_in(self, storage: Storage) -> None:
        """And keeps the epoch."""
        begin(storage, idle_until=T0 + ACCESS)
        storage.sessions.end_user("", "7", "kick", at=T0)
        assert storage.sessions.purge(at=T0 + ACCESS + RETENTION_MARGIN, most=1) == 1
        assert begin(storage, at=T0 + ACCESS).epoch == 1
        assert storage.sessions.principal("", "7").epoch == 1
