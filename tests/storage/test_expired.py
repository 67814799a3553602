"""The walk over all sessions of an SQL storage, in search of dead ones."""

from __future__ import annotations

import pytest

from flask_tessera.storage.sql.expired import ExpiredSessionScan, ScanBatch

SIDS = [bytes([number]) for number in range(1, 21)]


class Table:
    """Twenty sessions, looked at three at a time."""

    def __init__(self, dead):
        self.dead = [bytes([number]) for number in dead]
        self.looks = []

    def look(self, after):
        self.looks.append(after)
        few = [sid for sid in SIDS if sid > after][:3]
        return ScanBatch([sid for sid in few if sid in self.dead], few[-1] if few else None)


def numbers(sids):
    return [sid[0] for sid in sids]


@pytest.mark.parametrize(
    ("dead", "most", "found"),
    [
        pytest.param([], 4, [[], []], id="none"),
        pytest.param([1, 2, 3, 4, 5], 2, [[1, 2], [3, 4], [5], [1, 2]], id="together"),
        pytest.param([1, 20], 2, [[1, 20], [], [1, 20]], id="the-first-and-the-last"),
        pytest.param(range(1, 21), 7, [[*range(1, 8)], [*range(8, 15)], [*range(15, 21)], [*range(1, 8)]], id="all"),
        pytest.param(range(2, 21, 2), 100, [[*range(2, 21, 2)], [*range(2, 21, 2)]], id="fewer-than-asked-for"),
    ],
)
def test_S11_each_dead_session_is_found_once_in_a_walk_and_the_next_one_begins_anew(dead, most, found):
    table, walk = Table(dead), ExpiredSessionScan()
    assert [numbers(walk.following(table.look, most)) for _ in found] == found


def test_P8_a_walk_goes_on_where_it_stopped():
    """Else what lives in front would be looked at in each call."""
    table, walk = Table([10, 11, 12]), ExpiredSessionScan()
    walk.following(table.look, 1)
    table.looks.clear()
    assert numbers(walk.following(table.look, 1)) == [11]
    assert numbers(walk.following(table.look, 1)) == [12]
    assert table.looks == [bytes([10]), bytes([11])]


def test_a_look_that_failed_is_taken_again():
    table, walk = Table([10, 20]), ExpiredSessionScan()
    walk.following(table.look, 1)

    def fail(_after):
        raise OSError

    with pytest.raises(OSError):
        walk.following(fail, 1)
    assert numbers(walk.following(table.look, 1)) == [20]
