"""The contract: refreshes, row by row of the decision table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import IDLE, LEEWAY, LIFETIME, T0, Cases, begin, rotate, stored

if TYPE_CHECKING:
    from ...sessions.model import Session
    from ...storage.engine import Storage


def _held(storage: Storage, at: int) -> Session:
    """A session that was refreshed once at `at`, its new generation seen in use."""
    session = begin(storage)
    rotate(storage, session, 0, at)
    storage.sessions.confirm([(session.sid, 1)], at=at)
    return session


class RotationCases(Cases):
    """`SessionStorage.rotate` and `mark`."""

    def test_an_unknown_session_cannot_be_refreshed(self, storage: Storage) -> None:
        """None, and nothing is made."""
        assert storage.sessions.rotate(b"\1" * 16, 0, at=T0, leeway=LEEWAY, idle=IDLE) is None
        assert storage.sessions.find(b"\1" * 16) is None

    def test_R03_the_current_generation_buys_the_next(self, storage: Storage) -> None:
        """Predecessor, time and limits are written; nobody was seen to hold the new one."""
        session = begin(storage)
        storage.sessions.confirm([(session.sid, 0)], at=T0)
        result = rotate(storage, session, 0, T0 + 900)
        assert (result.outcome, result.reason) == ("rotated", "")
        new = result.session
        assert (new.gen, new.predecessor, new.rotated_at, new.confirmed) == (1, 0, T0 + 900, False)
        assert (new.idle_until, new.last_seen_at, new.until) == (T0 + 900 + IDLE, T0 + 900, session.until)
        assert stored(self.reopen(storage), session) == new

    def test_R04_a_retry_within_the_leeway_gets_the_same_answer(self, storage: Storage) -> None:
        """Up to its last second, confirmed or not, and nothing is written."""
        session = _held(storage, T0)
        before = stored(storage, session)
        for age in (0, LEEWAY, -600):
            result = rotate(storage, session, 0, T0 + age)
            assert (result.outcome, result.session) == ("same", before)
        assert stored(storage, session) == before

    def test_R04_a_lost_reply_heals_after_any_delay(self, storage: Storage) -> None:
        """The unseen generation is superseded, the predecessor stays, again and again."""
        session = begin(storage)
        rotate(storage, session, 0, T0)
        for count, at in enumerate((T0 + LEEWAY + 1, T0 + 86_400, T0 + 20 * 86_400), start=2):
            result = rotate(storage, session, 0, at)
            assert result.outcome == "replaced"
            new = stored(storage, session)
            assert (new.gen, new.predecessor, new.rotated_at, new.confirmed) == (count, 0, at, False)
            assert result.session == new

    def test_R05_a_predecessor_whose_successor_is_held_ends_the_session(self, storage: Storage) -> None:
        """After the leeway; it is stored and noted in the log, and other sessions live on."""
        other, session = begin(storage), _held(storage, T0)
        result = rotate(storage, session, 0, T0 + LEEWAY + 1)
        assert (result.outcome, result.reason) == ("reuse", "reuse")
        assert (result.session.end_reason, result.session.ended_at) == ("reuse", T0 + LEEWAY + 1)
        assert stored(self.reopen(storage), session) == result.session
        assert [entry.sid for entry in storage.revocations.after(0, at=T0).entries] == [session.sid]
        assert rotate(storage, other, 0, T0 + LEEWAY + 1).outcome == "rotated"

    def test_R05_an_older_generation_ends_the_session_at_once(self, storage: Storage) -> None:
        """No leeway for the second last; the current token is dead too."""
        session = begin(storage)
        for presented in (0, 1):
            rotate(storage, session, presented, T0)
        assert rotate(storage, session, 0, T0).outcome == "reuse"
        for presented in (0, 1, 2, 3):
            refused = rotate(storage, session, presented, T0)
            assert (refused.outcome, refused.reason) == ("refused", "reuse")

    def test_R05_a_superseded_generation_ends_the_session(self, storage: Storage) -> None:
        """Whoever presents it is a second holder."""
        session = begin(storage)
        rotate(storage, session, 0, T0)
        rotate(storage, session, 0, T0 + 100)
        assert rotate(storage, session, 1, T0 + 100).outcome == "reuse"

    def test_R06_a_generation_ahead_is_adopted(self, storage: Storage) -> None:
        """The storage has forgotten it: the token's MAC vouches for it."""
        session = begin(storage)
        result = rotate(storage, session, 4, T0 + 9)
        assert (result.outcome, result.session.gen, result.session.predecessor) == ("adopted", 5, 4)
        assert stored(storage, session) == result.session
        assert rotate(storage, session, 0, T0 + 9).outcome == "reuse"

    def test_R07_a_session_past_its_limits_is_refused(self, storage: Storage) -> None:
        """In the first second of either limit, whatever is presented, and nothing is written."""
        idle, over = begin(storage), begin(storage, idle_until=T0 + 50, until=T0 + 50)
        for session, at in ((idle, T0 + IDLE), (over, T0 + 50)):
            for presented in (0, 1):
                result = rotate(storage, session, presented, at)
                assert (result.outcome, result.reason) == ("refused", "expiry")
            assert stored(storage, session) == session
            assert rotate(storage, session, 0, at - 1).outcome == "rotated"

    def test_R07_the_idle_limit_never_passes_the_absolute_one(self, storage: Storage) -> None:
        """Nor does it move when the answer is the same."""
        session = begin(storage, idle_until=T0 + LIFETIME, until=T0 + LIFETIME)
        assert rotate(storage, session, 0, T0 + LIFETIME - 100).session.idle_until == T0 + LIFETIME
        assert rotate(storage, session, 0, T0 + LIFETIME - 99).session.idle_until == T0 + LIFETIME

    def test_F07_limits_and_last_seen_never_move_back_with_a_clock(self, storage: Storage) -> None:
        """Under every outcome that writes."""
        session = begin(storage)
        rotate(storage, session, 0, T0 + 1000)
        for presented, at in ((1, T0 + 10), (7, T0 + 20), (7, T0 + 40)):
            new = rotate(storage, session, presented, at).session
            assert (new.idle_until, new.last_seen_at) == (T0 + 1000 + IDLE, T0 + 1000)
            assert stored(storage, session) == new

    def test_R09_an_ended_session_is_refused_with_its_reason(self, storage: Storage) -> None:
        """Whatever generation is presented."""
        session = begin(storage)
        storage.sessions.end(session.sid, "kick", at=T0)
        for presented in (0, 1):
            result = rotate(storage, session, presented, T0 + 1)
            assert (result.outcome, result.reason, result.session.gen) == ("refused", "kick", 0)

    def test_R09_a_suspended_user_is_refused_and_revives_nothing(self, storage: Storage) -> None:
        """The suspension passes; what it ended stays ended."""
        session = begin(storage)
        storage.sessions.suspend("", "7", until=T0 + 10, at=T0)
        for at in (T0 + 1, T0 + 10, T0 + 11):
            assert rotate(storage, session, 0, at).reason == "suspension"

    def test_R05_a_confirmation_of_a_superseded_generation_ends_the_session(self, storage: Storage) -> None:
        """Once: later marks pass over it."""
        session = begin(storage)
        rotate(storage, session, 0, T0)
        rotate(storage, session, 0, T0 + 100)
        (ended,) = storage.sessions.confirm([(session.sid, 1), (session.sid, 1)], at=T0 + 101)
        assert (ended.sid, ended.end_reason, ended.ended_at) == (session.sid, "reuse", T0 + 101)
        assert stored(storage, session) == ended
        assert storage.sessions.confirm([(session.sid, 1)], at=T0 + 102) == []

    def test_a_mark_confirms_the_current_generation_only(self, storage: Storage) -> None:
        """Older ones, those ahead, unknown and ended sessions change nothing."""
        first, second, third = begin(storage), begin(storage), begin(storage)
        rotate(storage, first, 0, T0)
        storage.sessions.end(third.sid, "logout", at=T0)
        marks = [(first.sid, 0), (second.sid, 5), (third.sid, 0), (b"\2" * 16, 0)]
        assert storage.sessions.confirm(marks, at=T0 + 1) == []
        assert [stored(storage, each).confirmed for each in (first, second, third)] == [False, False, False]
        assert storage.sessions.confirm([(first.sid, 1), (second.sid, 0)], at=T0 + 2) == []
        assert [stored(storage, each).confirmed for each in (first, second)] == [True, True]
        assert storage.sessions.confirm([], at=T0) == []
