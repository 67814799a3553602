"""Moves from one storage to another: who is logged in stays so, who is not does not come back."""

from __future__ import annotations

import pytest

from flask_tessera.errors import SessionEndedError
from flask_tessera.services.moving import Moved, move
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing import Clock
from tests.services.bench import Bench


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def source(clock):
    return Bench(clock=clock)


@pytest.fixture
def target(clock):
    return Bench(open_storage("memory:"), clock=clock)


def use(worker, issued):
    """As a guard does, the storage asked where the log cannot know."""
    claims = worker.claims(issued)
    reason = worker.view.refusal(claims, at=worker.clock())
    if not reason and worker.view.must_ask(claims):
        try:
            worker.service.check_live(claims, at=worker.clock())
        except SessionEndedError as error:
            return error.reason
    return reason


def test_who_is_logged_in_stays_so_and_who_is_not_does_not_come_back(source, target):
    live, over, kicked = source.log_in(), source.log_in("8"), source.log_in("9")
    source.service.end(over.session.sid, "logout")
    source.service.end_user("9", "kick")
    source.service.suspend("10", until=source.clock() + 500)
    told = []
    moved = move(source.storage, target.storage, at=source.clock(), batch=2, tell=told.append)
    assert (moved.sessions, moved.endings) == (3, 3)
    assert told[-1] == moved
    assert [use(target, each) for each in (live, over, kicked)] == ["", "logout", "kick"]
    assert target.refresh(live.refresh_token).session.gen == 1
    assert target.storage.sessions.principal("", "10").suspended_until == source.clock() + 500


@pytest.mark.parametrize("loss", ["restored", "all"])
def test_F04_what_the_source_has_forgotten_is_not_believed_by_a_target_that_was_there_before(
    clock, source, target, loss
):
    # Somebody has looked at the target long ago, so its log is the older one.
    target.view.catch_up(clock())
    clock.advance(1000)
    stale = source.log_in()
    if loss == "all":
        source = Bench(open_storage("memory:"), clock=clock)
    else:
        clock.advance(1)
        source.storage.revocations.restart(at=clock(), valid_from=clock())
    late = source.log_in("8")
    source.view.catch_up(clock())
    move(source.storage, target.storage, at=clock(), batch=10)
    target.view.catch_up(clock())
    assert use(target, stale) == "expiry"
    assert use(target, late) == ""
    with pytest.raises(SessionEndedError):
        target.refresh(stale.refresh_token)


def test_a_second_move_turns_nothing_back(source, target):
    issued = source.log_in()
    assert move(source.storage, target.storage, at=source.clock(), batch=10) == Moved(1, 0, 0)
    ahead = target.refresh(issued.refresh_token)
    move(source.storage, target.storage, at=source.clock(), batch=10)
    assert target.refresh(ahead.refresh_token).session.gen == 2
