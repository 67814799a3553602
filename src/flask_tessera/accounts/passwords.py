"""Passwords: hashed, verified, and brought to today's strength when they are right."""

from __future__ import annotations

import os
import secrets
from hmac import compare_digest
from threading import Lock
from typing import TYPE_CHECKING, Final

from ..errors import ConfigError, InputError, ThrottledError
from ..fork import renew_in_children
from .hash_profiles import OWASP_MINIMUM, Argon2, HashingError, Profile, derive, parse
from .hash_slots import RETRY_AFTER, HashSlots

if TYPE_CHECKING:
    from collections.abc import Callable

    from .hash_profiles import StoredHash

LONGEST_PASSWORD: Final = 1024
"""Bytes of UTF-8: room for any passphrase, none for making us hash megabytes."""
SALT_BYTES: Final = 16
"""RFC 9106 §3.1 recommends 16."""

_DUMMY_SALT = bytes(SALT_BYTES)


class Passwords:
    """Hashes with argon2id; verifies that, and the hashes of Werkzeug, Django and bcrypt.

    Every failure costs the same: after a wrong password, for an unknown account and for a broken row alike, as much is
    worked off of each family of hashes as the costliest that was seen of it asks for, the account's own in earnest
    (CVE-2021-29621 told accounts apart by time, CVE-2022-21659 those with old hashes). Success is not slowed.

    Args:
        slots: bounds how many hashes run at once; as many as there are cores if none is given.
        current: how new hashes are made, at least `OWASP_MINIMUM`.
        derive: does the work of a profile on a password and a salt.
        random_bytes: gives that many.

    Raises:
        ConfigError: `current` is weaker than `OWASP_MINIMUM`, or dearer than a stored hash may be.
    """

    def __init__(
        self,
        slots: HashSlots | None = None,
        *,
        current: Argon2 = OWASP_MINIMUM,
        derive: Callable[[Profile, bytes, bytes], bytes] = derive,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        if not current.is_at_least(OWASP_MINIMUM) or not current.is_affordable:
            raise ConfigError("Passwords(current=…) must be at least OWASP_MINIMUM and ask for at most 128 MiB")
        self._slots = slots or HashSlots(os.cpu_count() or 1)
        self._current = current
        self._derive = derive
        self._random_bytes = random_bytes
        self._costliest: dict[str, Profile] = {current.family: current}
        renew_in_children(self)

    def reset_after_fork(self) -> None:
        """A thread of the parent may have been taking note of a hash."""
        self._lock = Lock()

    def hash(self, password: str) -> str:
        """The text to be stored for a new password.

        Raises:
            InputError: the password is no text, empty, over 1024 bytes, or holds NUL or a lone surrogate.
            ThrottledError: too many are being hashed right now.
        """
        secret = password_bytes(password)
        with self._slots.acquire():
            salt = self._random_bytes(SALT_BYTES)
            return self._current.render(salt, self._work(self._current, secret, salt))

    def verify(self, stored: str | None, password: str | None) -> bool:
        """Whether `password` is the one behind `stored`.

        Args:
            stored: the row's hash; None for an unknown account, which costs the same work. A malformed one never
                matches.
            password: byte-exact: nothing is trimmed, folded or cut.

        Raises:
            InputError: the password is None or no text, empty, over 1024 bytes, or holds NUL or a lone surrogate.
            ThrottledError: too many are being hashed right now; the password was not checked.
        """
        secret = password_bytes(password)
        expected = self._remembered(stored)
        with self._slots.acquire():
            is_right = expected is not None and self._matches(secret, expected)
            if not is_right:
                self._work_off_the_rest(secret, expected)
            return is_right

    def refuse_if_full(self) -> None:
        """Refuse at once where `verify` would find no place; errors as of `HashSlots.refuse_if_full`."""
        self._slots.refuse_if_full()

    def needs_rehash(self, stored: str) -> bool:
        """Whether a hash that has just verified should be replaced by `hash(password)`: any that we would not write.

        Store the new one only where the row still holds the old one, or a password change at the same moment is undone.
        """
        parsed = parse(stored)
        return parsed is None or not self._is_strong(parsed)

    def remember(self, stored: str | None) -> None:
        """Take note of how an old hash was made, so that failures cost alike from the first one on.

        `verify` does so too; a service that starts with old rows shows a few of them here before it serves.
        """
        self._remembered(stored)

    def _remembered(self, stored: object) -> StoredHash | None:
        parsed = parse(stored)
        if parsed is None:
            return None
        profile = parsed.profile
        with self._lock:
            costliest = self._costliest.get(profile.family)
            if costliest is None or costliest.units < profile.units:
                # In place of the old one: another thread may be going through that.
                self._costliest = {**self._costliest, profile.family: profile}
        return parsed

    def _matches(self, secret: bytes, expected: StoredHash) -> bool:
        return compare_digest(self._work(expected.profile, secret, expected.salt), expected.digest)

    def _work_off_the_rest(self, secret: bytes, expected: StoredHash | None) -> None:
        """Whatever the account's own hash has cost of its family, the rest of that and all of the others."""
        own = expected.profile if expected else None
        for family, costliest in self._costliest.items():
            done = own.units if own and own.family == family else 0
            if done < costliest.units:
                for profile in costliest.of_units(costliest.units - done):
                    self._work(profile, secret, _DUMMY_SALT)

    def _is_strong(self, expected: StoredHash) -> bool:
        is_argon2 = isinstance(expected.profile, Argon2) and expected.profile.is_at_least(self._current)
        return is_argon2 and not expected.is_translated

    def _work(self, profile: Profile, secret: bytes, salt: bytes) -> bytes:
        try:
            return self._slots.run(self._derive, profile, secret, salt)
        except (HashingError, MemoryError) as error:
            # Out of memory is no wrong password.
            raise ThrottledError(RETRY_AFTER) from error


def password_bytes(password: object) -> bytes:
    """The password as it is hashed, checked before any work is done.

    Raises:
        InputError: it is no text, empty, over 1024 bytes, or holds NUL or a lone surrogate.
    """
    if not isinstance(password, str) or not 0 < len(password) <= LONGEST_PASSWORD or "\0" in password:
        raise InputError(f"a password is text of 1 to {LONGEST_PASSWORD} bytes without NUL")
    try:
        secret = password.encode()
    except UnicodeEncodeError as error:
        raise InputError("a password must not hold lone surrogates") from error
    if len(secret) > LONGEST_PASSWORD:
        raise InputError(f"a password has at most {LONGEST_PASSWORD} bytes of UTF-8")
    return secret
