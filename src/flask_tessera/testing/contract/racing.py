"""The contract: threads that do the same in one moment."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from ...errors import AlreadyExistsError, LoginRefusedError
from ...sessions.limits import Limits
from ..races import race
from .base import NO_LIMITS, T0, Cases, begin, new_session, rotate, stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...sessions.model import Session
    from ...sessions.transitions import Rotation
    from ...storage.engine import Storage

_RACERS: Final = 8


def _refresh(handles: Sequence[Storage], session: Session, gen: int, number: int) -> Rotation:
    return rotate(handles[number % len(handles)], session, gen, T0)


def _end_or_refresh(storage: Storage, other: Storage, session: Session, number: int) -> str:
    if number:
        return rotate(other, session, 0, T0).outcome
    storage.sessions.end(session.sid, "logout", at=T0)
    return "ended"


class RacingCases(Cases):
    """Each method is one atomic step."""

    def test_X7_one_refresh_token_has_one_successor(self, storage: Storage) -> None:
        """The racers get the same one, of two handles."""
        handles = [storage, self.reopen(storage)]
        session = begin(storage)
        for gen in range(5):
            results = race(_RACERS, partial(_refresh, handles, session, gen))
            assert {result.session.gen for result in results} == {gen + 1}
            assert sorted(result.outcome for result in results) == ["rotated"] + ["same"] * (_RACERS - 1)

    def test_S06_a_limit_holds_under_parallel_logins(self, storage: Storage) -> None:
        """Exactly so many are left."""
        handles, limits = [storage, self.reopen(storage)], Limits(3, 0, "evict")
        race(_RACERS, lambda number: handles[number % 2].sessions.add(new_session(), limits=limits, at=T0))
        assert len(storage.sessions.list("", "7", at=T0)) == 3

    def test_a_sid_begins_only_once_in_a_race(self, storage: Storage) -> None:
        """One of them wrote it, the others are told."""
        session = new_session()

        def add(_: int) -> str:
            try:
                storage.sessions.add(session, limits=NO_LIMITS, at=T0)
            except AlreadyExistsError:
                return "there already"
            return "added"

        assert sorted(race(_RACERS, add)) == ["added"] + ["there already"] * (_RACERS - 1)

    def test_S01_a_session_that_ends_during_a_refresh_is_over(self, storage: Storage) -> None:
        """Whoever comes first: no live session is left, and the log names it."""
        other = self.reopen(storage)
        for _ in range(10):
            session = begin(storage)
            _, outcome = race(2, partial(_end_or_refresh, storage, other, session))
            assert outcome in ("rotated", "refused")
            assert stored(storage, session).end_reason == "logout"
            assert rotate(other, session, 1, T0).reason == "logout"
            assert session.sid in [entry.sid for entry in storage.revocations.after(0, at=T0).entries]

    def test_S04_no_session_survives_the_end_of_all(self, storage: Storage) -> None:
        """A refresh racing with it bears nothing that lives; a login racing with it is before or after."""
        sessions = [begin(storage) for _ in range(4)]

        def step(number: int) -> object:
            if number == 4:
                return storage.sessions.end_user("", "7", "password_change", at=T0)
            return rotate(storage, sessions[number], 0, T0)

        race(5, step)
        assert storage.sessions.list("", "7", at=T0) == []
        assert {rotate(storage, each, 1, T0).reason for each in sessions} == {"password_change"}

    def test_S04_a_login_that_races_with_the_end_of_all_is_before_or_after_it(self, storage: Storage) -> None:
        """Before: it has ended. After: it lives under the new epoch. Whatever was listed as ended is so."""
        handles = [storage, self.reopen(storage)]

        def step(number: int) -> list[Session]:
            if number == 0:
                return handles[1].sessions.end_user("", "7", "password_change", at=T0)
            return [handles[number % 2].sessions.add(new_session(), limits=NO_LIMITS, at=T0).session]

        for turn in range(1, 6):
            ended, *added = race(_RACERS, step)
            live = {each.sid for each in storage.sessions.list("", "7", at=T0)}
            for (session,) in added:
                assert (session.sid in live) == (session.epoch == turn)
                assert bool(stored(storage, session).ended_at) == (session.epoch < turn)
            assert not live & {each.sid for each in ended}

    def test_S03_a_login_that_races_with_a_suspension_is_refused_or_ended(self, storage: Storage) -> None:
        """Afterwards nothing of the user lives, nor can be refreshed."""
        handles = [storage, self.reopen(storage)]
        for user in ("a", "b", "c"):
            sessions = [new_session(user) for _ in range(_RACERS)]

            def step(number: int, user: str = user, sessions: Sequence[Session] = sessions) -> object:
                if number == 0:
                    return storage.sessions.suspend("", user, until=T0 + 100, at=T0)
                try:
                    return handles[number % 2].sessions.add(sessions[number], limits=NO_LIMITS, at=T0)
                except LoginRefusedError:
                    return None

            race(_RACERS, step)
            assert storage.sessions.list("", user, at=T0) == []
            for session in sessions[1:]:
                result = storage.sessions.rotate(session.sid, 0, at=T0, leeway=15, idle=900)
                assert result is None or result.reason == "suspension"

    def test_S06_a_device_type_limit_holds_under_parallel_logins(self, storage: Storage) -> None:
        """One phone and one desktop are left, and the replaced ones say so."""
        handles, limits = [storage, self.reopen(storage)], Limits(5, 1, "evict")
        sessions = [new_session(device_type="phone" if number % 2 else "desktop") for number in range(_RACERS)]
        race(_RACERS, lambda number: handles[number % 2].sessions.add(sessions[number], limits=limits, at=T0))
        live = storage.sessions.list("", "7", at=T0)
        assert sorted(each.device_type for each in live) == ["desktop", "phone"]
        over = [stored(storage, each) for each in sessions if each.sid not in {alive.sid for alive in live}]
        assert {each.end_reason for each in over} == {"replaced"}

    def test_F05_one_of_many_endings_ends_it(self, storage: Storage) -> None:
        """Once, with one entry in the log."""
        session = begin(storage)
        results = race(_RACERS, lambda _: storage.sessions.end(session.sid, "logout", at=T0))
        assert [result.by_this_call for result in results if result is not None].count(True) == 1
        assert len(storage.revocations.after(0, at=T0).entries) == 1
