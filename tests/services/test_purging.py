"""Removal of what no token can need any more."""

from __future__ import annotations

import pytest

from flask_tessera.errors import ClockJumpError
from flask_tessera.services.purging import purge
from flask_tessera.sessions.revocations import RETENTION_MARGIN
from tests.services.bench import DAY, Bench


def test_S11_dead_sessions_go_in_batches_with_a_rest_between_them(bench):
    for number in range(25):
        bench.log_in(str(number))
    bench.clock.advance(30 * DAY)
    live = bench.log_in("live")
    rests = []
    assert purge(bench.storage, at=bench.clock(), batch=10, rest=lambda: rests.append(1)) == 25
    assert len(rests) == 3
    assert bench.service.list("live") == [live.session]


def test_S11_forgettable_endings_go_too(bench):
    bench.service.end(bench.log_in().session.sid, "logout")
    bench.clock.advance(900 + RETENTION_MARGIN + DAY)
    bench.log_in()
    purge(bench.storage, at=bench.clock(), batch=10)
    assert bench.storage.revocations.after(0, at=bench.clock()).entries == ()


@pytest.mark.parametrize("step", [3600, DAY])
def test_F07_S01_a_purge_by_a_clock_that_has_jumped_a_little_revives_nothing(bench, step):
    bench.storage.revocations.after(0, at=bench.clock() - DAY)
    ended, kicked = bench.log_in(), bench.log_in("8")
    bench.service.end(ended.session.sid, "logout")
    bench.service.end_user("8", "kick")
    purge(bench.storage, at=bench.clock() + step, batch=10)
    late = Bench(bench.storage, clock=bench.clock)
    late.view.catch_up(bench.clock())
    assert [late.use(each) for each in (ended, kicked)] == ["logout", "kick"]


def test_S11_who_is_sure_of_the_clock_has_forgettable_endings_go_at_once(bench):
    bench.service.end(bench.log_in().session.sid, "logout")
    at = bench.clock.advance(900 + RETENTION_MARGIN)
    purge(bench.storage, at=at, batch=10, force=True)
    assert bench.storage.revocations.after(0, at=at).entries == ()


@pytest.mark.parametrize("step", [DAY + 1, -DAY - 1, 10 * 365 * DAY])
def test_F07_a_clock_that_has_jumped_purges_nothing_unless_told_to(bench, step):
    bench.log_in()
    at = bench.clock.advance(step)
    with pytest.raises(ClockJumpError, match="--force"):
        purge(bench.storage, at=at, batch=10)
    assert bench.storage.sessions.newest()
    assert purge(bench.storage, at=at, batch=10, force=True) == (1 if step > 30 * DAY else 0)


def test_F07_a_clock_by_which_somebody_has_logged_in_is_not_believed_for_that(bench):
    ended = bench.log_in()
    bench.service.end(ended.session.sid, "logout")
    at = bench.clock.advance(10 * 365 * DAY)
    bench.log_in("8")
    with pytest.raises(ClockJumpError, match="before the last day"):
        purge(bench.storage, at=at, batch=10)
    assert bench.storage.sessions.find(ended.session.sid)
    assert len(bench.storage.revocations.after(0, at=at - 10 * 365 * DAY).entries) == 1


def test_an_empty_storage_can_be_purged(bench):
    assert purge(bench.storage, at=bench.clock(), batch=10) == 0
