"""The decision table of a refresh."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Outcome = Literal["rotated", "same", "replaced", "reuse", "adopted"]
"""What a refresh is answered with; `decide` has the table."""

_Place = Literal["ahead", "current", "superseded", "predecessor", "older"]


@dataclass(frozen=True, slots=True)
class RotationState:
    """How far the refresh token of one session has been rotated.

    `predecessor < gen` always holds. The generations between the two are superseded: issued, then replaced
    because nobody was seen to hold them.

    Attributes:
        gen: the current generation, the only one that buys a successor of its own; 0 in a new session.
        predecessor: the generation that bought the current one; -1 in a new session, never presented.
        rotated_at: when the current generation was written, Unix seconds.
        confirmed: whether somebody was seen to hold the current generation.
    """

    gen: int
    predecessor: int
    rotated_at: int
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one refresh.

    Attributes:
        outcome: the row of the table.
        state: what the session becomes; the very state that was given under "same" and "reuse".
            Its `gen` is the generation to issue, unless the outcome is "reuse".
    """

    outcome: Outcome
    state: RotationState


def decide(state: RotationState, presented: int, *, at: int, leeway: int) -> Decision:
    """Say what a genuine refresh token of the generation `presented` is answered with.

    Reuse of a spent token ends the session (RFC 9700 §4.14.2); a retry after a lost reply must not.
    The two are told apart by the leeway and by whether the current generation has been confirmed.
    A refresh before `rotated_at` (two workers' clocks differ, or a clock stepped back) counts as
    within the leeway: to replace there would supersede what an honest second tab has just been given.

    Every state that is written is unconfirmed, also under "replaced" and "adopted": `confirmed`
    speaks of the current generation, and that one has only just been made. Kept on, it would turn
    the retry after a lost reply into reuse.

    Args:
        state: where the session stands.
        presented: the generation whose MAC was verified; 0 or more, since no other is ever issued.
        at: now, Unix seconds.
        leeway: seconds after a write in which the predecessor is answered like its successor.
    """
    in_time = at - state.rotated_at <= leeway
    match _place(state, presented), in_time, state.confirmed:
        case "current", _, _:
            return Decision("rotated", _unconfirmed(state.gen + 1, state.gen, at))
        case "predecessor", True, _:
            return Decision("same", state)
        case "predecessor", False, False:
            return Decision("replaced", _unconfirmed(state.gen + 1, state.predecessor, at))
        case "ahead", _, _:
            return Decision("adopted", _unconfirmed(presented + 1, presented, at))
        case _:
            return Decision("reuse", state)


def decide_again(state: RotationState, used: int, *, at: int, leeway: int) -> Decision:
    """Say what a session becomes whose user has proved again who he is, by an access token of the generation `used`.

    He is given a pair, and whoever shares his store must be able to renew afterwards, whichever replies are lost. An
    access token of an older generation may still be live, and is no reuse: its holder is only behind. While nobody was
    seen to hold the current generation, its reply may be lost, and the one who is behind may be the one who bought it;
    within the leeway, other requests of the one before may be under way. Then he is given the current generation
    itself: another one would part somebody from it, or from its predecessor. Anybody else goes on to the next one, as
    by a refresh of the current one.

    Args:
        state: where the session stands.
        used: the generation in the access token; 0 or more.
        at: now, Unix seconds.
        leeway: seconds after a write in which the predecessor is answered like its successor.
    """
    in_time = at - state.rotated_at <= leeway
    match _place(state, used), in_time, state.confirmed:
        case "superseded", _, _:
            return Decision("reuse", state)
        case (("predecessor" | "older"), True, _):
            return Decision("same", state)
        case (("predecessor" | "older"), False, False):
            return Decision("same", replace(state, rotated_at=at))
        case _:
            return decide(state, max(used, state.gen), at=at, leeway=leeway)


def mark(state: RotationState, used: int) -> RotationState | None:
    """Note that an access token of the generation `used` was accepted.

    The access token of a predecessor or of an older generation may live on after a refresh, so its
    use proves nothing. One ahead of the state proves that the storage has forgotten; the next
    refresh adopts it. A superseded generation should be held by nobody: it was replaced because its
    reply seemed lost, so whoever uses it is a second holder of the predecessor (RFC 9700 §4.14.2).

    Args:
        state: where the session stands.
        used: the generation in the access token; 0 or more.

    Returns:
        The state, confirmed if `used` is the current generation; the very state that was given if
        nothing changes; None if `used` is superseded, in which case the session must end as reused.
    """
    match _place(state, used), state.confirmed:
        case "current", False:
            return replace(state, confirmed=True)
        case "superseded", _:
            return None
        case _:
            return state


def _place(state: RotationState, generation: int) -> _Place:
    if generation >= state.gen:
        return "ahead" if generation > state.gen else "current"
    if generation > state.predecessor:
        return "superseded"
    return "predecessor" if generation == state.predecessor else "older"


def _unconfirmed(gen: int, predecessor: int, at: int) -> RotationState:
    return RotationState(gen=gen, predecessor=predecessor, rotated_at=at, confirmed=False)
