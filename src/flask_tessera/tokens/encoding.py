"""Base64url without padding, in exactly one spelling (RFC 7515 §2, appendix C)."""

from __future__ import annotations

import binascii

from ..errors import TokenInvalidError

_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")


def encode(data: bytes) -> bytes:
    """Base64url of `data`, unpadded, as ASCII bytes."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").translate(_TO_URL)


def decode(text: bytes) -> bytes:
    """Bytes behind `text`, if it is the one spelling of them.

    Raises:
        TokenInvalidError: padding, foreign characters, unused bits set, impossible length.
    """
    try:
        # The library drops foreign characters and reads any padding; spelling it again finds all of that.
        data = binascii.a2b_base64(text.translate(_FROM_URL) + b"==")
    except binascii.Error as error:
        raise TokenInvalidError from error
    if encode(data) != text:
        raise TokenInvalidError
    return data
