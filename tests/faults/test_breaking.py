"""X4, X5, X6 in a short form: a storage is broken under an application, and the invariants hold."""

from __future__ import annotations

import pytest

from tests.faults.breaking import break_server, load_slowly, lock_database
from tests.faults.marks import assert_clean, on
from tests.length import shortly

POSTGRES_OUTAGES = ("killed", "refusing", "out of connections")
POSTGRES_HANGS = ("stopped", "locked", "deadlocked")
POSTGRES_LOSSES = ("cut at one write", "cut at each write", "read-only", "disconnected", "slow", "serializable")
REDIS_LOSSES = ("killed", "cut at one script", "cut at each script", "read-only", "out of memory", "without scripts")


@pytest.mark.slow
def test_X4_F02_another_process_locks_the_file_for_a_second():
    assert_clean(lock_database("sqlite", 1, lengths=(1,)), faults=1)


@pytest.mark.slow
@on("postgres")
@pytest.mark.parametrize(
    "titles", shortly([POSTGRES_OUTAGES, POSTGRES_LOSSES, POSTGRES_HANGS], 2), ids=["gone", "lossy", "mute"]
)
def test_X5_F02_F05_postgres_is_broken_under_an_application(name, titles):
    tally = break_server(name, 1, only=titles)
    assert_clean(tally, faults=len(titles))
    assert tally.unavailable > 0


@on(long=("mariadb",))
@pytest.mark.parametrize(
    "titles", shortly([POSTGRES_OUTAGES, POSTGRES_LOSSES, POSTGRES_HANGS], 2), ids=["gone", "lossy", "mute"]
)
def test_X5_F02_F05_mariadb_is_broken_under_an_application(name, titles):
    tally = break_server(name, 1, only=titles)
    assert_clean(tally, faults=len(titles))
    assert tally.unavailable > 0


@pytest.mark.slow
@on("redis8")
def test_X6_F02_redis_is_broken_in_every_way_under_an_application(name):
    assert_clean(break_server(name, 1), faults=12)


@on(long=("redis6", "valkey9"))
def test_X6_F02_older_redis_and_valkey_are_broken_too(name):
    assert_clean(break_server(name, 1, only=REDIS_LOSSES), faults=len(REDIS_LOSSES))


@pytest.mark.slow
@on("valkey9")
def test_X6_F02_redis_is_loading(name):
    assert_clean(load_slowly(name, 1), faults=1)
