"""The TOTP generator of a user (RFC 6238): set up, confirmed, and then asked at logins.

How it works. A user has one value: the secret in use, and one that waits to be confirmed by a first code, both sealed
(`at_rest.py`). To begin anew leaves the one in use as it is, until the new one is confirmed. A code is good once
(RFC 6238 §5.2): the time step of the last one is kept, and only a later one is taken, by writing it over the version in
which it was read. So of many processes that check one code at once one succeeds, on every storage.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from ..accounts import totp
from ..errors import CodeWrongError, StorageUnavailableError
from ..storage.key_value import hashed_key, owned_key
from ..tokens.claims import LAST_SECOND
from .at_rest import seal, unseal
from .undoing import undone_if_refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..storage.key_value import KeyValue
    from ..tokens.keys import KeyRing
    from .factor_limit import FactorLimit
    from .ports import Clock, RandomBytes
    from .recovery_codes import RecoveryCodes

KIND: Final = "totp"
CONFIRM_WITHIN: Final = 900
"""Seconds for which a secret waits for its first code."""
_MOST_TRIES: Final = 100
"""Writers that may be faster, one after another."""


class _Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of a user.

    Attributes:
        active: the sealed secret in use; empty while there is none.
        last_step: the time step of the last code that was taken; -1 before the first.
        pending: the sealed secret that waits for its first code; empty for none.
        pending_until: first Unix second in which that is worth nothing any more.
    """

    active: bytes = b""
    last_step: int = -1
    pending: bytes = b""
    pending_until: int = 0


class NewGenerator(NamedTuple):
    """A secret that is not in use yet, in base32, and the `otpauth:` address that holds it."""

    secret: str
    uri: str


_decode: Final = msgspec.json.Decoder(_Kept).decode
_encode: Final = msgspec.json.Encoder().encode


