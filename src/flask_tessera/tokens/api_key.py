"""The text form of an API key: which key it is, and its secret.

For secret scanners: every API key, and hardly anything else, matches `tsk_[A-Za-z0-9_-]{70}`.
"""

from __future__ import annotations

from typing import Final

from .checked_text import read, write

PREFIX: Final = "tsk_"
PATTERN: Final = r"tsk_[A-Za-z0-9_-]{70}"
"""What a secret scanner looks for. The last six characters are a CRC-32 of the 64 before them, base64url."""
KEY_ID_BYTES: Final = 16
SECRET_BYTES: Final = 32
"""256 random bits: nobody guesses them, so that a plain hash of them may be stored."""


def render(key_id: bytes, secret: bytes) -> str:
    """Write the API key of this id (16 bytes) and secret (32 bytes).

    Raises:
        ValueError: one of them has another size.
    """
    if len(key_id) != KEY_ID_BYTES or len(secret) != SECRET_BYTES:
        raise ValueError(f"an API key has an id of {KEY_ID_BYTES} bytes and a secret of {SECRET_BYTES}")
    return write(PREFIX, key_id + secret)


def parse(text: str) -> tuple[bytes, bytes]:
    """Id (16 bytes) and secret (32 bytes) of a text that has the form of an API key; nothing says that there is one.

    Raises:
        TokenInvalidError: any other text, or no text at all.
    """
    data = read(text, PREFIX, KEY_ID_BYTES + SECRET_BYTES)
    return data[:KEY_ID_BYTES], data[KEY_ID_BYTES:]
