"""Recovery codes: ten texts to write down, each of which stands in for a second factor once.

They are short enough to be typed, so whoever has stolen the storage could guess one by a plain hash: what is kept is
its MAC under a key that the storage does not hold. All of a user are one value. To use one is to write the value
without it over the version in which it still was: of many who try the same code one succeeds.
"""

from __future__ import annotations

import re
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

import msgspec

from ..errors import CodeWrongError, StorageUnavailableError
from ..storage.key_value import hashed_key, owned_key
from ..storage.model import ANY_VERSION
from ..tokens.claims import LAST_SECOND
from .undoing import undone_if_refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..storage.key_value import KeyValue
    from ..storage.model import Value
    from ..tokens.keys import KeyRing
    from .factor_limit import FactorLimit
    from .ports import Clock, RandomBytes

KIND: Final = "recovery"
CODES: Final = 10
ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base32: no i, l, o and u."""
_CHARACTERS: Final = 10
"""Of five bits each."""
_LOOKALIKES: Final = str.maketrans("ilo", "110")
_TYPED: Final = re.compile(r"[\s-]+")
_CODE: Final = re.compile(f"[{ALPHABET}]{{{_CHARACTERS}}}")
_LONGEST_TYPED: Final = 64
_MAC_BYTES: Final = 16
_MOST_TRIES: Final = 100
"""Writers that may be faster, one after another."""


class _Codes(msgspec.Struct, frozen=True):
    """The MACs of the codes that are left, and the Unix second in which they were made."""

    macs: tuple[bytes, ...]
    made_at: int


_decode: Final = msgspec.json.Decoder(_Codes).decode
_encode: Final = msgspec.json.Encoder().encode


class RecoveryCodes:
    """The recovery codes of one realm. Every method may raise StorageUnavailableError; user ids are texts.

    Args:
        values: of the storage.
        ring: of the purpose "code".
        realm: the population of users.
        clock: gives now, Unix seconds.
        random_bytes: gives random bytes.
        limit: counts wrong codes.
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
    ) -> None:
        self._values = values
        self._ring = ring
        self._realm = realm
        self._clock = clock
        self._random_bytes = random_bytes
        self._limit = limit

    def renew(self, user_id: str, check: Callable[[], object] | None = None) -> tuple[str, ...]:
        """Ten new codes, as they are shown, once; those from before are worth nothing any more.

        Args:
            user_id: whose.
            check: raises if the owner is not allowed to have them any more; then those from before are good still.
        """
        codes, before = [self._new_code() for _ in range(CODES)], self._get(user_id)
        macs = tuple(self._macs(user_id, each)[0] for each in codes)
        self._put(user_id, _Codes(macs, self._clock()))

        def undo() -> None:
            if before is None:
                self.remove(user_id)
            else:
                self._put(user_id, _decode(before.value))

        with undone_if_refused(undo):
            (check or bool)()
        return tuple(f"{each[:5]}-{each[5:]}" for each in codes)

    def use(self, user_id: str, code: object, *, address: str = "", device_id: str = "") -> None:
        """Use a code up; in any case, with or without dash and blanks.

        Raises:
            CodeWrongError: it is none of those that are left.
            ThrottledError: there were too many wrong ones.
        """
        with self._limit.attempt(user_id, address=address, device_id=device_id):
            wanted = self._macs(user_id, _read(code))
            for _ in range(_MOST_TRIES):
                value = self._get(user_id)
                codes = _decode(value.value) if value is not None else _Codes((), 0)
                used = [each for each in codes.macs if _is_among(each, wanted)]
                if value is None or not used:
                    raise CodeWrongError("no such recovery code, or it was used")
                left = tuple(each for each in codes.macs if each not in used)
                if self._put(user_id, _Codes(left, codes.made_at), over=value.version):
                    return
        raise StorageUnavailableError("others change these recovery codes all the time", writing=True)

    def left(self, user_id: str) -> int:
        """How many codes have not been used."""
        value = self._get(user_id)
        return len(_decode(value.value).macs) if value is not None else 0

    def remove(self, user_id: str) -> None:
        """Let none of the codes be good any more."""
        self._values.delete(KIND, self._key(user_id))

    def _new_code(self) -> str:
        # 256 is eight times 32, so that no character is likelier than another.
        return "".join(ALPHABET[each % len(ALPHABET)] for each in self._random_bytes(_CHARACTERS))

    def _macs(self, user_id: str, code: str) -> list[bytes]:
        """What may be kept of a code of this user: under the active key first, then under those of fallbacks."""
        message = hashed_key(KIND, self._realm, user_id, code)
        return [key.mac(message)[:_MAC_BYTES] for key in self._ring.keys]

    def _key(self, user_id: str) -> bytes:
        return owned_key(self._realm, user_id, hashed_key(self._realm, user_id))

    def _get(self, user_id: str) -> Value | None:
        return self._values.get(KIND, self._key(user_id), at=self._clock())

    def _put(self, user_id: str, codes: _Codes, *, over: int = ANY_VERSION) -> int:
        return self._values.put(
            KIND,
            self._key(user_id),
            _encode(codes),
            expires_at=LAST_SECOND,
            at=self._clock(),
            owner=(self._realm, user_id),
            expected_version=over,
        )


def _read(code: object) -> str:
    """The ten characters of what somebody has typed.

    Raises:
        CodeWrongError: it is nothing of that form.
    """
    if isinstance(code, str) and len(code) <= _LONGEST_TYPED and code.isascii():
        plain = _TYPED.sub("", code).lower().translate(_LOOKALIKES)
        if _CODE.fullmatch(plain):
            return plain
    raise CodeWrongError("this has not the form of a recovery code")


def _is_among(mac: bytes, wanted: list[bytes]) -> bool:
    return any(compare_digest(mac, each) for each in wanted)
