"""The contract: sessions end, and users are suspended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...sessions.revocations import RETENTION_MARGIN
from .base import T0, Cases, begin, rotate, stored

if TYPE_CHECKING:
    from ...storage.engine import Storage


class EndingCases(Cases):
    """`SessionStorage.end`, `end_user` and `PrincipalStorage`."""

    def test_S01_an_ended_session_says_when_and_why(self, storage: Storage) -> None:
        """To every handle."""
        session = begin(storage)
        ended = storage.sessions.end(session.sid, "logout", at=T0 + 3)
        assert ended is not None
        assert ended.by_this_call
        assert (ended.session.ended_at, ended.session.end_reason) == (T0 + 3, "logout")
        assert stored(self.reopen(storage), session) == ended.session

    def test_F05_ending_twice_keeps_the_first_reason(self, storage: Storage) -> None:
        """A retry after a lost answer does no harm."""
        session = begin(storage)
        storage.sessions.end(session.sid, "logout", at=T0 + 3)
        again = storage.sessions.end(session.sid, "kick", at=T0 + 4)
        assert again is not None
        assert not again.by_this_call
        assert (again.session.ended_at, again.session.end_reason) == (T0 + 3, "logout")
        assert len(storage.revocations.after(0, at=T0).entries) == 1

    def test_an_unknown_session_cannot_be_ended(self, storage: Storage) -> None:
        """None, and no entry in the log."""
        assert storage.sessions.end(b"\4" * 16, "logout", at=T0) is None
        assert storage.revocations.after(0, at=T0).entries == ()

    def test_S02_all_sessions_of_a_user_end_in_one_step(self, storage: Storage) -> None:
        """Those that were over keep their reason; other users and realms live on."""
        over, first, second = begin(storage), begin(storage), begin(storage)
        others = [begin(storage, "8"), begin(storage, "7", "admin")]
        storage.sessions.end(over.sid, "logout", at=T0)
        ended = storage.sessions.end_user("", "7", "password_change", at=T0 + 5)
        assert sorted(each.sid for each in ended) == [first.sid, second.sid]
        assert {(each.end_reason, each.ended_at) for each in ended} == {("password_change", T0 + 5)}
        assert {each.sid: each for each in ended}[first.sid] == stored(storage, first)
        assert stored(storage, over).end_reason == "logout"
        assert [rotate(storage, each, 0, T0 + 6).outcome for each in others] == ["rotated", "rotated"]
        assert self.reopen(storage).sessions.principal("", "7").epoch == 1

    def test_S02_everywhere_but_here_carries_the_kept_session_over(self, storage: Storage) -> None:
        """It lives on under the new epoch, and can do so again."""
        kept, other = begin(storage), begin(storage)
        assert [each.sid for each in storage.sessions.end_user("", "7", "logout", at=T0, except_sid=kept.sid)] == [
            other.sid
        ]
        assert storage.sessions.end_user("", "7", "logout", at=T0, except_sid=kept.sid) == []
        assert stored(storage, kept).epoch == storage.sessions.principal("", "7").epoch == 2
        assert rotate(storage, kept, 0, T0 + 1).outcome == "rotated"
        assert [each.sid for each in storage.sessions.list("", "7", at=T0)] == [kept.sid]

    def test_S09_a_kept_session_of_somebody_else_is_not_touched(self, storage: Storage) -> None:
        """Naming it keeps nobody in, and does not raise its epoch."""
        stranger, mine = begin(storage, "8"), begin(storage)
        ended = storage.sessions.end_user("", "7", "kick", at=T0, except_sid=stranger.sid)
        assert [each.sid for each in ended] == [mine.sid]
        assert stored(storage, stranger) == stranger

    def test_S02_a_user_without_sessions_has_an_epoch_too(self, storage: Storage) -> None:
        """Tokens of old could be about."""
        assert storage.sessions.end_user("", "9", "kick", at=T0) == []
        assert storage.sessions.principal("", "9").epoch == 1

    def test_F04_an_end_of_all_is_remembered_for_as_long_as_it_is_told_to(self, storage: Storage) -> None:
        """Tokens may live whose session the storage has lost; a known session that lives longer counts as well."""
        storage.sessions.end_user("", "7", "kick", at=T0, keep_until=T0 + 5000)
        storage.sessions.suspend("", "8", until=T0 + 1, at=T0, keep_until=T0 + 6000)
        begin(storage, "9", access_lifetime=8000)
        storage.sessions.end_user("", "9", "kick", at=T0, keep_until=T0 + 5000)
        forget = [entry.forget_at for entry in storage.revocations.after(0, at=T0).entries]
        assert forget == [T0 + 5000, T0 + 6000, T0 + 8000 + RETENTION_MARGIN]

    def test_S03_a_suspension_ends_all_sessions(self, storage: Storage) -> None:
        """It is told by principal and session alike."""
        session = begin(storage)
        (ended,) = storage.sessions.suspend("", "7", until=T0 + 100, at=T0)
        assert (ended.sid, ended.end_reason) == (session.sid, "suspension")
        principal = self.reopen(storage).sessions.principal("", "7")
        assert (principal.epoch, principal.suspended_until) == (1, T0 + 100)
        standing = storage.sessions.find(session.sid)
        assert standing is not None
        assert standing.principal == principal

    def test_S03_the_longer_of_two_suspensions_holds(self, storage: Storage) -> None:
        """Whichever came first; ending all sessions in between changes nothing."""
        storage.sessions.suspend("", "7", until=T0 + 100, at=T0)
        storage.sessions.end_user("", "7", "kick", at=T0)
        storage.sessions.suspend("", "7", until=T0 + 50, at=T0)
        assert storage.sessions.principal("", "7").suspended_until == T0 + 100

    def test_S03_lifting_a_suspension_revives_nothing(self, storage: Storage) -> None:
        """A new login is needed, and possible."""
        session = begin(storage)
        storage.sessions.suspend("", "7", until=T0 + 100, at=T0)
        storage.sessions.unsuspend("", "7", at=T0)
        storage.sessions.unsuspend("", "nobody", at=T0)
        assert rotate(storage, session, 0, T0 + 1).reason == "suspension"
        assert storage.sessions.principal("", "7").epoch == 1
        assert rotate(storage, begin(storage, at=T0 + 1), 0, T0 + 1).outcome == "rotated"

    def test_a_user_of_whom_nothing_is_kept_is_a_new_one(self, storage: Storage) -> None:
        """Epoch 0, not suspended."""
        principal = storage.sessions.principal("admin", "nobody")
        assert (principal.realm, principal.user_id) == ("admin", "nobody")
        assert (principal.epoch, principal.suspended_until) == (0, 0)
