"""The two bytes in a sid that stand for its user."""

from __future__ import annotations

import hmac


def tag_of(realm: str, user_id: str, seed: bytes) -> bytes:
    """Computed, never stored: no record's place depends on it here."""
    return hmac.digest(seed, f"{realm}\0{user_id}".encode(), "sha256")[:2]
