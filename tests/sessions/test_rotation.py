"""The decision table of a refresh, row by row, and what holds for all of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_tessera.sessions.rotation import Decision, Outcome, RotationState, decide, mark

LEEWAY = 15
T0 = 4_000_000_000
"""A moment in the year 2096."""

HELD = RotationState(gen=7, predecessor=6, rotated_at=T0, confirmed=True)
LOST = RotationState(gen=7, predecessor=6, rotated_at=T0, confirmed=False)
SUPERSEDING = RotationState(gen=9, predecessor=6, rotated_at=T0, confirmed=False)
SUPERSEDING_HELD = RotationState(gen=9, predecessor=6, rotated_at=T0, confirmed=True)
NEW = RotationState(gen=0, predecessor=-1, rotated_at=T0, confirmed=False)


def written(gen: int, predecessor: int, age: int) -> RotationState:
    """What a write leaves behind, `age` seconds after T0."""
    return RotationState(gen, predecessor, T0 + age, False)


@pytest.mark.parametrize(
    ("state", "presented", "age", "outcome", "becomes"),
    [
        pytest.param(NEW, 0, 0, "rotated", written(1, 0, 0), id="first refresh, at once"),
        pytest.param(NEW, 0, 900, "rotated", written(1, 0, 900), id="first refresh"),
        pytest.param(HELD, 7, 900, "rotated", written(8, 7, 900), id="current, confirmed"),
        pytest.param(LOST, 7, 900, "rotated", written(8, 7, 900), id="current, mark lost"),
        pytest.param(HELD, 7, -900, "rotated", written(8, 7, -900), id="current, clock stepped back"),
        pytest.param(SUPERSEDING, 9, 900, "rotated", written(10, 9, 900), id="current, after a replacement"),
        pytest.param(LOST, 6, 0, "same", LOST, id="second tab, same second"),
        pytest.param(HELD, 6, 15, "same", HELD, id="second tab, last second of the leeway"),
        pytest.param(LOST, 6, 15, "same", LOST, id="retry, last second of the leeway"),
        pytest.param(HELD, 6, -3, "same", HELD, id="second tab on a worker whose clock is behind"),
        pytest.param(LOST, 6, -86_400, "same", LOST, id="clock stepped back a day"),
        pytest.param(SUPERSEDING, 6, 15, "same", SUPERSEDING, id="second retry within the leeway"),
        pytest.param(LOST, 6, 16, "replaced", written(8, 6, 16), id="lost reply, first second after the leeway"),
        pytest.param(LOST, 6, 86_400, "replaced", written(8, 6, 86_400), id="lost reply, a day asleep"),
        pytest.param(SUPERSEDING, 6, 16, "replaced", written(10, 6, 16), id="lost again"),
        pytest.param(HELD, 6, 16, "reuse", HELD, id="predecessor, somebody holds its successor"),
        pytest.param(HELD, 5, 0, "reuse", HELD, id="older, within the leeway"),
        pytest.param(LOST, 5, 0, "reuse", LOST, id="older, unconfirmed, within the leeway"),
        pytest.param(LOST, 0, 900, "reuse", LOST, id="oldest"),
        pytest.param(SUPERSEDING, 8, 0, "reuse", SUPERSEDING, id="superseded, newest, within the leeway"),
        pytest.param(SUPERSEDING, 7, 900, "reuse", SUPERSEDING, id="superseded, oldest"),
        pytest.param(SUPERSEDING_HELD, 6, 16, "reuse", SUPERSEDING_HELD, id="predecessor of a confirmed replacement"),
        pytest.param(HELD, 8, 900, "adopted", written(9, 8, 900), id="ahead by one, was confirmed"),
        pytest.param(LOST, 11, 0, "adopted", written(12, 11, 0), id="far ahead"),
        pytest.param(NEW, 3, 0, "adopted", written(4, 3, 0), id="storage fell back to the login"),
    ],
)
def test_the_table_of_design_section_5(
    state: RotationState, presented: int, age: int, outcome: Outcome, becomes: RotationState
) -> None:
    """Each row, at its edges."""
    assert decide(state, presented, at=T0 + age, leeway=LEEWAY) == Decision(outcome, becomes)


def test_without_leeway_only_the_second_of_the_write_is_answered_alike() -> None:
    """A leeway of 0 s is allowed."""
    assert decide(HELD, 6, at=T0, leeway=0).outcome == "same"
    assert decide(HELD, 6, at=T0 + 1, leeway=0).outcome == "reuse"


@pytest.mark.parametrize(
    ("state", "used", "becomes"),
    [
        pytest.param(LOST, 7, HELD, id="current: confirmed"),
        pytest.param(HELD, 7, HELD, id="current, again"),
        pytest.param(SUPERSEDING, 9, SUPERSEDING_HELD, id="current after a replacement"),
        pytest.param(LOST, 6, LOST, id="predecessor: lives on beside its successor"),
        pytest.param(LOST, 2, LOST, id="older"),
        pytest.param(LOST, 8, LOST, id="ahead: the storage has forgotten"),
        pytest.param(SUPERSEDING, 7, None, id="superseded, oldest"),
        pytest.param(SUPERSEDING_HELD, 8, None, id="superseded, newest"),
    ],
)
def test_a_mark_becomes(state: RotationState, used: int, becomes: RotationState | None) -> None:
    """The table of marks."""
    assert mark(state, used) == becomes


@pytest.mark.parametrize(("state", "used"), [(HELD, 7), (LOST, 6), (LOST, 8)])
def test_a_mark_that_changes_nothing_gives_the_very_same_object(state: RotationState, used: int) -> None:
    """So a caller can skip the write."""
    assert mark(state, used) is state


@st.composite
def states(draw: st.DrawFn) -> RotationState:
    """Any state that can be stored."""
    predecessor = draw(st.integers(-1, 12))
    gen = draw(st.integers(predecessor + 1, predecessor + 5))
    return RotationState(gen, predecessor, draw(st.integers(0, 60)), draw(st.booleans()))


generations = st.integers(0, 24)
moments = st.integers(0, 90)
leeways = st.integers(0, 20)


@given(state=states(), presented=generations, at=moments, leeway=leeways)
def test_generations_never_go_back(state: RotationState, presented: int, at: int, leeway: int) -> None:
    """A write raises the generation, everything else keeps it."""
    after = decide(state, presented, at=at, leeway=leeway).state
    assert after.gen >= state.gen
    assert after.predecessor >= state.predecessor
    assert after.predecessor < after.gen


@given(state=states(), presented=generations, at=moments, leeway=leeways)
def test_a_lineage_never_splits(state: RotationState, presented: int, at: int, leeway: int) -> None:
    """What a write issues is newer than all that was ever issued, so it has one buyer."""
    decision = decide(state, presented, at=at, leeway=leeway)
    if decision.outcome not in ("same", "reuse"):
        assert decision.state.gen > max(state.gen, presented)
        assert not decision.state.confirmed
        assert decision.state.rotated_at == at


@given(state=states(), presented=generations, at=moments, leeway=leeways)
def test_same_and_reuse_change_nothing(state: RotationState, presented: int, at: int, leeway: int) -> None:
    """They need no write to the rotation."""
    decision = decide(state, presented, at=at, leeway=leeway)
    assert (decision.outcome in ("same", "reuse")) == (decision.state is state)


@given(state=states(), presented=generations, at=moments, leeway=leeways, late=st.integers(-90, 20))
def test_a_retry_within_the_leeway_gets_the_identical_successor(
    state: RotationState, presented: int, at: int, leeway: int, late: int
) -> None:
    """R04: whatever was issued is issued again to whoever repeats the request in time."""
    first = decide(state, presented, at=at, leeway=leeway)
    if first.state is not state:
        retry = decide(first.state, presented, at=at + min(late, leeway), leeway=leeway)
        assert retry == Decision("same", first.state)


@given(state=states(), presented=generations, at=moments, leeway=leeways, asleep=st.integers(0, 10**9))
def test_a_lost_reply_heals_however_late(
    state: RotationState, presented: int, at: int, leeway: int, asleep: int
) -> None:
    """Whoever was answered but got nothing is answered again, with no mark in between."""
    first = decide(state, presented, at=at, leeway=leeway)
    if first.state is not state:
        assert decide(first.state, presented, at=at + asleep, leeway=leeway).outcome in ("same", "replaced")


@given(state=states(), presented=generations, leeway=leeways)
def test_spent_generations_are_reuse_at_any_time(state: RotationState, presented: int, leeway: int) -> None:
    """R04: no clock, stepped or not, brings an older or superseded generation back."""
    if presented < state.gen and presented != state.predecessor:
        outcomes = {decide(state, presented, at=at, leeway=leeway).outcome for at in (0, 30, 60, 10**10)}
        assert outcomes == {"reuse"}


@given(state=states(), used=generations)
def test_a_mark_moves_nothing_but_confirmed(state: RotationState, used: int) -> None:
    """And never takes a confirmation back."""
    after = mark(state, used)
    if after is not None:
        assert (after.gen, after.predecessor, after.rotated_at) == (state.gen, state.predecessor, state.rotated_at)
        assert after.confirmed >= state.confirmed
        assert mark(after, used) is after


@given(st.lists(st.tuples(st.sampled_from(["refresh", "mark"]), generations, st.integers(0, 40)), max_size=30))
def test_one_generation_is_issued_for_one_state_only(events: list[tuple[str, int, int]]) -> None:
    """R03: over any history, two writes never issue the same generation."""
    state, at, issued = RotationState(0, -1, 0, False), 0, [0]
    for kind, generation, pause in events:
        at += pause
        if kind == "mark":
            state = mark(state, generation) or state
            continue
        after = decide(state, generation, at=at, leeway=LEEWAY).state
        issued += [after.gen] if after is not state else []
        state = after
    assert issued == sorted(set(issued))


def renumbered(state: RotationState, shift: int, stretch: int) -> RotationState:
    """The same state with `stretch` more superseded generations, everything `shift` higher."""
    return RotationState(state.gen + shift + stretch, state.predecessor + shift, state.rotated_at, state.confirmed)


@given(state=states(), shift=st.integers(1, 9), stretch=st.integers(0, 3), at=moments, data=st.data())
def test_only_the_place_of_a_generation_matters(
    state: RotationState, shift: int, stretch: int, at: int, data: st.DataObject
) -> None:
    """The exhaustive search renumbers generations; this is what allows it to."""
    places = {
        "current": (state.gen, state.gen + shift + stretch),
        "predecessor": (state.predecessor, state.predecessor + shift),
        "older": (state.predecessor - 1, state.predecessor + shift - data.draw(st.integers(1, 3))),
    }
    if state.gen - state.predecessor > 1:
        places["superseded"] = (state.gen - 1, state.predecessor + shift + data.draw(st.integers(1, 1 + stretch)))
    other = renumbered(state, shift, stretch)
    for one, two in places.values():
        first, second = decide(state, one, at=at, leeway=LEEWAY), decide(other, two, at=at, leeway=LEEWAY)
        assert first.outcome == second.outcome
        assert first.state.gen - state.gen == second.state.gen - other.gen
        assert (mark(state, one) is None) == (mark(other, two) is None)
