"""X6, X9 in a short form: masters are lost, and Redis forgets."""

from __future__ import annotations

import pytest

from tests.faults.failing_over import fail_over_behind, fail_over_cluster
from tests.faults.forgetting import forget_all
from tests.faults.marks import assert_clean, on


@on("redis8", long=("redis6", "valkey9"))
def test_X9_F04_unknown_means_refused_and_nothing_revoked_revives(name):
    assert_clean(forget_all(name, 1), faults=3)


@pytest.mark.slow
@on("redis8", long=("valkey9",))
def test_X9_F04_a_fail_over_that_loses_the_last_moments_revives_nothing_and_logs_nobody_out(name):
    tally = fail_over_behind(name, 1)
    assert_clean(tally, faults=1)
    assert tally.unavailable == 2  # the two log-outs that no replica has confirmed


@pytest.mark.slow
@on("redis8-cluster")
def test_X6_F02_a_master_of_a_cluster_dies_and_its_replica_takes_its_place(name):
    assert_clean(fail_over_cluster(name, 1), faults=1)
