"""The contract: the revocation log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import CredentialsError
from ...sessions.limits import Limits
from ...sessions.revocations import RETENTION_MARGIN, Revocation
from ...storage.contract import ChangingLog, WaitingLog
from .base import ACCESS, IDLE, NO_LIMITS, T0, Cases, begin, error_of, new_session, rotate

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...storage.engine import Storage
    from ...storage.model import Checkpoint

_FORGET = T0 + ACCESS + RETENTION_MARGIN


def _noticed(storage: Storage) -> object:
    """What differs once a worker could have learned of an ending: the stamp, or where the log ends."""
    log = storage.revocations
    return log.stamp() if isinstance(log, ChangingLog) else log.head(at=T0).checkpoint


def _can_begin(storage: Storage, user_id: str, realm: str, checkpoint: Checkpoint) -> bool:
    session = new_session(user_id, realm)
    try:
        storage.sessions.add(session, limits=NO_LIMITS, at=T0, checkpoint=checkpoint)
    except CredentialsError:
        return False
    return storage.sessions.find(session.sid) is not None


class LogCases(Cases):
    """`RevocationLog`."""

    def test_S01_every_ending_can_be_noticed(self, storage: Storage) -> None:
        """Whatever brought it about, for every handle."""
        handles = [storage, self.reopen(storage)]
        first, second, third = begin(storage), begin(storage), begin(storage)
        fourth = begin(storage, "10")
        rotate(storage, third, 0, T0)
        rotate(storage, third, 0, T0 + 100)
        endings: tuple[Callable[[], object], ...] = (
            lambda: storage.sessions.end(first.sid, "logout", at=T0),
            lambda: storage.sessions.end_user("", "8", "kick", at=T0),
            lambda: storage.sessions.suspend("", "9", until=T0 + 1, at=T0),
            lambda: storage.sessions.add(new_session(), limits=Limits(2, 0, "evict"), at=T0),
            lambda: storage.sessions.confirm([(third.sid, 1)], at=T0 + 100),
            lambda: [rotate(storage, fourth, number, T0) for number in (0, 1, 0)],
        )
        storage.sessions.touch([(second.sid, T0 + 1)], at=T0 + 1)
        for number, end in enumerate(endings):
            before = [_noticed(handle) for handle in handles]
            end()
            after = [_noticed(handle) for handle in handles]
            assert all(old != new for old, new in zip(before, after, strict=True)), f"ending {number}"

    def test_nothing_is_noticed_while_nothing_ends(self, storage: Storage) -> None:
        """Else every request would read the log."""
        session = begin(storage)
        _noticed(storage)
        before = _noticed(storage)
        rotate(storage, session, 0, T0)
        storage.sessions.find(session.sid)
        assert _noticed(storage) == before

    def test_an_entry_says_what_a_worker_needs(self, storage: Storage) -> None:
        """One of a session, one of a user."""
        session, kept = begin(storage), begin(storage, "8", "admin")
        begin(storage, "8", "admin")
        storage.sessions.end(session.sid, "kick", at=T0)
        storage.sessions.end_user("admin", "8", "logout", at=T0, except_sid=kept.sid)
        assert self.reopen(storage).revocations.after(0, at=T0).entries == (
            Revocation(_FORGET, "kick", session.sid),
            Revocation(_FORGET, "logout", b"", "admin", "8", 1, kept.sid),
        )

    def test_entries_are_read_on_from_a_cursor(self, storage: Storage) -> None:
        """Each once, in the order of the endings."""
        sessions, read, cursor = [begin(storage) for _ in range(6)], [], 0
        for session in sessions:
            storage.sessions.end(session.sid, "logout", at=T0)
            if session is not sessions[3]:
                page = storage.revocations.after(cursor, at=T0)
                read += [entry.sid for entry in page.entries]
                cursor = page.cursor
        assert read == [session.sid for session in sessions]
        page = storage.revocations.after(cursor, at=T0)
        assert (page.entries, page.cursor) == ((), cursor)

    def test_S01_a_page_tells_for_how_long_its_first_entry_has_been_there(self, storage: Storage) -> None:
        """By the storage's own clock; nothing where all of it is read, or nothing is new."""
        log, other = storage.revocations, self.reopen(storage).revocations
        storage.sessions.end(begin(storage).sid, "logout", at=T0)
        cursor = other.after(0, at=T0).cursor
        storage.sessions.end(begin(storage).sid, "logout", at=T0)
        while other.after(cursor, at=T0).delay < 10:
            pass
        storage.sessions.end(begin(storage).sid, "logout", at=T0)
        page = log.after(cursor, at=T0)
        assert (len(page.entries), page.delay >= 10) == (2, True)
        assert log.after(0, at=T0).delay == log.after(page.cursor, at=T0).delay == 0

    def test_an_entry_outlives_the_last_token_that_it_contradicts(self, storage: Storage) -> None:
        """By the session's own access lifetime, never past its end by more than the margin."""
        long = begin(storage, access_lifetime=3600)
        short = begin(storage, until=T0 + 60, idle_until=T0 + 60)
        for session in (long, short):
            storage.sessions.end(session.sid, "logout", at=T0 + 1)
        forget = [entry.forget_at for entry in storage.revocations.after(0, at=T0).entries]
        assert forget == [T0 + 1 + 3600 + RETENTION_MARGIN, T0 + 60 + RETENTION_MARGIN]

    def test_F07_an_entry_outlives_tokens_from_before_a_clock_stepped_back(self, storage: Storage) -> None:
        """They were issued later than the ending, as the clock now says."""
        session, other = begin(storage), begin(storage, "8")
        rotate(storage, session, 0, T0 + 1000)
        storage.sessions.end(session.sid, "logout", at=T0 - 86_400)
        storage.sessions.end_user("", "8", "kick", at=T0 - 86_400)
        forget = [entry.forget_at for entry in storage.revocations.after(0, at=T0).entries]
        assert forget == [T0 + 1000 + ACCESS + RETENTION_MARGIN, _FORGET]
        assert not other.ended_at

    def test_a_log_begins_when_it_is_first_read(self, storage: Storage) -> None:
        """Once; its name stays, for every handle."""
        page = storage.revocations.after(0, at=T0 + 5)
        assert (page.entries, page.cursor, page.created_at) == ((), 0, T0 + 5)
        again = self.reopen(storage).revocations.after(0, at=T0 + 9)
        assert (again.log_id, again.created_at) == (page.log_id, T0 + 5)

    def test_the_end_of_the_log_is_found_without_its_entries(self, storage: Storage) -> None:
        """Alike for every handle, without a cursor; a log that was never read begins by it."""
        created = storage.revocations.head(at=T0 + 5)
        assert (created.entries, created.cursor, created.created_at, created.number) == ((), 0, T0 + 5, 0)
        storage.sessions.end(begin(storage).sid, "logout", at=T0)
        end = self.reopen(storage).revocations.head(at=T0 + 9)
        assert (end.entries, end.cursor, end.created_at, end.log_id) == ((), 0, T0 + 5, created.log_id)
        assert end.number == storage.revocations.head(at=T0).number > 0

    def test_S04_a_login_is_refused_if_all_sessions_of_its_user_have_ended_since(self, storage: Storage) -> None:
        """Of this user of this realm, for every handle; the end of one session is no such thing."""
        log, other = storage.revocations, self.reopen(storage)
        before = log.head(at=T0).checkpoint
        storage.sessions.end(begin(storage).sid, "logout", at=T0)
        assert _can_begin(other, "7", "", before)
        storage.sessions.end_user("", "7", "password_change", at=T0)
        storage.sessions.suspend("admin", "8", until=T0, at=T0)
        said = [_can_begin(other, user, realm, before) for realm in ("", "admin") for user in ("7", "8", "9")]
        assert said == [False, True, True, True, False, True]
        assert _can_begin(other, "7", "", log.head(at=T0).checkpoint)
        assert log.head(at=T0).number > before.number

    def test_S04_a_login_that_was_overtaken_changes_nothing(self, storage: Storage) -> None:
        """It begins no session, and ends none to make room."""
        before, session, newcomer = storage.revocations.head(at=T0).checkpoint, begin(storage), new_session()
        storage.sessions.end_user("", "7", "logout", at=T0, except_sid=session.sid)
        one = Limits(1, 0, "evict")
        error_of(CredentialsError, storage.sessions.add, newcomer, limits=one, at=T0, checkpoint=before)
        assert storage.sessions.find(newcomer.sid) is None
        assert [each.sid for each in storage.sessions.list("", "7", at=T0)] == [session.sid]

    def test_F04_a_login_is_refused_if_the_log_is_another_one_by_now(self, storage: Storage) -> None:
        """It cannot tell what was ended since."""
        before = storage.revocations.head(at=T0).checkpoint
        storage.revocations.restart(at=T0, valid_from=0)
        assert not _can_begin(storage, "7", "", before)
        assert _can_begin(storage, "7", "", storage.revocations.head(at=T0).checkpoint)

    def test_many_entries_are_read_one_after_another(self, storage: Storage) -> None:
        """In as many pages as the storage likes; none is left out, none comes twice."""
        wanted = [Revocation(_FORGET + number, "kick", number.to_bytes(16, "big")) for number in range(7000)]
        for begin_at in range(0, len(wanted), 1000):
            storage.revocations.append(wanted[begin_at : begin_at + 1000], at=T0)
        read: list[Revocation] = []
        page = storage.revocations.after(0, at=T0)
        while not page.is_whole:
            read += page.entries
            page = storage.revocations.after(page.cursor, at=T0)
        assert [*read, *page.entries] == wanted
        assert storage.revocations.after(page.cursor, at=T0).entries == ()

    def test_purge_drops_what_may_be_forgotten(self, storage: Storage) -> None:
        """Not before its time, and no cursor passes over what comes later."""
        sessions = [begin(storage) for _ in range(3)]
        for number, session in enumerate(sessions):
            storage.sessions.end(session.sid, "logout", at=T0 + number)
        assert storage.revocations.drop_expired(at=_FORGET - 1, most=9, is_sure=True) == 0
        page = storage.revocations.after(0, at=T0)
        assert len(page.entries) == 3
        assert storage.revocations.drop_expired(at=_FORGET, most=9, is_sure=True) == 1
        assert [entry.sid for entry in storage.revocations.after(0, at=T0).entries] == [
            sessions[1].sid,
            sessions[2].sid,
        ]
        dropped = [storage.revocations.drop_expired(at=_FORGET + IDLE, most=1, is_sure=True) for _ in range(3)]
        assert dropped == [1, 1, 0]
        late = begin(storage, at=T0 + IDLE)
        storage.sessions.end(late.sid, "logout", at=T0 + IDLE)
        assert [entry.sid for entry in storage.revocations.after(page.cursor, at=T0).entries] == [late.sid]
        assert storage.revocations.after(page.cursor, at=T0).cursor > page.cursor

    def test_a_storage_says_its_bound_and_can_be_checked(self, storage: Storage) -> None:
        """Whole seconds; closing it lets go of connections, not of records."""
        session = begin(storage)
        assert type(storage.revocations.bound) is int
        assert storage.revocations.bound >= 0
        storage.check()
        storage.close()
        storage.close()
        assert storage.sessions.find(session.sid) is not None
        _noticed(storage)

    def test_a_log_either_tells_cheaply_that_it_has_changed_or_can_be_waited_for(self, storage: Storage) -> None:
        """One of the two; a bound of 0 needs the first."""
        log = storage.revocations
        assert isinstance(log, ChangingLog) != isinstance(log, WaitingLog)
        assert isinstance(log, ChangingLog) == (log.bound == 0)
