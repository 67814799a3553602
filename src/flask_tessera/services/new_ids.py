"""Ids of what belongs to a user, in the order in which they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..sessions.ids import make_sid

if TYPE_CHECKING:
    from .ports import RandomBytes


class NewIds:
    """Makes ids of sessions, and of what is named like them, in one realm.

    Args:
        realm: the population of users.
        random_bytes: gives random bytes.
    """

    def __init__(self, realm: str, random_bytes: RandomBytes) -> None:
        self._realm = realm
        self._random_bytes = random_bytes
        self._last_milliseconds = 0

    def make(self, user_id: str, at: int) -> bytes:
        """An id (16 bytes) that is new at Unix second `at`."""
        # The clock counts whole seconds; within one the last three digits count ids, so that they sort by age.
        following = self._last_milliseconds + 1
        self._last_milliseconds = following if at * 1000 <= following < (at + 1) * 1000 else at * 1000
        return make_sid(self._last_milliseconds, self._realm, user_id, self._random_bytes(8))
