"""The contract: a user who proves again who he is, and what a session is from then on."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from ..races import race
from .base import IDLE, LEEWAY, T0, Cases, authenticate_again, begin, rotate, stored

if TYPE_CHECKING:
    from ...sessions.model import Session
    from ...storage.engine import Storage

_RACERS: Final = 8


class SteppingUpCases(Cases):
    """`Sessions.authenticate_again`."""

    def test_an_unknown_session_can_not_step_up(self, storage: Storage) -> None:
        """None, and nothing is made."""
        step_up = partial(storage.sessions.authenticate_again, b"\1" * 16, 0, ("otp",))
        assert step_up(at=T0, leeway=LEEWAY, idle=IDLE) is None
        assert storage.sessions.find(b"\1" * 16) is None

    def test_S05_S12_a_proof_is_kept_and_rotates_the_session(self, storage: Storage) -> None:
        """When and how, beside what was there; the next generation, as by a refresh of the present one."""
        session = begin(storage, amr="pwd", scope="orders")
        result = authenticate_again(storage, session, 0, T0 + 500, amr=("otp", "mfa"))
        new = result.session
        assert (result.outcome, result.reason) == ("rotated", "")
        assert (new.auth_at, new.amr, new.scope, new.created_at) == (T0 + 500, "pwd otp mfa", "orders", T0)
        assert (new.gen, new.predecessor, new.rotated_at, new.confirmed) == (1, 0, T0 + 500, False)
        assert (new.idle_until, new.last_seen_at) == (T0 + 500 + IDLE, T0 + 500)
        assert stored(self.reopen(storage), session) == new
        assert [each.amr for each in storage.sessions.list("", "7", at=T0 + 500)] == ["pwd otp mfa"]

    def test_what_was_proved_stays_when_the_session_is_refreshed(self, storage: Storage) -> None:
        """And when it is seen, confirmed and ended."""
        session = begin(storage)
        authenticate_again(storage, session, 0, T0 + 500)
        assert rotate(storage, session, 1, T0 + 900).session.auth_at == T0 + 500
        storage.sessions.confirm([(session.sid, 2)], at=T0 + 901)
        storage.sessions.touch([(session.sid, T0 + 902)], at=T0 + 902)
        storage.sessions.end(session.sid, "logout", at=T0 + 903)
        kept = stored(storage, session)
        assert (kept.auth_at, kept.amr, kept.end_reason) == (T0 + 500, "otp", "logout")

    def test_words_are_kept_once_and_no_more_than_a_token_holds(self, storage: Storage) -> None:
        """The oldest go; what was proved just now stays."""
        session = begin(storage, amr="pwd otp", scope="s" * 1500)
        for amr in (("otp",), ("hwk", "pwd")):
            authenticate_again(storage, session, stored(storage, session).gen, T0 + 1, amr=amr)
        assert stored(storage, session).amr == "pwd otp hwk"
        many = tuple(f"{number:09}" for number in range(60))
        authenticate_again(storage, session, stored(storage, session).gen, T0 + 2, amr=many)
        kept = stored(storage, session).amr
        assert kept.split() == list(many[-len(kept.split()) :])
        assert 2038 < len(session.scope + kept) <= 2048

    def test_R04_the_token_before_a_proof_is_good_for_a_lost_reply(self, storage: Storage) -> None:
        """Within the leeway it buys the same, and later a new one, as long as nobody was seen to hold that."""
        session = begin(storage)
        authenticate_again(storage, session, 0, T0)
        assert rotate(storage, session, 0, T0 + LEEWAY).outcome == "same"
        assert rotate(storage, session, 0, T0 + LEEWAY + 1).outcome == "replaced"
        assert stored(storage, session).amr == "otp"

    def test_R05_the_token_before_a_proof_is_a_reuse_once_its_successor_is_held(self, storage: Storage) -> None:
        """So that whoever has stolen it before does not get what was proved."""
        session = begin(storage)
        authenticate_again(storage, session, 0, T0)
        storage.sessions.confirm([(session.sid, 1)], at=T0 + 1)
        assert rotate(storage, session, 0, T0 + LEEWAY + 1).outcome == "reuse"

    def test_whoever_is_behind_gets_what_nobody_was_seen_to_hold(self, storage: Storage) -> None:
        """By an access token of an older generation, which is no reuse; the leeway begins anew."""
        session = begin(storage)
        for gen in (0, 1):
            rotate(storage, session, gen, T0)
        for used, at in ((1, T0 + 1), (0, T0 + 2), (1, T0 + 100)):
            result = authenticate_again(storage, session, used, at)
            assert (result.outcome, result.session.gen, result.session.predecessor) == ("same", 2, 1)
            assert stored(storage, session) == result.session
            assert result.session.auth_at == at
        assert rotate(storage, session, 1, T0 + 100 + LEEWAY).outcome == "same"
        storage.sessions.confirm([(session.sid, 2)], at=T0 + 200)
        result = authenticate_again(storage, session, 0, T0 + 200)
        assert (result.outcome, result.session.gen, result.session.predecessor) == ("rotated", 3, 2)

    def test_R05_a_superseded_generation_proves_nothing(self, storage: Storage) -> None:
        """Nobody should hold it: the session ends."""
        session = begin(storage)
        rotate(storage, session, 0, T0)
        rotate(storage, session, 0, T0 + 100)
        result = authenticate_again(storage, session, 1, T0 + 101)
        assert (result.outcome, result.reason) == ("reuse", "reuse")
        assert (stored(storage, session).end_reason, stored(storage, session).auth_at) == ("reuse", T0)

    def test_R06_a_generation_ahead_is_adopted_with_its_proof(self, storage: Storage) -> None:
        """The storage has forgotten it."""
        session = begin(storage)
        result = authenticate_again(storage, session, 4, T0 + 9)
        assert (result.outcome, result.session.gen, result.session.predecessor) == ("adopted", 5, 4)
        assert (result.session.auth_at, result.session.amr) == (T0 + 9, "otp")

    def test_R09_a_session_that_is_over_stays_over(self, storage: Storage) -> None:
        """Ended, idle, past its limit, or its user's sessions ended or suspended: nothing is written."""
        ended, idle, over, kicked, suspended = (
            begin(storage),
            begin(storage, idle_until=T0 + 50),
            begin(storage, until=T0 + 50),
            begin(storage, "8"),
            begin(storage, "9"),
        )
        storage.sessions.end(ended.sid, "logout", at=T0)
        storage.sessions.end_user("", "8", "password_change", at=T0)
        storage.sessions.suspend("", "9", until=T0 + 100, at=T0)
        expected = (
            (ended, "logout"),
            (idle, "expiry"),
            (over, "expiry"),
            (kicked, "password_change"),
            (suspended, "suspension"),
        )
        for session, reason in expected:
            before = stored(storage, session)
            result = authenticate_again(storage, session, 0, T0 + 50)
            assert (result.outcome, result.reason) == ("refused", reason)
            assert stored(storage, session) == before

    def test_nothing_from_before_a_restore_or_for_another_issuer_steps_up(self, storage: Storage) -> None:
        """As it could not be refreshed."""
        session = begin(storage, issued_for='["a", ""]')
        step_up = partial(storage.sessions.authenticate_again, at=T0 + 9, leeway=LEEWAY, idle=IDLE)
        restored = step_up(session.sid, 0, ("otp",), valid_from=T0 + 1)
        foreign = step_up(session.sid, 0, ("otp",), issued_for='["b", ""]')
        assert restored is not None
        assert foreign is not None
        assert (restored.reason, foreign.reason) == ("expiry", "other_issuer")
        assert stored(storage, session) == session

    def test_X7_a_proof_that_races_with_refreshes_logs_nobody_out(self, storage: Storage) -> None:
        """Whoever comes first: one successor, which all are given."""
        handles = [storage, self.reopen(storage)]
        session = begin(storage)

        def step(gen: int, number: int) -> int:
            handle = handles[number % 2]
            if number % 4 == 0:
                return authenticate_again(handle, session, gen, T0).session.gen
            return rotate(handle, session, gen, T0).session.gen

        for gen in range(5):
            assert set(race(_RACERS, partial(step, gen))) == {gen + 1}
            now = stored(storage, session)
            assert (now.gen, now.predecessor, now.amr, now.ended_at) == (gen + 1, gen, "otp", 0)

    def test_S01_a_session_that_ends_during_a_proof_is_over(self, storage: Storage) -> None:
        """Whoever comes first: no live session is left, and the log names it."""
        other = self.reopen(storage)

        def step(session: Session, number: int) -> str:
            if number:
                return authenticate_again(other, session, 0, T0 + 1).outcome
            storage.sessions.end(session.sid, "logout", at=T0)
            return "ended"

        for _ in range(10):
            session = begin(storage)
            _, outcome = race(2, partial(step, session))
            assert outcome in ("rotated", "refused")
            assert stored(storage, session).end_reason == "logout"
            assert authenticate_again(other, session, 1, T0 + 2).reason == "logout"
            assert session.sid in [entry.sid for entry in storage.revocations.after(0, at=T0).entries]

    def test_S04_no_session_survives_the_end_of_all_by_a_proof(self, storage: Storage) -> None:
        """One that races with a password change bears nothing that lives."""
        sessions = [begin(storage) for _ in range(4)]

        def step(number: int) -> object:
            if number == 4:
                return storage.sessions.end_user("", "7", "password_change", at=T0)
            return authenticate_again(storage, sessions[number], 0, T0)

        race(5, step)
        assert storage.sessions.list("", "7", at=T0) == []
        assert {rotate(storage, each, 1, T0).reason for each in sessions} == {"password_change"}
