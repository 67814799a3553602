"""Secrets that are kept and must be read again: sealed by AES-256-GCM (NIST SP 800-38D).

A sealed text names the key that it was sealed with, so that those of fallbacks still open it. It belongs to the place
that it was sealed for: put in the place of another user's it cannot be opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import ConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from ..tokens.keys import Key, KeyRing
    from .ports import RandomBytes

_VERSION: Final = b"\1"
_NONCE_BYTES: Final = 12


def seal(ring: KeyRing, plain: bytes, place: tuple[str, ...], random_bytes: RandomBytes) -> bytes:
    """Seal under the active key.

    Args:
        ring: of the purpose "at_rest".
        plain: what to seal.
        place: where alone it can be opened: realm, user id, kind of value.
        random_bytes: gives the nonce.
    """
    nonce, key = random_bytes(_NONCE_BYTES), ring.active
    head = _head(key)
    return head + nonce + _cipher(key).encrypt(nonce, plain, _bound(head, place))


def unseal(ring: KeyRing, sealed: bytes, place: tuple[str, ...]) -> bytes:
    """What was sealed for this place under any key of the ring.

    Raises:
        ConfigError: the key is not of this ring, or somebody has changed what is stored.
    """
    from cryptography.exceptions import InvalidTag

    for key in ring.keys:
        head = _head(key)
        if not sealed.startswith(head):
            continue
        rest = sealed[len(head) :]
        try:
            return _cipher(key).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], _bound(head, place))
        except (InvalidTag, ValueError) as error:
            raise ConfigError("a sealed value in the storage was changed, or put in another's place") from error
    raise ConfigError(
        "a value in the storage is sealed under a key that is derived neither from SECRET_KEY nor from one of"
        " SECRET_KEY_FALLBACKS: put the old secret there"
    )


def _head(key: Key) -> bytes:
    return _VERSION + key.kid.encode()


def _bound(head: bytes, place: tuple[str, ...]) -> bytes:
    """What the seal covers beside the text; each part with its length, so that no two places are written alike."""
    parts = (each.encode() for each in place)
    return head + b"".join(len(each).to_bytes(4, "big") + each for each in parts)


def _cipher(key: Key) -> AESGCM:
    # Imported late: the module costs 10 ms, and most processes seal nothing.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key.secret)
