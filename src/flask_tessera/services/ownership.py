"""Whose storage it is: one application's, told by a check value of its secret.

Two applications with different secrets in one storage would read and end each other's sessions, unnoticed: user 7 of
one is user 7 of the other. So the storage keeps a MAC of a constant, under a key derived from the secret; whoever comes
with another secret is refused at its first use. A fallback counts as the secret, and then the new one takes its place.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from ..errors import ConfigError
from ..storage.key_value import hashed_key

if TYPE_CHECKING:
    from ..storage.engine import Storage
    from ..tokens.keys import KeyRing

PURPOSE: Final = "storage"
"""Of the derived key."""
_NAME: Final = ("owner", hashed_key("check value of the secret"))
_CONSTANT: Final = b"flask-tessera: whose storage is it?"
_FOR_EVER: Final = 1 << 40
"""Unix second; nothing of ours is kept as long."""


def refuse_foreign(storage: Storage, ring: KeyRing, *, at: int, claims: bool = True) -> None:
    """Go on only if the storage is this application's; one that nobody has used becomes so.

    Args:
        storage: that is about to be used.
        ring: for `PURPOSE`, of the application's secret and its fallbacks.
        at: now, Unix seconds.
        claims: whether one that nobody has used becomes this application's; else nothing is written.

    Raises:
        ConfigError: it is another one's.
        StorageUnavailableError: that cannot be told.
    """
    checks = [key.mac(_CONSTANT) for key in ring.keys]
    values = storage.values
    found = values.get(*_NAME, at=at)
    if found is None and claims and not values.put(*_NAME, checks[0], expires_at=_FOR_EVER, at=at, expected_version=0):
        # Another process of this application, or another application, was faster.
        found = values.get(*_NAME, at=at)
    if found is None or hmac.compare_digest(found.value, checks[0]):
        return
    if not any(hmac.compare_digest(found.value, check) for check in checks):
        another_place = getattr(storage, "another_place", "another storage")
        raise ConfigError(
            "this storage belongs to an application with another SECRET_KEY, whose sessions would be mixed with these:"
            f" name another place ({another_place}); if the key was replaced on purpose, keep the old one in"
            " SECRET_KEY_FALLBACKS, or run: flask tessera adopt"
        )
    if claims:
        values.put(*_NAME, checks[0], expires_at=_FOR_EVER, at=at, expected_version=found.version)


def adopt(storage: Storage, ring: KeyRing, *, at: int) -> None:
    """Make a storage this application's, whosever it was; arguments and errors as of `refuse_foreign`."""
    storage.values.put(*_NAME, ring.active.mac(_CONSTANT), expires_at=_FOR_EVER, at=at)
