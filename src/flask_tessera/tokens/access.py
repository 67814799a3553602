"""Signed access tokens: JWS in compact form (RFC 7515, RFC 9068)."""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from ..errors import ClaimsInvalidError, TokenExpiredError, TokenInvalidError
from .claims import decode_canonical, encode_checked
from .encoding import decode, encode

if TYPE_CHECKING:
    from .claims import Claims
    from .keys import Key, KeyRing

LONGEST_TOKEN: Final = 8192
"""Characters; anything longer is refused before it is looked at."""
LARGEST_LEEWAY: Final = 120
"""Seconds; RFC 7519 §4.1.4 asks for no more than a few minutes."""


def mint(claims: Claims, key: Key) -> str:
    """Write a signed token.

    Raises:
        ClaimsInvalidError: `verify` would refuse it.
    """
    payload = encode(encode_checked(claims))
    signature = encode(key.mac_payload(payload))
    token = f"{key.header}.{payload.decode()}.{signature.decode()}"
    if len(token) > LONGEST_TOKEN:
        raise ClaimsInvalidError(f"the token would have {len(token)} characters, {LONGEST_TOKEN} is the limit")
    return token


def verify(
    text: str,
    ring: KeyRing,
    *,
    at: int,
    issuer: str = "",
    audience: str = "",
    leeway: int = 30,
    longest: int = 7_776_000,
) -> Claims:
    """Read a signed token of ours.

    The header is compared, never parsed: `ring` maps it to the one key it names, so no algorithm, key or
    extension can be chosen by the token. Nothing is parsed before the MAC is good. The claims are then
    encoded again: only the one spelling that `mint` writes is accepted.

    Args:
        text: as received; any object is safe.
        ring: keys for purpose "access".
        at: now, Unix seconds.
        issuer: what `iss` must be; empty: must be absent.
        audience: what `aud` must be; empty: must be absent.
        leeway: seconds by which `iat` may lie in the future, at most 120. `exp` has none.
        longest: seconds a token may live; one that says more is not ours.

    Raises:
        TokenInvalidError: not a token of ours, or not for here.
        TokenExpiredError: ours, but too old.
    """
    try:
        if len(text) > LONGEST_TOKEN:
            raise TokenInvalidError
        raw = text.encode("ascii")
    except (AttributeError, TypeError, UnicodeEncodeError) as error:
        raise TokenInvalidError from error
    header, _, rest = raw.partition(b".")
    payload, _, signature = rest.rpartition(b".")
    key = ring.by_header.get(header)
    if key is None or key.algorithm != "HS256" or not compare_digest(encode(key.mac_payload(payload)), signature):
        raise TokenInvalidError
    return check(decode_canonical(decode(payload)), at, issuer, audience, leeway, longest)


def check(claims: Claims, at: int, issuer: str, audience: str, leeway: int, longest: int) -> Claims:
    """Give `claims` back if they are for here and now; arguments as in `verify`.

    Raises:
        TokenInvalidError: another issuer or audience, from the future, or made to live too long.
        TokenExpiredError: all is well but the time.
    """
    if claims.iss != issuer or claims.aud != audience:
        raise TokenInvalidError
    if claims.iat > at + min(leeway, LARGEST_LEEWAY) or claims.exp - claims.iat > longest:
        raise TokenInvalidError
    if at >= claims.exp:
        raise TokenExpiredError(claims=claims)
    return claims
