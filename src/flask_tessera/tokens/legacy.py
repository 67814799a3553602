"""Tokens that itsdangerous up to 2.0 issued with its TimedJSONWebSignatureSerializer."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Final

from ..errors import ConfigError, TokenExpiredError, TokenInvalidError
from .access import LONGEST_TOKEN
from .claims import LAST_SECOND, is_safe_text
from .encoding import decode, encode, plain

LONGEST_USER_ID: Final = 255
"""Characters of a user id that is text."""
MOST_DIGITS: Final = 19
"""Digits of an integer; longer ones are refused before they are converted (CVE-2020-10735)."""
ALGORITHMS: Final = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
"""What itsdangerous could sign with, `none` left out (RFC 7518 §3.2)."""

_HEADER_MEMBERS = {"alg", "iat", "exp"}


@dataclass(frozen=True, slots=True)
class LegacyClaims:
    """What an old token says: a user id, and the Unix seconds between which it is good (`expires_at` exclusive)."""

    user_id: int | str
    issued_at: int
    expires_at: int


class LegacyTokens:
    """Reads the tokens of one old application, until a day on which that ends.

    Only the profile that was declared is read. The old tutorials sign confirmation and reset links under the
    same secret, so a payload with any other or any further member is no login.

    Args:
        secret: the old application's `SECRET_KEY`.
        user_key: the one member of the payload, which holds the user id.
        algorithm: `HS512` was the default since itsdangerous 1.0, `HS256` before, `HS384` by choice.
        salt: as given to the old serializer; None where none was given.
        until: Unix seconds at which old tokens stop to be accepted, whatever they say themselves.

    Raises:
        ConfigError: an argument is empty, of the wrong type or unknown.
    """

    __slots__ = ("_algorithm", "_key", "_until", "_user_key")

    def __init__(
        self,
        secret: str | bytes,
        *,
        user_key: str = "id",
        algorithm: str = "HS512",
        salt: str | bytes | None = None,
        until: int,
    ) -> None:
        if type(algorithm) is not str or algorithm not in ALGORITHMS:
            raise ConfigError(f"TESSERA_LEGACY: algorithm must be one of {', '.join(ALGORITHMS)}, not {algorithm!r}")
        if type(user_key) is not str or not user_key:
            raise ConfigError("TESSERA_LEGACY: user_key must be the name of the payload's member, such as 'id'")
        if type(until) is not int:
            raise ConfigError("TESSERA_LEGACY: until must be the whole Unix second at which the window closes")
        self._key = _key_of(secret, salt)
        self._user_key = user_key
        self._algorithm = algorithm
        self._until = until

    def verify(self, text: str, *, at: int) -> LegacyClaims:
        """Read a token of the old application.

        Generic JWT libraries accept an expired one for ever: its times stand in the header, where they do not look.

        Args:
            text: as received; any object is safe.
            at: now, Unix seconds.

        Raises:
            TokenInvalidError: not such a token, not a login, or issued after `at`.
            TokenExpiredError: genuine, but its own time or the window is over.
        """
        header, payload = self._genuine_segments_of(plain(text))
        issued_at, expires_at = self._times_of(_object_of(header))
        claims = LegacyClaims(self._user_id_of(_object_of(payload)), issued_at, expires_at)
        if issued_at > at:
            raise TokenInvalidError
        if at >= min(expires_at, self._until):
            raise TokenExpiredError
        return claims

    def _genuine_segments_of(self, text: str) -> tuple[bytes, bytes]:
        """Header and payload, still encoded, once the MAC over them is good."""
        if len(text) > LONGEST_TOKEN or not text.isascii():
            raise TokenInvalidError
        signed, _, mac = text.encode().rpartition(b".")
        # Comparing texts, not bytes, leaves the MAC one spelling.
        if not hmac.compare_digest(encode(hmac.digest(self._key, signed, ALGORITHMS[self._algorithm])), mac):
            raise TokenInvalidError
        header, _, payload = signed.partition(b".")
        return header, payload

    def _times_of(self, header: dict[str, object]) -> tuple[int, int]:
        if header.keys() != _HEADER_MEMBERS or header["alg"] != self._algorithm:
            raise TokenInvalidError
        issued_at, expires_at = header["iat"], header["exp"]
        # The exact type: a bool is an int to isinstance, and True is no time.
        if type(issued_at) is not int or type(expires_at) is not int:
            raise TokenInvalidError
        if not 0 <= issued_at <= expires_at <= LAST_SECOND:
            raise TokenInvalidError
        return issued_at, expires_at

    def _user_id_of(self, payload: dict[str, object]) -> int | str:
        if payload.keys() != {self._user_key}:
            raise TokenInvalidError
        user_id = payload[self._user_key]
        if type(user_id) is int:
            return user_id
        if type(user_id) is str and 0 < len(user_id) <= LONGEST_USER_ID and is_safe_text(user_id):
            return user_id
        raise TokenInvalidError


def _key_of(secret: str | bytes, salt: str | bytes | None) -> bytes:
    """The MAC key: the secret itself, or itsdangerous' derivation `django-concat` where a salt was given."""
    key = _bytes_of(secret, "secret")
    if not key:
        raise ConfigError("TESSERA_LEGACY: secret must be the old application's SECRET_KEY; it is empty")
    if salt is None:
        return key
    return hashlib.sha1(_bytes_of(salt, "salt") + b"signer" + key, usedforsecurity=False).digest()


def _bytes_of(value: str | bytes, name: str) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return value.encode()
    except (AttributeError, UnicodeEncodeError) as error:
        raise ConfigError(f"TESSERA_LEGACY: {name} must be text or bytes") from error


def _object_of(segment: bytes) -> dict[str, object]:
    """The JSON object in a segment, if it is spelled as itsdangerous spells it.

    Writing it again must give the same text, which refuses duplicates, blanks and numbers in other spellings.
    Non-ASCII was escaped up to 0.24 and is not since 1.0; members come in any order (Python before 3.6).
    """
    try:
        text = decode(segment).decode()
        value = json.loads(text, parse_int=_bounded_integer)
        is_canonical = text in (_compact(value, escaped=False), _compact(value, escaped=True))
    except (ValueError, RecursionError) as error:
        raise TokenInvalidError from error
    if not is_canonical or type(value) is not dict:
        raise TokenInvalidError
    return value


def _bounded_integer(digits: str) -> int:
    if len(digits.removeprefix("-")) > MOST_DIGITS:
        raise ValueError("too many digits")
    return int(digits)


def _compact(value: object, *, escaped: bool) -> str:
    return json.dumps(value, ensure_ascii=escaped, separators=(",", ":"))
