"""Removal of what no token can need any more."""

from __future__ import annotations

import pytest

from flask_tessera.errors import ClockJumpError
from flask_tessera.services.purging import purge
from flask_tessera.sessions.record import RETENTION_MARGIN
from tests.services.bench import DAY


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
    bench.clock.advance(900 + RETENTION_MARGIN)
    bench.log_in()
    purge(bench.storage, at=bench.clock(), batch=10)
    assert bench.storage.revocations.after(0, at=bench.clock()).entries == ()


@pytest.mark.parametrize("step", [DAY + 1, -DAY - 1, 10 * 365 * DAY])
def test_F07_a_clock_that_has_jumped_purges_nothing_unless_told_to(bench, step):
    bench.log_in()
    at = bench.clock.advance(step)
    with pytest.raises(ClockJumpError, match="--force"):
        purge(bench.storage, at=at, batch=10)
    assert bench.storage.sessions.newest()
    assert purge(bench.storage, at=at, batch=10, force=True) == (1 if step > 30 * DAY else 0)


def test_an_empty_storage_can_be_purged(bench):
    assert purge(bench.storage, at=bench.clock(), batch=10) == 0
