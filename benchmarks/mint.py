"""P2: mint a signed access token."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
from itsdangerous import URLSafeTimedSerializer

from flask_tessera.tokens import access

from . import peers
from .results import TIMING_COLUMNS, Result, ratio_goal, timing_rows
from .timing import Contestant, compare
from .world import AUDIENCE, ISSUER, SECRET, World, open_world

if TYPE_CHECKING:
    from types import ModuleType

    from flask_tessera.tokens.keys import Key

    from .timing import Effort

OURS = "ours: access.mint"
NEWER = "PyJWT 2.15.1"


def run(effort: Effort) -> Result:
    """Mint tokens of many users' claims in turns with everybody."""
    world = open_world(ISSUER=ISSUER, AUDIENCE=AUDIENCE)
    timings = compare(_contestants(world), effort.rounds, effort.block)
    versions = {name: peers.version_of(name) for name in ("joserfc", "itsdangerous")}
    goals = [ratio_goal(f"{NEWER} ÷ ours", timings.get(NEWER), timings[OURS], 8)]
    notes = ["Claims are ready beforehand: ours as Claims, the others' as dict. Ours checks that it would verify."]
    return Result("P2", "mint", TIMING_COLUMNS, timing_rows(timings, versions, OURS), goals, notes)


def _contestants(world: World) -> list[Contestant]:
    ring, mint = world.ring(), access.mint
    key, at = ring.active, int(time.time())
    claims = [access.verify(token, ring, at=at, issuer=ISSUER, audience=AUDIENCE) for token in world.tokens]
    plain = [msgspec.to_builtins(each) for each in claims]
    found = [Contestant(OURS, lambda each: mint(each, key), claims)]
    jwts = [jwt for jwt in (peers.module_of("jwt"), peers.older_pyjwt()) if jwt]
    found += [_pyjwt(jwt, key, plain) for jwt in jwts]
    if peers.module_of("joserfc"):
        found.append(_joserfc(key, plain))
    return [*found, Contestant("itsdangerous", URLSafeTimedSerializer(SECRET).dumps, plain)]


def _pyjwt(jwt: ModuleType, key: Key, claims: list[dict[str, Any]]) -> Contestant:
    encode, secret, header = jwt.encode, key.secret, {"kid": key.kid, "typ": "at+jwt"}
    return Contestant(f"PyJWT {jwt.__version__}", lambda each: encode(each, secret, "HS256", header), claims)


def _joserfc(key: Key, claims: list[dict[str, Any]]) -> Contestant:
    from joserfc import jwt
    from joserfc.jwk import OctKey

    encode, secret = jwt.encode, OctKey.import_key(key.secret)
    header = {"alg": "HS256", "kid": key.kid, "typ": "at+jwt"}
    return Contestant("joserfc", lambda each: encode(header, each, secret), claims)
