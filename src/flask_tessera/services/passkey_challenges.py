"""Challenges that a passkey answers to log in: nothing is kept of one until it was answered rightly.

A challenge is a time and random bytes under a MAC, which also covers whose passkeys may answer it. So anybody may ask
for as many as he likes, and no storage is filled. What has been answered is kept until it would have expired: of many
requests with one answer, one is let in.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from ..errors import CodeWrongError
from ..storage.key_value import hashed_key
from ..tokens.encoding import encode
from .passkey_options import LIFETIME
from .ports import CLOCKS_APART

if TYPE_CHECKING:
    from ..storage.key_value import KeyValue
    from ..tokens.keys import Key, KeyRing
    from .ports import Clock, RandomBytes
    from .tickets import ValidFrom

_KIND: Final = "passkey_spent"
_TIME = slice(0, 8)
_RANDOM_BYTES: Final = 16
_BODY = slice(0, 8 + _RANDOM_BYTES)
_MAC = slice(8 + _RANDOM_BYTES, None)


class PasskeyChallenges:
    """The challenges of one realm.

    Args:
        values: of the storage.
        ring: makes the MACs; another realm has another one.
        clock: gives now, Unix seconds.
        random_bytes: gives random bytes.
        valid_from: gives the second of the last restore from a backup, which has forgotten what was answered.
    """

    def __init__(
        self, values: KeyValue, ring: KeyRing, *, clock: Clock, random_bytes: RandomBytes, valid_from: ValidFrom
    ) -> None:
        self._values = values
        self._ring = ring
        self._clock = clock
        self._random_bytes = random_bytes
        self._valid_from = valid_from

    def issue(self, user_id: str = "") -> bytes:
        """A challenge of 56 bytes for passkeys of this user; of anybody, if it is empty."""
        body = self._clock().to_bytes(8, "big") + self._random_bytes(_RANDOM_BYTES)
        return body + _mac(self._ring.active, user_id, body)

    def check(self, challenge: bytes, user_id: str = "") -> None:
        """Go on only if a challenge is ours, for this user or anybody, and fresh; whether it was answered, is not seen.

        Raises:
            CodeWrongError: it is not.
            StorageUnavailableError: that cannot be told.
        """
        body, mac = challenge[_BODY], challenge[_MAC]
        macs = [_mac(key, owner, body) for key in self._ring.keys for owner in {"", user_id}]
        # All of them, so that the time tells nothing of which one it is.
        if not sum(compare_digest(each, mac) for each in macs):
            raise CodeWrongError("the challenge is not ours, or another user's")
        at, issued_at = self._clock(), _issued_at(challenge)
        if not -CLOCKS_APART <= at - issued_at < LIFETIME or issued_at < self._valid_from(at=at):
            raise CodeWrongError("the challenge has expired")

    def spend(self, challenge: bytes) -> None:
        """Keep that a challenge which `check` has passed was answered.

        Raises:
            CodeWrongError: it was before; of many callers one gets through.
            StorageUnavailableError: the outcome may be unknown.
        """
        # As long as some worker, whose clock may be slow, would take it: whoever purges may have a fast one.
        expires_at = _issued_at(challenge) + LIFETIME + 2 * CLOCKS_APART
        name = hashed_key("passkey", encode(challenge).decode())
        if not self._values.put(_KIND, name, b"", expires_at=expires_at, at=self._clock(), expected_version=0):
            raise CodeWrongError("the challenge was answered before")


def _issued_at(challenge: bytes) -> int:
    return int.from_bytes(challenge[_TIME], "big")


def _mac(key: Key, user_id: str, body: bytes) -> bytes:
    return key.mac(body + user_id.encode(errors="surrogatepass"))