class TotpFactors:
    """The TOTP generators of one realm. Every method may raise StorageUnavailableError; user ids are texts.

    Args:
        values: of the storage.
        ring: of the purpose "at_rest".
        realm: the population of users.
        clock: gives now, Unix seconds.
        random_bytes: gives random bytes.
        limit: counts wrong codes.
        recovery_codes: of whoever sets up a generator.
    """

    def __init__(
        self,
        values: KeyValue,
        ring: KeyRing,
        realm: str,
        *,
        clock: Clock,
        random_bytes: RandomBytes,
        limit: FactorLimit,
        recovery_codes: RecoveryCodes,
    ) -> None:
        self._values = values
        self._ring = ring
        self._realm = realm
        self._clock = clock
        self._random_bytes = random_bytes
        self._limit = limit
        self._recovery_codes = recovery_codes

    def begin(self, user_id: str, account: str, issuer: str) -> NewGenerator:
        """Make a secret that waits `CONFIRM_WITHIN` seconds for its first code; one that waited before is dropped.

        Args:
            user_id: whose.
            account: what the app calls it, beside the issuer.
            issuer: the name of the application.
        """
        secret = totp.secret_of(self._random_bytes(totp.SECRET_BYTES))

        def begun(kept: _Kept) -> _Kept:
            pending_until = self._clock() + CONFIRM_WITHIN
            return replace(kept, pending=self._sealed(user_id, secret), pending_until=pending_until)

        self._change(user_id, begun)
        return NewGenerator(secret, totp.uri_of(secret, account=account, issuer=issuer))

    def confirm(
        self,
        user_id: str,
        code: object,
        *,
        address: str = "",
        device_id: str = "",
        check: Callable[[], object] | None = None,
    ) -> tuple[str, ...]:
        """Put the secret that waits to use, for a code of it; gives new recovery codes, which are shown once.

        The code is taken: it is not good for a login any more.

        Args:
            user_id: whose.
            code: as received; any object is safe.
            address: as of `check`.
            device_id: as of `check`.
            check: raises if the owner is not allowed to set it up any more; then all is as it was.

        Raises:
            CodeWrongError: the code is wrong, or no secret waits any more.
            ThrottledError: there were too many wrong ones.
        """
        before = _Kept()

        def confirmed(kept: _Kept) -> _Kept:
            nonlocal before
            before, at = kept, self._clock()
            secret = self._opened(user_id, kept.pending) if at < kept.pending_until else ""
            step = totp.match(secret, code, at) if secret else None
            if step is None:
                raise CodeWrongError("a wrong code, or no secret waits for one")
            return _Kept(active=self._sealed(user_id, secret), last_step=step)

        with self._limit.attempt(user_id, address=address, device_id=device_id):
            self._change(user_id, confirmed)
        with undone_if_refused(lambda: self._change(user_id, lambda _: replace(before, pending=b"", pending_until=0))):
            return self._recovery_codes.renew(user_id, check)

    def waits(self, user_id: str, secret: str) -> bool:
        """Whether this is the secret that waits for its first code; to begin anew drops the one before."""
        at = self._clock()
        value = self._values.get(KIND, self._key(user_id), at=at)
        kept = _decode(value.value) if value is not None else _Kept()
        return at < kept.pending_until and compare_digest(self._opened(user_id, kept.pending), secret)

    def check(self, user_id: str, code: object, *, address: str = "", device_id: str = "") -> None:
        """Take a code of the secret in use, once.

        Args:
            user_id: whose.
            code: as received; any object is safe.
            address: the client's, from trusted proxies only: by it and `device_id` wrong codes are counted.
            device_id: how the client's device calls itself; empty where it does not.

        Raises:
            CodeWrongError: it is wrong, was used, or the user has no generator.
            ThrottledError: there were too many wrong ones.
        """

        def taken(kept: _Kept) -> _Kept:
            secret = self._opened(user_id, kept.active)
            step = totp.match(secret, code, self._clock()) if secret else None
            if step is None or step <= kept.last_step:
                raise CodeWrongError("a wrong or used code, or no generator")
            # Sealed anew, so that the key of a fallback is needed no longer.
            return replace(kept, active=self._sealed(user_id, secret), last_step=step)

        with self._limit.attempt(user_id, address=address, device_id=device_id):
            self._change(user_id, taken)

    def is_active(self, user_id: str) -> bool:
        """Whether the user has a generator that was confirmed."""
        value = self._values.get(KIND, self._key(user_id), at=self._clock())
        return value is not None and bool(_decode(value.value).active)

    def remove(self, user_id: str, check: Callable[[], object] | None = None) -> None:
        """Forget the user's generator, and one that waits; where `check` raises afterwards, it is there still."""
        before = self._values.get(KIND, self._key(user_id), at=self._clock())
        self._values.delete(KIND, self._key(user_id))

        def undo() -> None:
            if before is not None:
                self._change(user_id, lambda _: _decode(before.value))

        with undone_if_refused(undo):
            (check or bool)()

    def _change(self, user_id: str, change: Callable[[_Kept], _Kept]) -> None:
        """Write what `change` makes of what is kept; again where somebody else was faster. Errors as of `change`."""
        for _ in range(_MOST_TRIES):
            at = self._clock()
            value = self._values.get(KIND, self._key(user_id), at=at)
            kept = change(_decode(value.value) if value is not None else _Kept())
            if self._values.put(
                KIND,
                self._key(user_id),
                _encode(kept),
                expires_at=LAST_SECOND if kept.active else kept.pending_until,
                at=at,
                owner=(self._realm, user_id),
                expected_version=value.version if value is not None else 0,
            ):
                return
        raise StorageUnavailableError("others change this TOTP generator all the time", writing=True)

    def _sealed(self, user_id: str, secret: str) -> bytes:
        return seal(self._ring, secret.encode(), self._place(user_id), self._random_bytes)

    def _opened(self, user_id: str, sealed: bytes) -> str:
        return unseal(self._ring, sealed, self._place(user_id)).decode() if sealed else ""

    def _place(self, user_id: str) -> tuple[str, ...]:
        return self._realm, user_id, KIND

    def _key(self, user_id: str) -> bytes:
        return owned_key(self._realm, user_id, hashed_key(self._realm, user_id))
