"""The limits on how many sessions a user may have."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_tessera.errors import SessionLimitError
from flask_tessera.sessions.limits import Limits, overflowing

if TYPE_CHECKING:
    from random import Random


class Live(NamedTuple):
    """A live session."""

    sid: bytes
    device_type: str
    last_seen_at: int
    created_at: int


TYPES = ("web", "ios", "")

live_sessions = st.lists(
    st.builds(
        Live,
        sid=st.binary(min_size=16, max_size=16),
        device_type=st.sampled_from(TYPES),
        last_seen_at=st.integers(0, 5),
        created_at=st.integers(0, 5),
    ),
    max_size=12,
    unique_by=lambda session: session.sid,
)
any_limits = st.builds(Limits, most=st.integers(0, 6), per_device_type=st.integers(0, 3), overflow=st.just("evict"))


def session(name: str, device_type: str = "web", last_seen_at: int = 0, created_at: int = 0) -> Live:
    """A live session whose sid is its name."""
    return Live(name.encode(), device_type, last_seen_at, created_at)


def evict(most: int = 0, per_device_type: int = 0) -> Limits:
    """Limits under which the newcomer always gets in."""
    return Limits(most, per_device_type, "evict")


def refuse(most: int = 0, per_device_type: int = 0) -> Limits:
    """Limits under which the newcomer may be refused."""
    return Limits(most, per_device_type, "refuse")


A, B, C = session("a", "web", 30), session("b", "ios", 10), session("c", "web", 20)


@pytest.mark.parametrize(
    ("live", "newcomer", "limits", "expected"),
    [
        pytest.param([A, B, C], "web", evict(), [], id="no limit, nobody goes"),
        pytest.param([], "web", evict(1, 1), [], id="the first session always fits"),
        pytest.param([A, B, C], "web", evict(most=4), [], id="exactly full is not too many"),
        pytest.param([A, B, C], "web", evict(most=3), [(b"b", "limit")], id="the least recently used goes"),
        pytest.param([A, B, C], "web", evict(most=1), [(b"b", "limit"), (b"c", "limit"), (b"a", "limit")], id="all go"),
        pytest.param([A, B], "web", evict(per_device_type=1), [(b"a", "replaced")], id="same type: replaced"),
        pytest.param([A, B], "tv", evict(per_device_type=1), [], id="another type stays"),
        pytest.param([A, B, C], "web", evict(per_device_type=2), [(b"c", "replaced")], id="oldest of its type"),
        pytest.param(
            [A, B, C], "web", evict(2, 1), [(b"c", "replaced"), (b"a", "replaced")], id="the type makes room for both"
        ),
        pytest.param([A, B, C], "ios", evict(2, 1), [(b"b", "replaced"), (b"c", "limit")], id="type first, then all"),
        pytest.param([session("x", "", 1)], "", evict(per_device_type=1), [(b"x", "replaced")], id="unnamed is a type"),
    ],
)
def test_the_sessions_that_make_room_are(
    live: list[Live], newcomer: str, limits: Limits, expected: list[tuple[bytes, str]]
) -> None:
    """The table of who goes and why."""
    assert overflowing(live, newcomer, limits) == expected


def test_a_tie_is_broken_by_creation_and_then_by_sid() -> None:
    """Two workers must name the same session."""
    live = [session("z", created_at=1), session("y", created_at=0), session("x", created_at=1)]
    assert [sid for sid, _ in overflowing(live, "web", evict(most=1))] == [b"y", b"x", b"z"]


@pytest.mark.parametrize("limits", [refuse(most=2), refuse(per_device_type=1), refuse(2, 1)])
def test_the_newcomer_is_refused_when_so_configured(limits: Limits) -> None:
    """Nobody is put out for a newcomer."""
    with pytest.raises(SessionLimitError):
        overflowing([A, B], "web", limits)


def test_refusing_limits_let_a_newcomer_in_while_there_is_room() -> None:
    """Refusal needs a reason."""
    assert overflowing([A, B], "tv", refuse(3, 1)) == []


@given(live=live_sessions, newcomer=st.sampled_from(TYPES), limits=any_limits)
def test_afterwards_both_limits_hold_with_the_newcomer_in(live: list[Live], newcomer: str, limits: Limits) -> None:
    """Enough go."""
    gone = dict(overflowing(live, newcomer, limits))
    staying = [one.device_type for one in live if one.sid not in gone] + [newcomer]
    assert not limits.most or len(staying) <= limits.most
    assert not limits.per_device_type or staying.count(newcomer) <= limits.per_device_type


@given(live=live_sessions, newcomer=st.sampled_from(TYPES), limits=any_limits)
def test_nobody_goes_without_need(live: list[Live], newcomer: str, limits: Limits) -> None:
    """Not one too many goes, and none goes twice."""
    ended = overflowing(live, newcomer, limits)
    replaced = [sid for sid, reason in ended if reason == "replaced"]
    staying = len(live) - len(ended) + 1
    alike = sum(one.device_type == newcomer for one in live) - len(replaced) + 1
    assert len(dict(ended)) == len(ended)
    assert not replaced or alike == limits.per_device_type
    assert len(replaced) == len(ended) or staying == limits.most


@pytest.mark.parametrize(("limits", "expected"), [(evict(), False), (evict(3), True), (evict(0, 1), True)])
def test_limits_know_whether_there_are_any(limits: Limits, expected: bool) -> None:
    """Without any, the live sessions need not be counted."""
    assert limits.are_set is expected


@given(live=live_sessions, newcomer=st.sampled_from(TYPES), limits=any_limits, rng=st.randoms())
def test_the_order_in_which_a_storage_lists_them_does_not_matter(
    live: list[Live], newcomer: str, limits: Limits, rng: Random
) -> None:
    """Every storage names the same sessions."""
    shuffled = list(live)
    rng.shuffle(shuffled)
    assert overflowing(shuffled, newcomer, limits) == overflowing(live, newcomer, limits)
