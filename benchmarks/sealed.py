"""P3: verify a sealed access token."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from flask_tessera.tokens import sealed

from . import peers
from .results import TIMING_COLUMNS, Result, ratio_goal, timing_rows
from .timing import Contestant, compare
from .verifiers import joserfc_checks
from .world import AUDIENCE, ISSUER, World, open_world

if TYPE_CHECKING:
    from .timing import Effort

OURS = "ours: sealed.verify"
PEER = "joserfc JWE"


def run(effort: Effort) -> Result:
    """Open the same tokens in turns with joserfc."""
    world = open_world(ISSUER=ISSUER, AUDIENCE=AUDIENCE, TOKEN_FORMAT="sealed")
    contestants = [_ours(world)]
    if peers.module_of("joserfc"):
        contestants.append(_joserfc(world))
    timings = compare(contestants, effort.rounds, effort.block)
    goals = [ratio_goal(f"{PEER} ÷ ours", timings.get(PEER), timings[OURS], 10)]
    notes = [f"dir, A256GCM; {len(world.tokens):,} tokens in rotation, {len(world.tokens[0])} characters each."]
    rows = timing_rows(timings, {PEER: peers.version_of("joserfc")}, OURS)
    return Result("P3", "verify a sealed token", TIMING_COLUMNS, rows, goals, notes)


def _ours(world: World) -> Contestant:
    verify, ring, clock = sealed.verify, world.ring("sealed"), time.time

    def ours(token: str) -> Any:
        return verify(token, ring, at=int(clock()), issuer=ISSUER, audience=AUDIENCE)

    return Contestant(OURS, ours, world.tokens)


def _joserfc(world: World) -> Contestant:
    from joserfc import jwt
    from joserfc.jwe import JWERegistry
    from joserfc.jwk import OctKey

    decode, check, key = jwt.decode, joserfc_checks(), OctKey.import_key(world.ring("sealed").active.secret)
    algorithms = ["dir", "A256GCM"]
    registry = JWERegistry(algorithms=algorithms)

    def verify(token: str) -> Any:
        claims = decode(token, key, algorithms=algorithms, registry=registry).claims
        check(claims)
        return claims

    return Contestant(PEER, verify, world.tokens)
