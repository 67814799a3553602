"""X12 in a short form: what befalls the processes themselves."""

from __future__ import annotations

import pytest

from flask_tessera import current_user
from tests.faults.marks import assert_clean, on
from tests.faults.processes import cooperate, deafen, exhaust_descriptors, fork_after_use, servants, stop_worker


@pytest.fixture(scope="module")
def processes():
    """Processes to which something is done, on any storage."""
    with servants() as processes:
        yield processes


@pytest.mark.repeats("name")
@pytest.mark.unix("fork")
@on("sqlite", "postgres", long=("mariadb", "redis8", "redis8-cluster"))
def test_X12_a_process_forks_after_it_has_used_its_storage(processes, name):
    assert_clean(fork_after_use(name, 2, processes=processes), faults=2)


@pytest.mark.repeats("name")
@pytest.mark.unix("SIGSTOP")
@on("sqlite", "postgres", "redis8", long=("mariadb",))
def test_X12_a_worker_that_slept_refuses_with_its_very_next_request(processes, name):
    assert_clean(stop_worker(name, 1, processes=processes), faults=1)


@pytest.mark.unix("limits of resources")
@on("redis8", long=("sqlite", "postgres", "mariadb", "redis8-cluster"))
def test_X12_F02_without_file_descriptors_it_is_503_and_all_is_well_once_there_are_some(processes, name):
    tally = exhaust_descriptors(name, 1, processes=processes)
    assert_clean(tally, faults=1)
    assert tally.unavailable > 0


@pytest.mark.slow
@on("postgres", "redis8", long=("mariadb",))
def test_X12_F03_a_worker_that_cannot_hear_asks_the_storage_and_alone_it_refuses(name):
    assert_clean(deafen(name, 2), faults=3)


@pytest.mark.slow
@on("postgres", long=("mariadb", "redis8"))
def test_X12_one_gevent_worker_serves_a_crowd_on_a_slow_storage(name):
    assert_clean(cooperate(name, 1), faults=1)


def test_X12_whoever_asks_every_object_for_its_class_may_ask_current_user():
    assert not isinstance(current_user, int)
