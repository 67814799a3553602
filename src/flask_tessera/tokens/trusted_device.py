"""The text form of a trusted device: which one it is, and its secret. It is presented beside credentials.

For secret scanners: every one of them, and hardly anything else, matches `tsd_[A-Za-z0-9_-]{70}`.
"""

from __future__ import annotations

from typing import Final

from .checked_text import read, write

PREFIX: Final = "tsd_"
ID_BYTES: Final = 16
SECRET_BYTES: Final = 32
"""256 random bits: nobody guesses them, so that a plain hash of them may be stored."""


def render(device_id: bytes, secret: bytes) -> str:
    """Write the text of this id (16 bytes) and secret (32 bytes).

    Raises:
        ValueError: one of them has another size.
    """
    if len(device_id) != ID_BYTES or len(secret) != SECRET_BYTES:
        raise ValueError(f"a trusted device has an id of {ID_BYTES} bytes and a secret of {SECRET_BYTES}")
    return write(PREFIX, device_id + secret)


def parse(text: str) -> tuple[bytes, bytes]:
    """Id (16 bytes) and secret (32 bytes) of a text of this form; nothing says that there is such a device.

    Raises:
        TokenInvalidError: any other text, or no text at all.
    """
    data = read(text, PREFIX, ID_BYTES + SECRET_BYTES)
    return data[:ID_BYTES], data[ID_BYTES:]
