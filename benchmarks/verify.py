"""P1: verify a signed access token."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from flask_tessera.tokens import access
from flask_tessera.web.credential_reading import verify_credential

from . import peers, verifiers
from .results import TIMING_COLUMNS, Result, ratio_goal, timing_rows
from .timing import Contestant, compare
from .world import AUDIENCE, ISSUER, USERS, World, open_world

if TYPE_CHECKING:
    from .timing import Effort

OURS = "ours: verify, revocation view"
ALONE = "ours: access.verify alone"
WHOLE = "ours: identify, whole"
REMEMBERED = "ours: identify, 200 tokens remembered"
NEWER, OLDER = "PyJWT 2.15.1", "PyJWT 2.12.1"


def run(effort: Effort) -> Result:
    """Verify the same tokens in turns with everybody."""
    world = open_world(ISSUER=ISSUER, AUDIENCE=AUDIENCE)
    ring = world.ring()
    claims = [msgspec.to_builtins(each) for each in _claims_of(world)]
    floor = verifiers.floor(ring.active, world.tokens)
    others = verifiers.all_peers(world.tokens, ring.active.secret, claims)
    contestants = [*ours(world), floor, *others]
    timings = compare(contestants, effort.rounds, effort.block)
    versions = {name: peers.version_of(name) for name in ("joserfc", "itsdangerous")}
    mine = timings[OURS]
    goals = [
        ratio_goal(f"{NEWER} ÷ ours", timings.get(NEWER), mine, 12),
        ratio_goal(f"{OLDER} ÷ ours", timings.get(OLDER), mine, 5),
        ratio_goal("ours ÷ floor", mine, timings["floor"], 1.4, at_least=False),
    ]
    rows = timing_rows(timings, versions, OURS)
    return Result("P1", "verify a signed access token (HS256)", TIMING_COLUMNS, rows, goals, _notes(contestants))


def ours(world: World) -> list[Contestant]:
    """What a worker does for a request; the first step of it alone; and with the identity that views see."""
    verify, ring, runtime = access.verify, world.ring(), world.runtime
    refusal, clock = runtime.shared.view.refusal, time.time

    def alone(token: str) -> Any:
        return verify(token, ring, at=int(clock()), issuer=ISSUER, audience=AUDIENCE)

    def with_view(token: str) -> Any:
        at = int(clock())
        claims = verify(token, ring, at=at, issuer=ISSUER, audience=AUDIENCE)
        if refusal(claims, at=at):
            raise ValueError
        return claims

    calls = {OURS: with_view, ALONE: alone, WHOLE: partial(verify_credential, runtime)}
    found = [Contestant(name, call, world.tokens) for name, call in calls.items()]
    other = open_world(ISSUER=ISSUER, AUDIENCE=AUDIENCE)
    return [*found, Contestant(REMEMBERED, partial(verify_credential, other.runtime), other.tokens[:USERS])]


def _claims_of(world: World) -> list[Any]:
    ring, at = world.ring(), int(time.time())
    return [access.verify(token, ring, at=at, issuer=ISSUER, audience=AUDIENCE) for token in world.tokens]


def _notes(contestants: list[Contestant]) -> list[str]:
    lengths = {each.name: len(each.items[0]) for each in contestants}
    theirs = lengths["itsdangerous"]
    return [
        f"{len(contestants[0].items):,} tokens in rotation, {lengths[OURS]} characters each (itsdangerous: {theirs});",
        "claims: sub sid gen ep iat exp auth_time iss aud amr scope; issuer, audience and times checked by all.",
        "The floor is the same work written bare, without the canonical check of claims and without revocation.",
    ]
