"""The contract: texts as people, devices and attackers write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .base import T0, Cases, begin, rotate, stored

if TYPE_CHECKING:
    from ...storage.engine import Storage

ODD_TEXTS: Final = (
    "王小明",
    "Ωmega “quoted” 🦉 e\u0301 \u200f",
    'it\'s "quoted" `so`; DROP TABLE tessera_sessions; --',
    "100 %s %(name)s %% ? :name $1 {0} {{",
    "back\\slash \\n _wild% *",
    " blanks before and after ",
    "case",
    "CASE",
    "0",
    "00",
    "1e3",
    "null",
    "x" * 255,
)


class TextCases(Cases):
    """What is stored is what is found, and no text is mistaken for another."""

    def test_X13_users_of_odd_names_are_kept_apart(self, storage: Storage) -> None:
        """As realm and as user id."""
        owners = [(realm, user_id) for realm in ("", *ODD_TEXTS[:4]) for user_id in ODD_TEXTS]
        sessions = {owner: begin(storage, owner[1], owner[0]) for owner in owners}
        for (realm, user_id), session in sessions.items():
            assert storage.sessions.list(realm, user_id, at=T0) == [session]
        storage.sessions.end_user("", "case", "kick", at=T0)
        assert len(storage.sessions.list("", "CASE", at=T0)) == 1
        assert storage.sessions.principal("", "CASE").epoch == 0
        assert storage.sessions.list("", "case", at=T0) == []
        (entry,) = storage.revocations.after(0, at=T0).entries
        assert (entry.realm, entry.user_id) == ("", "case")

    def test_X13_odd_texts_come_back_as_they_were(self, storage: Storage) -> None:
        """In every field that a client or an application can fill, also after a refresh."""
        for text in ODD_TEXTS:
            device: dict[str, Any] = {
                "device_type": text,
                "device_id": text,
                "device_name": text,
                "ip": text,
                "user_agent": text,
            }
            session = begin(storage, **device, scope=text, user_stamp=text[:64], issued_for=text, claims=text)
            rotated = rotate(storage, session, 0, T0)
            assert rotated.outcome == "rotated"
            assert (rotated.session.device_name, rotated.session.user_agent) == (text, text)
            assert stored(self.reopen(storage), session) == rotated.session

    def test_X13_a_user_agent_may_be_very_long(self, storage: Storage) -> None:
        """The storage cuts nothing off."""
        session = begin(storage, user_agent="Mozilla/5.0 " * 5000)
        assert stored(storage, session) == session

    def test_X13_a_sid_is_bytes_of_any_kind(self, storage: Storage) -> None:
        """Also such as are no text."""
        for sid in (b"\0" * 16, b"\xff" * 16, b"'" * 16, bytes(range(16)), b"%s" * 8):
            session = begin(storage, "9", sid=sid)
            assert stored(storage, session).sid == sid
            assert storage.sessions.end(sid, "logout", at=T0) is not None

    def test_X13_an_end_reason_is_kept_as_it_is(self, storage: Storage) -> None:
        """It is the caller's business what it says."""
        session = begin(storage)
        storage.sessions.end(session.sid, "it's 100 % 结束", at=T0)
        assert stored(storage, session).end_reason == "it's 100 % 结束"
