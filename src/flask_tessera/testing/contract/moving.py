"""The contract: all records are read, and written elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from ...sessions.record import Principal
from ...storage.contract import Page, Revocation
from .base import T0, Cases, begin, new_session, rotate, stored

if TYPE_CHECKING:
    from ...sessions.record import Session
    from ...storage.contract import Storage


def read_all(storage: Storage, most: int) -> tuple[dict[bytes, Session], set[Principal]]:
    """All sessions and principals, read in pages."""
    sessions: dict[bytes, Session] = {}
    principals: set[Principal] = set()
    cursor = ""
    while True:
        page = storage.records.read(cursor, most=most)
        sessions |= {each.sid: each for each in page.sessions}
        principals |= set(page.principals)
        cursor = page.cursor
        if not cursor:
            return sessions, principals


class MovingCases(Cases):
    """`Records` and `SessionStorage.tag`."""

    def test_all_records_are_read_in_pages(self, storage: Storage) -> None:
        """Ended ones and users without sessions included, of whatever page size."""
        sessions = [begin(storage, str(number % 4), "admin" if number % 2 else "") for number in range(25)]
        storage.sessions.end(sessions[3].sid, "logout", at=T0)
        storage.sessions.end_user("", "0", "kick", at=T0)
        storage.principals.suspend("", "nobody", until=T0 + 9, at=T0)
        for most in (1, 7, 100):
            found, principals = read_all(self.reopen(storage), most)
            assert found == {each.sid: stored(storage, each) for each in sessions}
            kept = {each for each in principals if each.epoch or each.suspended_until}
            assert kept == {Principal("", "0", 1, 0), Principal("", "nobody", 1, T0 + 9)}

    def test_records_are_written_as_they_are(self, storage: Storage) -> None:
        """Epochs are kept, so that tokens go on."""
        live = new_session(
            "7",
            epoch=3,
            gen=5,
            predecessor=4,
            confirmed=True,
            last_seen_at=T0 + 1,
            user_stamp="s",
            issued_for="[]",
            claims="{}",
        )
        over = replace(new_session("7"), ended_at=T0, end_reason="logout")
        storage.records.write(Page((live, over), (Principal("", "7", 3, 0),)), at=T0)
        assert stored(storage, live) == live
        assert stored(storage, over) == over
        assert [each.sid for each in storage.sessions.list("", "7", at=T0)] == [live.sid]
        assert rotate(storage, live, 5, T0 + 20).outcome == "rotated"
        assert storage.principals.find("", "7").epoch == 3

    def test_what_is_there_is_never_turned_back(self, storage: Storage) -> None:
        """Of a session the ended or later one stays, of a principal the stricter."""
        first, second = begin(storage), begin(storage)
        rotate(storage, first, 0, T0)
        ahead = stored(storage, first)
        storage.sessions.end(second.sid, "logout", at=T0)
        storage.principals.suspend("", "8", until=T0 + 50, at=T0)
        storage.records.write(Page((first, replace(second, gen=9)), (Principal("", "8"),)), at=T0)
        assert stored(storage, first) == ahead
        assert stored(storage, second).end_reason == "logout"
        assert storage.principals.find("", "8") == Principal("", "8", 1, T0 + 50)
        over = replace(ahead, ended_at=T0 + 1, end_reason="kick")
        storage.records.write(Page((over,), (Principal("", "8", 4, T0),)), at=T0)
        assert stored(storage, first) == over
        assert storage.principals.find("", "8") == Principal("", "8", 4, T0 + 50)

    def test_written_sessions_get_the_era_of_the_storage(self, storage: Storage) -> None:
        """They were live where they came from."""
        storage.revocations.restore(at=T0)
        session = new_session()
        storage.records.write(Page((session,)), at=T0)
        assert stored(storage, session) == replace(session, era=1)

    def test_S01_entries_of_the_log_are_appended_as_they_are(self, storage: Storage) -> None:
        """Workers of the new storage hear of them, whether its log was read before or not."""
        eye = self.reopen(storage)
        cursor, stamp = eye.revocations.after(0, at=T0).cursor, eye.revocations.stamp()
        entries = (
            Revocation(T0 + 900, "kick", b"0123456789abcdef"),
            Revocation(T0 + 900, "logout", b"", "admin", "8", 3, b"\xff" * 16),
        )
        storage.records.write(Page(revocations=entries), at=T0)
        assert eye.revocations.stamp() != stamp
        assert eye.revocations.after(cursor, at=T0).entries == entries

    def test_a_tag_is_of_two_bytes_and_stays(self, storage: Storage) -> None:
        """The same for a user, and not the same for all."""
        tags = [storage.sessions.tag("", str(number), seed=b"s" * 32) for number in range(50)]
        assert {len(tag) for tag in tags} == {2}
        assert len(set(tags)) > 40
        assert tags == [storage.sessions.tag("", str(number), seed=b"s" * 32) for number in range(50)]
        assert storage.sessions.tag("admin", "1", seed=b"s" * 32) != tags[1]
        sid = new_session().sid
        tagged = new_session(sid=sid[:6] + tags[7] + sid[8:])
        begun = begin(storage, sid=tagged.sid)
        assert rotate(self.reopen(storage), begun, 0, T0).outcome == "rotated"
