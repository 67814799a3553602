"""Signed access tokens: JWS in compact form (RFC 7515, RFC 9068)."""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from ..errors import ClaimsInvalidError, TokenInvalidError
from .claims import encode_checked, read
from .encoding import decode, encode, plain

if TYPE_CHECKING:
    from .claims import Claims
    from .keys import Key, KeyRing

PURPOSE: Final = "access"
"""What the keys of a ring must be for."""
LONGEST_TOKEN: Final = 8192
"""Characters; anything longer is refused before it is looked at."""


def mint(claims: Claims, key: Key) -> str:
    """Write a signed token.

    Args:
        claims: what it says.
        key: the active one of a ring for purpose "access".

    Raises:
        ClaimsInvalidError: `verify` would refuse it.
        ValueError: the key is for another purpose.
    """
    if key.purpose != PURPOSE:
        raise ValueError(f"a signed token needs a key for purpose {PURPOSE!r}, not {key.purpose!r}")
    payload = encode(encode_checked(claims))
    token = f"{key.header}.{payload.decode()}.{key.sign(payload).decode()}"
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
    if type(text) is not str:
        text = plain(text)
    if len(text) > LONGEST_TOKEN:
        raise TokenInvalidError
    try:
        header, _, rest = text.encode().partition(b".")
        payload, _, signature = rest.rpartition(b".")
        key = ring.by_header[header]
    except (UnicodeEncodeError, KeyError) as error:
        raise TokenInvalidError from error
    # `key.sign`, written out: here each call counts.
    inner = key.inner.copy()
    inner.update(payload)
    outer = key.outer.copy()
    outer.update(inner.digest())
    if key.purpose != PURPOSE or not compare_digest(encode(outer.digest()), signature):
        raise TokenInvalidError
    return read(decode(payload), at, issuer, audience, leeway, longest)
