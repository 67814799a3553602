"""The contract: all records are read, and written elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from ...sessions.limits import Limits
from ...sessions.model import Principal
from ...sessions.revocations import Revocation
from ...storage.key_value import owned_key, owner_key
from ...storage.model import Counter, Page, Value
from .base import T0, Cases, begin, new_session, rotate, stored

if TYPE_CHECKING:
    from ...sessions.model import Session
    from ...storage.engine import Storage


def read_all(storage: Storage, most: int) -> tuple[dict[bytes, Session], set[Principal], set[Value]]:
    """All sessions, principals and values, read in pages."""
    sessions: dict[bytes, Session] = {}
    principals: set[Principal] = set()
    values: set[Value] = set()
    cursor = ""
    while True:
        page = storage.records.read(cursor, most=most)
        sessions |= {each.sid: each for each in page.sessions}
        principals |= set(page.principals)
        values |= set(page.values)
        cursor = page.cursor
        if not cursor:
            return sessions, principals, values


class MovingCases(Cases):
    """`Records`."""

    def test_all_records_are_read_in_pages(self, storage: Storage) -> None:
        """Ended ones and users without sessions included, of whatever page size."""
        sessions = [begin(storage, str(number % 4), "admin" if number % 2 else "") for number in range(25)]
        storage.sessions.end(sessions[3].sid, "logout", at=T0)
        storage.sessions.end_user("", "0", "kick", at=T0)
        storage.sessions.suspend("", "nobody", until=T0 + 9, at=T0)
        for most in (1, 7, 100):
            found, principals, _ = read_all(self.reopen(storage), most)
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
        assert storage.sessions.principal("", "7").epoch == 3

    def test_what_is_there_is_never_turned_back(self, storage: Storage) -> None:
        """Of a session the ended or later one stays, of a principal the stricter."""
        first, second = begin(storage), begin(storage)
        rotate(storage, first, 0, T0)
        ahead = stored(storage, first)
        storage.sessions.end(second.sid, "logout", at=T0)
        storage.sessions.suspend("", "8", until=T0 + 50, at=T0)
        storage.records.write(Page((first, replace(second, gen=9)), (Principal("", "8"),)), at=T0)
        assert stored(storage, first) == ahead
        assert stored(storage, second).end_reason == "logout"
        assert storage.sessions.principal("", "8") == Principal("", "8", 1, T0 + 50)
        over = replace(ahead, ended_at=T0 + 1, end_reason="kick")
        storage.records.write(Page((over,), (Principal("", "8", 4, T0),)), at=T0)
        assert stored(storage, first) == over
        assert storage.sessions.principal("", "8") == Principal("", "8", 4, T0 + 50)

    def test_written_sessions_live_though_the_storage_was_restored_after_they_began(self, storage: Storage) -> None:
        """They were live where they came from."""
        storage.revocations.restart(at=T0, valid_from=T0)
        before, after = new_session(at=T0 - 9), new_session(at=T0 + 9)
        storage.records.write(Page((before, after)), at=T0)
        assert stored(storage, before) == replace(before, created_at=T0)
        assert stored(storage, after) == after

    def test_S01_entries_of_the_log_are_appended_as_they_are(self, storage: Storage) -> None:
        """Workers of the new storage hear of them, whether its log was read before or not."""
        other = self.reopen(storage)
        cursor, head = other.revocations.after(0, at=T0).cursor, other.revocations.head(at=T0).checkpoint
        entries = (
            Revocation(T0 + 900, "kick", b"0123456789abcdef"),
            Revocation(T0 + 900, "logout", b"", "admin", "8", 3, b"\xff" * 16),
        )
        storage.revocations.append(entries, at=T0)
        storage.revocations.append((), at=T0)
        assert other.revocations.head(at=T0).checkpoint != head
        assert other.revocations.after(cursor, at=T0).entries == entries

    def test_a_session_whose_id_names_no_user_lives(self, storage: Storage) -> None:
        """As those of release 0.1 do: it is found, renewed, listed, counted, carried over and ended."""
        sids = [sid[:6] + b"ta" + sid[8:] for sid in (new_session().sid for _ in range(4))]
        first, second, third, fourth = (begin(storage, sid=sid) for sid in sids)
        other = self.reopen(storage)
        assert rotate(other, first, 0, T0 + 1).outcome == "rotated"
        assert [each.sid for each in other.sessions.list("", "7", at=T0)] == sids
        storage.sessions.end(fourth.sid, "logout", at=T0)
        added = other.sessions.add(new_session(at=T0 + 2), limits=Limits(3, 0, "evict"), at=T0 + 2)
        assert [each.sid for each in added.ended] == [second.sid]
        ended = storage.sessions.end_user("", "7", "kick", at=T0 + 2, except_sid=third.sid)
        assert sorted(each.sid for each in ended) == sorted((first.sid, added.session.sid))
        assert [each.sid for each in other.sessions.list("", "7", at=T0)] == [third.sid]
        assert (rotate(other, first, 1, T0 + 2).reason, rotate(other, third, 0, T0 + 2).outcome) == ("kick", "rotated")
        assert storage.sessions.confirm([(third.sid, 1), (second.sid, 0)], at=T0 + 2) == []
        assert stored(other, third).confirmed

    def test_values_are_written_as_they_are(self, storage: Storage) -> None:
        """Counters too; one that is there stays."""
        values = storage.values
        values.put("code", b"aa1", b"here", expires_at=T0 + 9, at=T0)
        moved = (
            Value("code", b"aa1", b"there", 5, T0 + 9),
            Value("code", owned_key("", "7", b"x"), b"\0\xff", 6, T0 + 9, owner_key("", "7")),
            Value("counter", b"aa3", b"", 7, T0 + 9),
        )
        storage.records.write(Page(values=moved), at=T0)
        found = values.get("code", b"aa1", at=T0)
        assert found is not None
        assert found.value == b"here"
        assert values.list("code", ("", "7"), at=T0) == [moved[1]]
        assert values.increment("counter", b"aa3", window=60, at=T0) == Counter(8, T0 + 9)
        assert {(each.kind, each.key) for each in read_all(storage, 2)[2]} == {(each.kind, each.key) for each in moved}
