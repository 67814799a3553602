"""How long a copied refresh token stays undiscovered while victim and thief both keep using the session.

Both act by the second, with the default lifetimes, for 24 h. The victim renews a fixed time before its
access token expires, which the thief knows, and uses its access token each minute; marks arrive within the
mark delay. The thief copies refresh token and access token at a random moment, uses the session each minute
(the oldest access token that is still good, since an old one betrays least), and renews by one of the
strategies below. `telling` replies let him know whether and when the victim has renewed before him;
the real ones must not. Not modelled: a thief who keeps reading the victim's store.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from random import Random
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import pytest

from flask_tessera.sessions.rotation import Decision, RotationState, decide, mark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Strategy = Callable[["View"], Iterator[tuple[int, str]]]
    """Yields when to refresh next, and whether with the newest token or with the one that bought it."""

ACCESS = 900
LEEWAY = 15
MARK_DELAY = 5
SPAN = max(ACCESS // 10, 3 * max(LEEWAY, MARK_DELAY))
"""Seconds by which an access life is shortened at most."""

MARGIN = 30
"""Seconds before the expiry of its access token at which the victim renews."""

DAY = 86_400
RUNS = 300


def decide_never_replaced(state: RotationState, presented: int, *, at: int, leeway: int) -> Decision:
    """The table with "same" in place of "replaced"."""
    decision = decide(state, presented, at=at, leeway=leeway)
    return Decision("same", state) if decision.outcome == "replaced" else decision


class Rules(NamedTuple):
    """The server's part; `span` in seconds."""

    decide: Callable[..., Decision] = decide
    span: int = SPAN
    telling: bool = False


@dataclass
class View:
    """What a thief knows; times in seconds.

    `renewed` is when he believes the victim renewed last, `expires` when the victim's access token
    expires (known from the copied one only), `own_expires` the same of his newest. `ahead` is by how much he
    means to renew before the victim, `quiet` how long he leaves a new access token unused, and `access`
    has for each generation from when to when he may use its access token.
    """

    span: int
    now: int
    renewed: int
    own_expires: int
    expires: int
    told_same: bool = False
    quiet: int = 0
    ahead: int = LEEWAY // 2
    newest: int = 1
    bought_by: int = 1
    access: dict[int, tuple[int, int]] = field(default_factory=dict)

    def opens(self) -> int:
        """When the span opens in which the victim will renew."""
        return self.renewed + ACCESS - self.span - MARGIN


def at_once(view: View) -> Iterator[tuple[int, str]]:
    """Renew at once, then like any client."""
    yield view.now, "newest"
    yield from like_a_client(view)


def like_a_client(view: View) -> Iterator[tuple[int, str]]:
    """Renew by one's own `expires_in`."""
    while True:
        yield view.own_expires - MARGIN, "newest"


def at_expiry(view: View) -> Iterator[tuple[int, str]]:
    """Renew as late as possible."""
    while True:
        yield view.own_expires, "newest"


def after_the_span(view: View) -> Iterator[tuple[int, str]]:
    """Renew when the victim surely has."""
    while True:
        yield view.opens() + view.span + 1, "newest"


def before_the_span(view: View) -> Iterator[tuple[int, str]]:
    """Renew just before the victim can."""
    while True:
        yield view.opens() - 1, "newest"


def early_and_quiet(view: View) -> Iterator[tuple[int, str]]:
    """Renew long before the victim can, and use nothing new until the victim surely has it too."""
    early = 200
    view.ahead, view.quiet = early + view.span // 2, 500
    while True:
        yield view.opens() - early, "newest"


def in_the_middle(view: View) -> Iterator[tuple[int, str]]:
    """Guess that the victim renews in the middle of the span."""
    while True:
        yield view.opens() + view.span // 2, "newest"


def at_the_edge(view: View) -> Iterator[tuple[int, str]]:
    """Cover the first two leeways of the span: being too early is seen later than being too late."""
    while True:
        yield view.opens() + LEEWAY, "newest"


def knowing_the_first(view: View) -> Iterator[tuple[int, str]]:
    """The copied access token says when the victim will renew; after that, guess."""
    yield view.expires - MARGIN, "newest"
    yield from at_the_edge(view)


def polling(view: View) -> Iterator[tuple[int, str]]:
    """Present the same token again and again, each time just after the leeway, until told of the victim."""
    while True:
        start, width = view.opens() + LEEWAY, view.span
        yield start, "newest"
        for pause in range(LEEWAY + 1, width - LEEWAY + 1, LEEWAY + 1):
            if not view.told_same:
                yield start + pause, "bought by"


def polling_wide(view: View) -> Iterator[tuple[int, str]]:
    """Present the same token every two leeways, until told of the victim; the best plan of the exhaustive search."""
    while True:
        start, width = view.opens() + LEEWAY, view.span
        yield start, "newest"
        for pause in range(2 * LEEWAY, width - LEEWAY + 1, 2 * LEEWAY):
            if not view.told_same:
                yield start + pause, "bought by"


STRATEGIES = [
    at_once,
    like_a_client,
    at_expiry,
    after_the_span,
    before_the_span,
    early_and_quiet,
    in_the_middle,
    at_the_edge,
    knowing_the_first,
    polling,
    polling_wide,
]


