"""S01 over HTTP, with several processes behind one address: what one worker has ended, all refuse."""

from __future__ import annotations

import pytest

from tests.faults.fleet import log_out_of_fleet
from tests.faults.marks import assert_clean, on

ROUNDS = 10


@pytest.mark.slow
@on("postgres", "redis8-cluster", long=("redis8",))
def test_S01_what_one_of_4_workers_has_ended_all_refuse_within_the_declared_bound(name):
    # Half of the rounds ask a route that is strict first, whose very next request must be refused.
    # Forked before and after the application is made.
    tally = log_out_of_fleet(name, ROUNDS, preload=name != "postgres")
    assert_clean(tally, faults=ROUNDS)
    assert tally.worst_delay <= 2


@pytest.mark.slow
@on("postgres", long=("redis8",))
def test_S01_in_strict_mode_the_very_next_request_is_refused_by_any_worker(name):
    tally = log_out_of_fleet(name, ROUNDS, preload=True, workers=2, TESSERA_REVOCATION="strict")
    assert_clean(tally, faults=ROUNDS)
    assert tally.worst_delay == 0


@pytest.mark.slow
@on("redis8-cluster")
def test_S01_workers_with_threads_refuse_too(name):
    assert_clean(log_out_of_fleet(name, ROUNDS, kind="gthread", preload=True, workers=2), faults=ROUNDS)


@pytest.mark.slow
@on("postgres", long=("redis8",))
def test_X12_S01_gevent_workers_hear_of_endings_too(name):
    assert_clean(log_out_of_fleet(name, 4, kind="gevent", workers=2), faults=4)


@pytest.mark.slow
@on("sqlite")
def test_X12_S01_gevent_workers_that_were_forked_from_an_application_in_use_refuse_too(name):
    assert_clean(log_out_of_fleet(name, 4, kind="gevent", preload=True, workers=2), faults=4)


@on(long=("postgres",))
def test_X12_S01_gevent_workers_that_were_forked_amid_a_request_to_postgres_refuse_too(name):
    assert_clean(log_out_of_fleet(name, 4, kind="gevent", preload=True, workers=2), faults=4)


@pytest.mark.slow
@on("redis8")
def test_X12_gevent_workers_that_were_forked_amid_a_request_to_redis_share_no_connection(name):
    tally = log_out_of_fleet(name, 6, kind="gevent", preload=True, workers=2)
    assert_clean(tally, faults=6)
