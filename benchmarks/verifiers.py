"""How each library verifies a signed token with the same claims and the same checks."""

from __future__ import annotations

import hashlib
import time
from binascii import b2a_base64
from hmac import compare_digest
from typing import TYPE_CHECKING, Any

import msgspec
from itsdangerous import URLSafeTimedSerializer

from . import peers
from .timing import Contestant
from .world import AUDIENCE, ISSUER, SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from flask_tessera.tokens.keys import Key

LONGEST = 3600
"""Seconds after which itsdangerous calls a token too old."""
_REQUIRED = ["exp", "iat", "iss", "aud", "sub"]
_TO_URL = bytes.maketrans(b"+/", b"-_")
# What base64url does not know becomes what no decoder takes.
_FROM_URL = bytes.maketrans(b"-_+/", b"+/!!")
_COMPLETION = (b'"', b'"', b'=="', b'="')


def pyjwt(jwt: ModuleType, tokens: Sequence[str], secret: bytes) -> Contestant:
    """PyJWT, key and algorithm pinned, issuer, audience and times checked."""
    decode, options = jwt.decode, {"require": _REQUIRED}

    def verify(token: str) -> Any:
        return decode(token, secret, algorithms=["HS256"], issuer=ISSUER, audience=AUDIENCE, options=options)

    return Contestant(f"PyJWT {jwt.__version__}", verify, tokens)


def joserfc(tokens: Sequence[str], secret: bytes) -> Contestant:
    """joserfc, likewise; its checks of claims are made once, as its documentation does."""
    from joserfc import jwt
    from joserfc.jwk import OctKey

    decode, key, check = jwt.decode, OctKey.import_key(secret), joserfc_checks()

    def verify(token: str) -> Any:
        claims = decode(token, key, algorithms=["HS256"]).claims
        check(claims)
        return claims

    return Contestant("joserfc", verify, tokens)


def joserfc_checks() -> Callable[[dict[str, Any]], None]:
    """What joserfc is asked to check of claims."""
    from joserfc.jwt import JWTClaimsRegistry

    options: dict[str, Any] = {name: {"essential": True} for name in _REQUIRED}
    options |= {"iss": {"essential": True, "value": ISSUER}, "aud": {"essential": True, "value": AUDIENCE}}
    return JWTClaimsRegistry(**options).validate


def ryjwt(tokens: Sequence[str], secret: bytes) -> Contestant:
    """ryjwt, written in Rust, for Python 3.12 and later; its key holds what it is to check."""
    from ryjwt import SecretKey

    key = SecretKey(secret, algorithms=["HS256"], issuer=ISSUER, audience=AUDIENCE)
    return Contestant(f"ryjwt {peers.version_of('ryjwt')}", key.decode, tokens)


def itsdangerous(claims: Sequence[dict[str, Any]]) -> Contestant:
    """The timed serializer of itsdangerous, on tokens of its own with the same claims."""
    serializer = URLSafeTimedSerializer(SECRET)
    loads = serializer.loads

    def verify(token: str) -> Any:
        found = loads(token, max_age=LONGEST)
        if found["iss"] != ISSUER or found["aud"] != AUDIENCE:
            raise ValueError
        return found

    return Contestant("itsdangerous", verify, [str(serializer.dumps(each)) for each in claims])


class _Payload(msgspec.Struct, gc=False):
    sub: str
    sid: str
    gen: int
    ep: int
    iat: int
    exp: int
    auth_time: int = 0
    iss: str = ""
    aud: str = ""
    amr: tuple[str, ...] = ()
    scope: str = ""


def floor(key: Key, tokens: Sequence[str]) -> Contestant:
    """The least that must be done, written bare: HMAC contexts made once, strict base64, a typed decode, the times."""
    header, block = key.header.encode(), key.secret.ljust(64, b"\0")
    begin = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + header + b".").copy
    finish = hashlib.sha256(bytes(byte ^ 0x5C for byte in block)).copy
    decode, decode_base64 = msgspec.json.Decoder(_Payload).decode, msgspec.json.Decoder(bytes).decode

    def verify(token: str) -> _Payload:
        found, payload, signature = token.encode("ascii").split(b".")
        inner, outer = begin(), finish()
        inner.update(payload)
        outer.update(inner.digest())
        mac = b2a_base64(outer.digest(), newline=False).translate(_TO_URL, b"=")
        if found != header or not compare_digest(mac, signature):
            raise ValueError
        claims = decode(decode_base64(b'"' + payload.translate(_FROM_URL) + _COMPLETION[len(payload) & 3]))
        now = int(time.time())
        if claims.iss != ISSUER or claims.aud != AUDIENCE or not claims.iat - 30 <= now < claims.exp:
            raise ValueError
        return claims

    return Contestant("floor", verify, tokens)


def all_peers(tokens: Sequence[str], secret: bytes, claims: Sequence[dict[str, Any]]) -> list[Contestant]:
    """Everybody who is installed, on tokens with these claims; JWT libraries get our very tokens."""
    jwts = [jwt for jwt in (peers.module_of("jwt"), peers.older_pyjwt()) if jwt]
    found = [pyjwt(jwt, tokens, secret) for jwt in jwts]
    if peers.module_of("joserfc"):
        found.append(joserfc(tokens, secret))
    if peers.module_of("ryjwt"):
        found.append(ryjwt(tokens, secret))
    return [*found, itsdangerous(claims)]