class Run:
    """One session, one victim, one thief."""

    def __init__(self, rules: Rules, strategy: Strategy, seed: int) -> None:
        self.rules = rules
        self.rng = Random(seed)
        self.record: RotationState | None = RotationState(1, 0, 0, True)
        self.agenda: list[tuple[int, float, Callable[[int], None]]] = []
        self.victim = 1
        life = self.life()
        self.stolen_at = self.rng.randrange(1, life - MARGIN)
        self.view = View(rules.span, self.stolen_at, renewed=0, own_expires=life, expires=life, access={1: (0, life)})
        self.plan = strategy(self.view)
        self.later(life - MARGIN, self.victim_renews)
        self.later(self.rng.randrange(60), self.victim_uses)
        self.later(self.stolen_at, self.thief_uses)
        self.thief_plans()

    def found_after(self) -> int:
        """Seconds from the theft to the end of the session, DAY if it was never found."""
        now = 0
        while self.record is not None and now - self.stolen_at < DAY:
            now, _, act = heapq.heappop(self.agenda)
            act(now)
        return min(now - self.stolen_at, DAY)

    def later(self, when: int, act: Callable[[int], None]) -> None:
        """Put it on the agenda; at one moment, chance decides the order."""
        heapq.heappush(self.agenda, (when, self.rng.random(), act))

    def life(self) -> int:
        """How long a new access token lives."""
        return ACCESS - self.rng.randint(0, self.rules.span)

    def refresh(self, presented: int, now: int) -> Decision | None:
        """The server answers; None and the end of the session if this is reuse."""
        assert self.record is not None
        decision = self.rules.decide(self.record, presented, at=now, leeway=LEEWAY)
        self.record = None if decision.outcome == "reuse" else decision.state
        return decision if self.record else None

    def use(self, generation: int, now: int) -> None:
        """An access token is accepted; a superseded one is seen at once, another within the mark delay."""
        assert self.record is not None
        if mark(self.record, generation) is None:
            self.record = None
        self.later(now + self.rng.randint(0, MARK_DELAY), lambda _: self.note(generation))

    def note(self, generation: int) -> None:
        """The mark arrives."""
        self.record = self.record and mark(self.record, generation)

    def victim_renews(self, now: int) -> None:
        """And uses at once what it got."""
        decision = self.refresh(self.victim, now)
        if decision:
            self.victim = decision.state.gen
            self.use(self.victim, now)
            self.later(now + self.life() - MARGIN, self.victim_renews)

    def victim_uses(self, now: int) -> None:
        """Each minute."""
        self.use(self.victim, now)
        self.later(now + 60, self.victim_uses)

    def thief_plans(self) -> None:
        """Let the strategy say when and with what."""
        when, which = next(self.plan)
        self.later(max(when, self.view.now + 1), lambda now: self.thief_renews(which, now))

    def thief_renews(self, which: str, now: int) -> None:
        """And notes what he can know."""
        view = self.view
        presented = view.newest if which == "newest" else view.bought_by
        decision = self.refresh(presented, now)
        if decision:
            self.thief_learns(presented, decision, now)
            self.thief_plans()

    def thief_learns(self, presented: int, decision: Decision, now: int) -> None:
        """He takes it that the victim renews when he does, unless he is told."""
        view = self.view
        view.now, view.newest, view.bought_by = now, decision.state.gen, presented
        view.own_expires = now + self.life()
        view.access[view.newest] = now + view.quiet, view.own_expires
        view.told_same = self.rules.telling and decision.outcome == "same"
        view.renewed = decision.state.rotated_at if view.told_same else now + view.ahead

    def thief_uses(self, now: int) -> None:
        """Each minute, the oldest that is still good."""
        good = [generation for generation, (begins, ends) in self.view.access.items() if begins <= now < ends]
        if good:
            self.use(min(good), now)
        self.later(now + 60, self.thief_uses)


def found(rules: Rules, strategy: Strategy, runs: int = RUNS) -> list[int]:
    """Seconds to discovery, one for each seed."""
    return [Run(rules, strategy, seed).found_after() for seed in range(runs)]


@pytest.mark.parametrize("telling", [False, True])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_thief_is_found_within_two_access_lives(
    strategy: Strategy, telling: bool, record_property: Callable[[str, object], None]
) -> None:
    """In the median; and always within a day. It holds even if replies told him more."""
    times = found(Rules(telling=telling), strategy)
    record_property("median", median(times))
    print(strategy.__name__, "median", median(times), "s, longest", max(times), "s")
    assert median(times) <= 2 * ACCESS
    assert max(times) < DAY


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rules", "strategy"),
    [
        pytest.param(Rules(decide_never_replaced), early_and_quiet, id="same in place of replaced"),
        pytest.param(Rules(span=0), like_a_client, id="access lives all alike"),
    ],
)
def test_without_either_rule_some_are_never_found(rules: Rules, strategy: Strategy) -> None:
    """The measure sees what it is there to see."""
    times = found(rules, strategy, runs=60)
    print("never found:", sum(time == DAY for time in times), "of", len(times))
    assert sum(time == DAY for time in times) >= len(times) // 4
    assert median(times) > 2 * ACCESS
