"""The contract: sessions begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import AlreadyExistsError, LoginRefusedError, SessionLimitError
from ...sessions.limits import Limits
from .base import ACCESS, IDLE, NO_LIMITS, T0, Cases, begin, error_of, new_session, stored

if TYPE_CHECKING:
    from ...storage.engine import Storage


class BeginningCases(Cases):
    """`SessionStorage.add` and `find`."""

    def test_a_session_is_found_as_it_was_written(self, storage: Storage) -> None:
        """All fields come back, types included."""
        session = new_session(
            confirmed=True,
            gen=3,
            predecessor=1,
            device_type="phone",
            device_id="d",
            device_name="n",
            scope="a b",
            user_stamp="s",
            issued_for='["https://issuer.example","api"]',
            claims='{"tenant":"t-1"}',
        )
        added = storage.sessions.add(session, limits=NO_LIMITS, at=T0)
        assert added.session == session
        assert added.ended == ()
        standing = self.reopen(storage).sessions.find(session.sid)
        assert standing is not None
        assert standing.session == session
        assert type(standing.session.confirmed) is bool
        assert (standing.principal.epoch, standing.principal.suspended_until) == (0, 0)

    def test_an_unknown_sid_is_not_found(self, storage: Storage) -> None:
        """Unknown is None, also for what cannot be a sid."""
        begin(storage)
        assert storage.sessions.find(b"\0" * 16) is None
        assert storage.sessions.find(b"") is None

    def test_a_sid_begins_only_once(self, storage: Storage) -> None:
        """A second session of one sid changes nothing, whoever it belongs to."""
        session = begin(storage)
        for twin in (session, new_session("8", sid=session.sid)):
            error_of(AlreadyExistsError, storage.sessions.add, twin, limits=NO_LIMITS, at=T0)
        assert stored(storage, session) == session
        assert storage.sessions.list("", "8", at=T0) == []

    def test_a_refused_twin_ends_no_session_to_make_room(self, storage: Storage) -> None:
        """The step is taken whole or not at all."""
        session = begin(storage)
        error_of(AlreadyExistsError, storage.sessions.add, session, limits=Limits(1, 0, "evict"), at=T0)
        assert not stored(storage, session).ended_at

    def test_a_session_is_written_under_the_present_epoch(self, storage: Storage) -> None:
        """Whatever epoch the caller gave."""
        storage.sessions.end_user("", "7", "kick", at=T0)
        added = storage.sessions.add(new_session(epoch=5), limits=NO_LIMITS, at=T0)
        assert added.session.epoch == 1
        assert stored(storage, added.session).epoch == 1

    def test_S06_the_least_recently_used_session_makes_room(self, storage: Storage) -> None:
        """The limit counts the newcomer; what ended is told, stored and noted in the log."""
        first, second = begin(storage), begin(storage)
        storage.sessions.touch([(first.sid, T0 + 5)], at=T0 + 5)
        added = storage.sessions.add(new_session(at=T0 + 9), limits=Limits(2, 0, "evict"), at=T0 + 9)
        assert [(each.sid, each.end_reason, each.ended_at) for each in added.ended] == [(second.sid, "limit", T0 + 9)]
        assert stored(storage, second) == added.ended[0]
        entries = storage.revocations.after(0, at=T0).entries
        assert [(entry.sid, entry.reason) for entry in entries] == [(second.sid, "limit")]

    def test_S06_a_device_type_makes_room_by_itself(self, storage: Storage) -> None:
        """One phone replaces the other, the desktop stays."""
        phone, desktop = begin(storage, device_type="phone"), begin(storage, device_type="desktop")
        added = storage.sessions.add(new_session(device_type="phone"), limits=Limits(0, 1, "evict"), at=T0)
        assert [(each.sid, each.end_reason) for each in added.ended] == [(phone.sid, "replaced")]
        assert not stored(storage, desktop).ended_at

    def test_S06_a_newcomer_is_refused_where_the_limits_say_so(self, storage: Storage) -> None:
        """Nothing is written, nothing ends."""
        session, newcomer = begin(storage), new_session()
        error_of(SessionLimitError, storage.sessions.add, newcomer, limits=Limits(1, 0, "refuse"), at=T0)
        assert storage.sessions.find(newcomer.sid) is None
        assert not stored(storage, session).ended_at

    def test_S06_sessions_that_are_over_do_not_count(self, storage: Storage) -> None:
        """Ended, idle, past their time, or of an older epoch."""
        storage.sessions.end(begin(storage).sid, "logout", at=T0)
        begin(storage, idle_until=T0 + 5)
        begin(storage, until=T0 + 5, idle_until=T0 + 5)
        added = storage.sessions.add(new_session(at=T0 + 5), limits=Limits(1, 0, "refuse"), at=T0 + 5)
        assert added.ended == ()

    def test_S06_other_users_and_realms_do_not_count(self, storage: Storage) -> None:
        """A person is a realm and a user id."""
        begin(storage, "8")
        begin(storage, "7", "admin")
        assert storage.sessions.add(new_session(), limits=Limits(1, 0, "refuse"), at=T0).ended == ()

    def test_S03_no_session_begins_while_the_user_is_suspended(self, storage: Storage) -> None:
        """Up to the last second, and in this realm only."""
        storage.sessions.suspend("", "7", until=T0 + 10, at=T0)
        error_of(LoginRefusedError, storage.sessions.add, new_session(), limits=NO_LIMITS, at=T0 + 9)
        begin(storage, "7", "admin")
        begin(storage, "8")
        late = begin(storage, at=T0 + 10)
        assert not stored(storage, late).ended_at

    def test_live_sessions_are_listed_oldest_first(self, storage: Storage) -> None:
        """Of one user of one realm, without those that are over."""
        sessions = [begin(storage) for _ in range(5)]
        begin(storage, "8")
        begin(storage, "7", "admin")
        begin(storage, idle_until=T0 + 1)
        storage.sessions.end(sessions[2].sid, "logout", at=T0)
        listed = self.reopen(storage).sessions.list("", "7", at=T0 + 1)
        assert [each.sid for each in listed] == [sessions[number].sid for number in (0, 1, 3, 4)]
        assert storage.sessions.list("", "nobody", at=T0) == []

    def test_a_session_is_listed_up_to_its_last_second(self, storage: Storage) -> None:
        """Both limits name the first second in which it is over."""
        session = begin(storage)
        assert storage.sessions.list("", "7", at=T0 + IDLE - 1) == [session]
        assert storage.sessions.list("", "7", at=T0 + IDLE) == []
        assert session.access_lifetime == ACCESS
