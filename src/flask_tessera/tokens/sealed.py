"""Sealed access tokens: the same claims in a JWE, `dir` with A256GCM (RFC 7516, RFC 7518 §5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..errors import ClaimsInvalidError, TokenInvalidError
from .access import LONGEST_TOKEN, check
from .claims import decode_canonical, encode_checked
from .encoding import decode, encode

if TYPE_CHECKING:
    from .claims import Claims
    from .keys import Key, KeyRing

NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16


def mint(claims: Claims, key: Key, *, nonce: bytes) -> str:
    """Write a sealed token.

    Args:
        claims: what it says.
        key: the active one of a ring for purpose "sealed".
        nonce: 12 fresh random bytes. One key must not be used for more than 2**32 of them (NIST SP 800-38D §8.3).

    Raises:
        ClaimsInvalidError: `verify` would refuse it.
        ValueError: the nonce has another size.
    """
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"nonce must have {NONCE_BYTES} bytes, not {len(nonce)}")
    header = key.header.encode()
    sealed = AESGCM(key.secret).encrypt(nonce, encode_checked(claims), header)
    parts = (header, b"", encode(nonce), encode(sealed[:-_TAG_BYTES]), encode(sealed[-_TAG_BYTES:]))
    token = b".".join(parts)
    if len(token) > LONGEST_TOKEN:
        raise ClaimsInvalidError(f"the token would have {len(token)} characters, {LONGEST_TOKEN} is the limit")
    return token.decode()


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
    """Open a sealed token of ours; arguments and errors as in `access.verify`.

    Raises:
        TokenInvalidError: not a token of ours, or not for here.
        TokenExpiredError: ours, but too old.
    """
    try:
        if len(text) > LONGEST_TOKEN:
            raise TokenInvalidError
        header, wrapped_key, nonce, ciphertext, tag = text.encode("ascii").split(b".", 5)
    except (AttributeError, TypeError, ValueError) as error:
        raise TokenInvalidError from error
    key = ring.by_header.get(header)
    if key is None or key.algorithm != "A256GCM" or wrapped_key:
        raise TokenInvalidError
    data = _open(key, header, decode(nonce), decode(ciphertext), decode(tag))
    return check(decode_canonical(data), at, issuer, audience, leeway, longest)


def _open(key: Key, header: bytes, nonce: bytes, ciphertext: bytes, tag: bytes) -> bytes:
    if len(nonce) != NONCE_BYTES or len(tag) != _TAG_BYTES:
        raise TokenInvalidError
    try:
        return AESGCM(key.secret).decrypt(nonce, ciphertext + tag, header)
    except InvalidTag as error:
        raise TokenInvalidError from error
