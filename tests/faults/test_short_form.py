"""A short form of every part; `python -m tests.faults` runs the long one."""

from __future__ import annotations

import pytest

from tests.faults.crashing import Heard, Life, buy, crash
from tests.faults.ending_people import end_amid_refreshes
from tests.faults.logging_out import log_out
from tests.faults.marks import assert_clean, on
from tests.faults.racing import race_in, race_threads, refreshers
from tests.faults.tally import Tally


@pytest.fixture(scope="module")
def processes():
    """Processes that refresh at once, on any storage."""
    with refreshers() as processes:
        yield processes


@pytest.mark.repeats("name")
@on("sqlite", "postgres", "mariadb", "redis8", "redis8-cluster", long=("redis6", "valkey9", "valkey9-cluster"))
def test_X7_R03_many_threads_of_many_processes_get_one_successor(processes, name):
    tally = race_in(processes, name, 3)
    assert tally.notes == []
    assert tally.refreshes_raced == 3 * 64


def test_X7_R03_many_threads_get_one_successor_from_memory():
    tally = race_threads("memory", 20)
    assert tally.notes == []
    assert tally.refreshes_raced == 20 * 16


@pytest.mark.slow
def test_S01_logged_out_in_one_process_is_refused_in_every_other():
    assert_clean(log_out("sqlite", 12), faults=12)


@pytest.mark.slow
@on("sqlite", "redis8", long=("postgres", "mariadb"))
def test_S04_R09_a_refresh_amid_a_password_change_or_a_deletion_gives_nothing_that_is_good(name):
    tally = end_amid_refreshes(name, 20)
    assert tally.notes == []
    assert tally.refreshes_raced == 20 * 15


@pytest.mark.slow
@on("sqlite", "postgres", "redis8", long=("mariadb",))
def test_X1_F01_a_kill_under_load_loses_nothing_that_was_acknowledged(name):
    tally = crash(name, 1)
    assert_clean(tally, faults=1)
    assert tally.refreshes_raced > 0


def test_the_tally_counts_what_breaks():
    tally, life = Tally(), Life(1, "access", "tsr_a")
    buy(tally, life, "tsr_a", "tsr_b")
    buy(tally, life, "tsr_a", "tsr_b")
    assert tally.is_clean
    buy(tally, life, "tsr_a", "tsr_c")
    assert (tally.double_spends, tally.is_clean) == (1, False)
    late = Tally()
    late.recovered_in(6.0)
    late.answered_in(4.0, "a request")
    assert (late.is_clean, late.is_timely, len(late.late)) == (True, False, 2)


def test_the_reports_of_a_load_are_read_whole(tmp_path):
    file = tmp_path / "reports"
    file.write_bytes(
        b'[1, "login", "s", "a", "tsr_0"]\n[1, "refresh", "s", "tsr_0", "tsr_1"]\n[1, "ended", "s", 7]\n[1, "err'
    )
    tally = Tally()
    with file.open("rb") as reports:
        heard = Heard(tally, reports.fileno())
        heard.listen(3)
    assert heard.lives["s"].state == "ended"
    assert heard.lives["s"].refresh == "tsr_1"
    heard._take(b'or", "KeyError: x"]\n')
    assert tally.answers_outside_the_contract == 1
