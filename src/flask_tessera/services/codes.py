"""Codes that people type: six digits that were sent to them, good for one thing, once, for five minutes.

How it works. A code is one small value (kind `code`) for each purpose and recipient; the next one takes its place. Kept
is its MAC: of six digits a plain hash would be guessed in a moment by whoever has stolen the database. Each try is
counted before it is compared, so parallel guesses beyond the limit are never compared; a right one is used up by a
compare-and-set, so of many that present it at once one is let in (OWASP ASVS 6.5.1, 6.6.3).

A try costs the same work, and is answered alike, whether or not there is a code: nobody learns whom one was sent to.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from ..errors import CodeWrongError, ThrottledError
from ..storage.key_value import hashed_key
from .tries import count_try

if TYPE_CHECKING:
    from ..accounts.recipients import Recipient
    from ..storage.key_value import KeyValue
    from ..tokens.keys import Key, KeyRing
    from .ports import Clock, RandomBytes

LIFETIME: Final = 300
"""Seconds for which a code is good."""
TRIES: Final = 5
DIGITS: Final = 6
_KIND: Final = "code"
_USED: Final = b""


class CodeSpentError(ThrottledError):
    """A code was tried too often.

    That counts for who has tried it, as a wrong code does: else he could wait for the next code, and end it too.
    """


class Codes:
    """The codes of one realm.

    Args:
        values: of the storage.
        ring: the keys of the MACs.
        realm: the population of users.
        clock: gives now in Unix seconds.
        random_bytes: gives so many random bytes.
    """

    def __init__(self, values: KeyValue, ring: KeyRing, *, realm: str, clock: Clock, random_bytes: RandomBytes) -> None:
        self._values = values
        self._ring = ring
        self._realm = realm
        self._clock = clock
        self._random_bytes = random_bytes

    def make(self) -> str:
        """A new code, which is not kept yet."""
        # 64 bits over a million: no digit is likelier than another by more than 1 in 10^13.
        return str(int.from_bytes(self._random_bytes(8)) % 10**DIGITS).zfill(DIGITS)

    def keep(self, purpose: str, recipient: Recipient, code: str) -> None:
        """Make a code that was sent good for `LIFETIME` seconds, and the one before it good for nothing.

        Raises:
            StorageUnavailableError: it may not be good.
        """
        at = self._clock()
        key, mac = self._key(purpose, recipient), self._mac(self._ring.active, purpose, recipient, code)
        self._values.put(_KIND, key, mac, expires_at=at + LIFETIME, at=at)

    def use(self, purpose: str, recipient: Recipient, code: object) -> None:
        """Use the code of a recipient up.

        Args:
            purpose: for what it must have been sent.
            recipient: to whom.
            code: what was typed; any object is safe.

        Raises:
            CodeWrongError: it is wrong, used or expired, or none was sent.
            CodeSpentError: it was tried too often; another one has to be sent.
            StorageUnavailableError: that cannot be told; it may be used up.
        """
        at, key = self._clock(), self._key(purpose, recipient)
        value = self._values.get(_KIND, key, at=at)
        version = value.version if value else 0
        place = hashed_key("code", key.hex(), str(version))
        count_try(self._values, place, most=TRIES, window=LIFETIME, at=at, refusal=CodeSpentError)
        typed = code if isinstance(code, str) and len(code) == DIGITS and code.isascii() else ""
        kept = value.value if value else _USED
        macs = [self._mac(each, purpose, recipient, typed) for each in self._ring.keys]
        is_right = any(compare_digest(kept, each) for each in macs)
        until = value.expires_at if value else at
        if not is_right or not self._values.put(_KIND, key, _USED, expires_at=until, at=at, expected_version=version):
            raise CodeWrongError("wrong, used or expired")

    def drop(self, purpose: str, recipient: Recipient) -> None:
        """Make a code that was sent good for nothing."""
        self._values.delete(_KIND, self._key(purpose, recipient))

    def _key(self, purpose: str, recipient: Recipient) -> bytes:
        return hashed_key("code", self._realm, purpose, *recipient)

    def _mac(self, key: Key, purpose: str, recipient: Recipient, code: str) -> bytes:
        return key.mac(hashed_key(self._realm, purpose, *recipient, code))
