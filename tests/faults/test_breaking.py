"""X4, X5, X6 in a short form: a storage is broken under an application, and the invariants hold."""

from __future__ import annotations

from tests.faults.breaking import lock_database


def test_X4_F02_another_process_locks_the_file_for_a_second():
    tally = lock_database("sqlite", 1, lengths=(1,))
    assert tally.notes == []
    assert tally.is_clean
