"""Hashing that is counted rather than done."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask_tessera.accounts import hash_profiles


class Work:
    """Counts which profiles were worked through; cheap, and still different for every input."""

    def __init__(self) -> None:
        self.done: list[hash_profiles.Profile] = []

    def __call__(self, profile, password: bytes, salt: bytes) -> bytes:
        self.done.append(profile)
        return hashlib.sha256(repr((profile, password, salt)).encode()).digest()

    def taken(self) -> list[hash_profiles.Profile]:
        """What was done since the last call."""
        done, self.done = self.done, []
        return done

    def units_taken(self) -> Counter[str]:
        """How much that was of each family of hashes."""
        units: Counter[str] = Counter()
        for profile in self.taken():
            units[profile.family] += profile.units
        return units
