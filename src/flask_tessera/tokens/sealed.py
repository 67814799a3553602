"""Sealed access tokens: the same claims in a JWE, `dir` with A256GCM (RFC 7516, RFC 7518 §5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag

from ..errors import ClaimsInvalidError, TokenInvalidError
from .access import LONGEST_TOKEN
from .claims import encode_checked, read
from .encoding import decode, encode, plain

if TYPE_CHECKING:
    from .claims import Claims
    from .keys import Key, KeyRing

PURPOSE: Final = "sealed"
"""What the keys of a ring must be for."""
NONCE_BYTES: Final = 12
_NONCE_CHARACTERS: Final = 16
_TAG_BYTES: Final = 16
_TAG_CHARACTERS: Final = 22


def mint(claims: Claims, key: Key, *, nonce: bytes) -> str:
    """Write a sealed token.

    Args:
        claims: what it says.
        key: the active one of a ring for purpose "sealed".
        nonce: 12 fresh random bytes. One key must not be used for more than 2**32 of them (NIST SP 800-38D §8.3).

    Raises:
        ClaimsInvalidError: `verify` would refuse it.
        ValueError: the nonce has another size, or the key is for another purpose.
    """
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"nonce must have {NONCE_BYTES} bytes, not {len(nonce)}")
    if key.cipher is None:
        raise ValueError(f"a sealed token needs a key for purpose {PURPOSE!r}, not {key.purpose!r}")
    sealed = key.cipher.encrypt(nonce, encode_checked(claims), key.segment)
    ciphertext, tag = encode(sealed[:-_TAG_BYTES]), encode(sealed[-_TAG_BYTES:])
    token = b"%b..%b.%b.%b" % (key.segment, encode(nonce), ciphertext, tag)
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
    """Open a sealed token of ours; arguments (times in seconds) and errors as in `access.verify`.

    Raises:
        TokenInvalidError: not a token of ours, or not for here.
        TokenExpiredError: ours, but too old.
    """
    if type(text) is not str:
        text = plain(text)
    if len(text) > LONGEST_TOKEN:
        raise TokenInvalidError
    try:
        header, wrapped_key, nonce, ciphertext, tag = text.encode().split(b".", 5)
        cipher = ring.by_header[header].cipher
    except (ValueError, KeyError) as error:
        raise TokenInvalidError from error
    if cipher is None or wrapped_key or len(nonce) != _NONCE_CHARACTERS or len(tag) != _TAG_CHARACTERS:
        raise TokenInvalidError
    # The nonce ends with a whole group, so that it can be decoded in one go with what follows.
    sealed = decode(nonce + ciphertext)
    try:
        data = cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:] + decode(tag), header)
    except InvalidTag as error:
        raise TokenInvalidError from error
    return read(data, at, issuer, audience, leeway, longest)
