"""Passwords: hashed, verified, and brought to today's strength when they are right."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from hmac import compare_digest
from threading import Lock
from typing import TYPE_CHECKING, Final

from argon2.exceptions import HashingError

from ..errors import ConfigError, InputError, ThrottledError
from ..fork import renew_in_children
from .hash_profiles import OWASP_MINIMUM, Argon2, Profile, derive, parse
from .hash_slots import RETRY_AFTER

if TYPE_CHECKING:
    from collections.abc import Callable

    from .hash_profiles import StoredHash
    from .hash_slots import HashSlots

LONGEST_PASSWORD: Final = 1024
"""Bytes of UTF-8: room for any passphrase, none for making us hash megabytes."""
MOST_LEGACY_PROFILES: Final = 6
"""How many kinds of old hash are imitated on failure; Werkzeug's default was one of four since 0.15 (2019)."""
SALT_BYTES: Final = 16
"""RFC 9106 §3.1 recommends 16."""

_DUMMY_SALT = bytes(SALT_BYTES)


@dataclass(frozen=True, slots=True)
class Verified:
    """Whether the password was right; true or false itself, so that `if verify(…)` means what it says.

    Attributes:
        ok: the password is the stored one.
        upgraded: a new hash to be stored in place of the old one, None where that is strong enough. Store it only
            where the row still holds the old hash, or a password change at the same moment is undone.
    """

    ok: bool
    upgraded: str | None = None

    def __bool__(self) -> bool:
        return self.ok


class Passwords:
    """Hashes with argon2id; verifies that and Werkzeug's PBKDF2 and scrypt.

    Every failure costs the same: after a wrong password, for an unknown account and for a broken row alike,
    the work of each profile seen so far is done once, the account's own in earnest, the others on a dummy
    (CVE-2021-29621 told accounts apart by time, CVE-2022-21659 those with old hashes). Success is not slowed.

    Args:
        slots: bounds how many hashes run at once.
        current: how new hashes are made, at least `OWASP_MINIMUM`.
        derive: does the work of a profile on a password and a salt.
        dice: that many random bytes.

    Raises:
        ConfigError: `current` is weaker than `OWASP_MINIMUM`, or dearer than a stored hash may be.
    """

    def __init__(
        self,
        slots: HashSlots,
        *,
        current: Argon2 = OWASP_MINIMUM,
        derive: Callable[[Profile, bytes, bytes], bytes] = derive,
        dice: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        if not current.is_at_least(OWASP_MINIMUM) or not current.is_affordable:
            raise ConfigError("Passwords(current=…) must be at least OWASP_MINIMUM and ask for at most 128 MiB")
        self._slots = slots
        self._current = current
        self._derive = derive
        self._dice = dice
        self._profiles: tuple[Profile, ...] = (current,)
        renew_in_children(self)

    def renew_locks(self) -> None:
        """A thread of the parent may have been taking note of a hash."""
        self._lock = Lock()

    def hash(self, password: str) -> str:
        """The text to be stored for a new password.

        Raises:
            InputError: the password is no text, empty, over 1024 bytes, or holds NUL or a lone surrogate.
            ThrottledError: too many are being hashed right now.
        """
        secret = _bytes_of(password)
        with self._slots.taken():
            return self._hash(secret)

    def verify(self, password: str, stored: str | None) -> Verified:
        """Whether `password` is the one behind `stored`.

        Args:
            password: byte-exact: nothing is trimmed, folded or cut.
            stored: the row's hash; None for an unknown account. A malformed one never matches.

        Raises:
            InputError: the password is no text, empty, over 1024 bytes, or holds NUL or a lone surrogate.
            ThrottledError: too many are being hashed right now; the password was not checked.
        """
        secret = _bytes_of(password)
        expected = self._remembered(stored)
        with self._slots.taken():
            if expected is None or not self._matches(secret, expected):
                self._work_off_the_rest(secret, expected)
                return Verified(ok=False)
            return Verified(ok=True, upgraded=None if self._is_strong(expected) else self._hash(secret))

    def remember(self, stored: str | None) -> None:
        """Take note of how an old hash was made, so that failures cost alike from the first one on.

        `verify` does so too; a service that starts with old rows shows a few of them here before it serves.
        """
        self._remembered(stored)

    def _remembered(self, stored: object) -> StoredHash | None:
        parsed = parse(stored)
        if parsed is None:
            return None
        with self._lock:
            if parsed.profile not in self._profiles and len(self._profiles) <= MOST_LEGACY_PROFILES:
                self._profiles = (*self._profiles, parsed.profile)
        return parsed

    def _matches(self, secret: bytes, expected: StoredHash) -> bool:
        return compare_digest(self._work(expected.profile, secret, expected.salt), expected.digest)

    def _work_off_the_rest(self, secret: bytes, expected: StoredHash | None) -> None:
        done = expected and expected.profile
        for profile in self._profiles:
            if profile != done:
                self._work(profile, secret, _DUMMY_SALT)

    def _is_strong(self, expected: StoredHash) -> bool:
        return isinstance(expected.profile, Argon2) and expected.profile.is_at_least(self._current)

    def _hash(self, secret: bytes) -> str:
        salt = self._dice(SALT_BYTES)
        return self._current.render(salt, self._work(self._current, secret, salt))

    def _work(self, profile: Profile, secret: bytes, salt: bytes) -> bytes:
        try:
            return self._slots.work(self._derive, profile, secret, salt)
        except (HashingError, MemoryError) as error:
            # Out of memory is no wrong password.
            raise ThrottledError(RETRY_AFTER) from error


def _bytes_of(password: object) -> bytes:
    """The password as it is hashed, checked before any work is done."""
    if not isinstance(password, str) or not 0 < len(password) <= LONGEST_PASSWORD or "\0" in password:
        raise InputError(f"a password is text of 1 to {LONGEST_PASSWORD} bytes without NUL")
    try:
        secret = password.encode()
    except UnicodeEncodeError as error:
        raise InputError("a password must not hold lone surrogates") from error
    if len(secret) > LONGEST_PASSWORD:
        raise InputError(f"a password has at most {LONGEST_PASSWORD} bytes of UTF-8")
    return secret
