"""What an access token says, and the checks that re-encoding cannot make."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from ..errors import ClaimsInvalidError, TokenInvalidError

LAST_SECOND: Final = 253_402_300_799
"""The end of the year 9999 in Unix seconds."""
LARGEST_COUNTER: Final = 2**32 - 1
"""A generation fits the four bytes of a refresh token."""
_DEEPEST = 32
_MOST_MEMBERS = 256
_LARGEST_INTEGER = 2**63 - 1
# C0, DEL, C1, line and paragraph separators, lone surrogates: none may reach a log or a database.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_DECODE_ERRORS = (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError, ValueError)


_Second = Annotated[int, Meta(ge=0, le=LAST_SECOND)]
_Counter = Annotated[int, Meta(ge=0, le=LARGEST_COUNTER)]
_Text = Annotated[str, Meta(min_length=1)]


class Claims(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Claims of an access token, in the order in which they are written (RFC 7519 §4.1, RFC 9068 §2.2).

    Times are Unix seconds. `sid` names the session, `gen` the generation of its refresh token, `ep` the
    user's epoch at login, `auth_time` the login (0: left out), `amr` how the user logged in (RFC 8176), `scope` is
    separated by spaces (RFC 8693 §4.2), `act` who acts for the user (RFC 8693 §4.1), `cnf` a key the
    token is bound to (RFC 7800), `ext` the application's own.
    """

    sub: _Text
    sid: _Text
    gen: _Counter
    ep: _Counter
    iat: _Second
    exp: _Second
    auth_time: _Second = 0
    realm: str = ""
    iss: str = ""
    aud: str = ""
    amr: tuple[_Text, ...] = ()
    scope: str = ""
    act: dict[str, Any] | None = None
    cnf: dict[str, Any] | None = None
    ext: dict[str, Any] = {}


_decode = msgspec.json.Decoder(Claims).decode
_encode = msgspec.json.Encoder().encode


def decode_canonical(data: bytes) -> Claims:
    """Claims behind `data`, if it is the one spelling of them and all of them are in range.

    Whether the token is in time is the caller's question.

    Raises:
        TokenInvalidError: anything else.
    """
    try:
        claims = _decode(data)
        if _encode(claims) != data:
            raise TokenInvalidError
    except _DECODE_ERRORS as error:
        raise TokenInvalidError from error
    if not claims.auth_time <= claims.iat < claims.exp:
        raise TokenInvalidError
    # Without escapes the texts hold no C0 controls; ASCII without DEL leaves no others.
    is_plain = data.isascii() and b"\\" not in data and b"\x7f" not in data
    if not is_plain and _unsafe_text_of(claims):
        raise TokenInvalidError
    if (claims.ext or claims.act or claims.cnf) and not _are_bounded(claims):
        raise TokenInvalidError
    return claims


def encode_checked(claims: Claims) -> bytes:
    """The one spelling of `claims`, if `decode_canonical` would accept it.

    Raises:
        ClaimsInvalidError: it would not; the text names the claim.
    """
    try:
        data = _encode(claims)
        # Constructors check nothing, decoders everything.
        if decode_canonical(data) != claims:
            raise ClaimsInvalidError("a claim has another type than JSON gives back")
    except TokenInvalidError as error:
        raise ClaimsInvalidError(_fault_of(claims, error)) from error
    except (*_DECODE_ERRORS, TypeError) as error:
        raise ClaimsInvalidError(f"claims cannot be written as JSON: {error}") from error
    return data


def _fault_of(claims: Claims, error: TokenInvalidError) -> str:
    if error.__cause__ is not None:
        return str(error.__cause__)
    if not claims.auth_time <= claims.iat < claims.exp:
        return "times must be auth_time <= iat < exp"
    if name := _unsafe_text_of(claims):
        return f"{name} holds a control character"
    return "ext, act or cnf are too deep, too large or cannot be spelled in one way"


def is_safe_text(text: str) -> bool:
    """Whether `text` holds no control character and no lone surrogate, so that any log and database bears it."""
    return _UNSAFE.search(text) is None


def _unsafe_text_of(claims: Claims) -> str:
    for name in ("sub", "sid", "realm", "iss", "aud", "scope"):
        text = getattr(claims, name)
        if _UNSAFE.search(text):
            return name
    return "amr" if any(_UNSAFE.search(item) for item in claims.amr) else ""


def _are_bounded(claims: Claims) -> bool:
    """Whether the free members are small, flat and hold neither unsafe texts nor large integers."""
    level: list[Any] = [claims.ext, claims.act, claims.cnf]
    members = 0
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for value in level:
            if not _is_safe(value):
                return False
            below.extend(_inside(value))
        if not below:
            return True
        members += len(below)
        if members > _MOST_MEMBERS:
            return False
        level = below
    return False


def _is_safe(value: object) -> bool:
    if isinstance(value, str):
        return _LONE_SURROGATE.search(value) is None and "\0" not in value
    return not isinstance(value, int) or -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER


_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def _inside(value: object) -> list[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return list(value) if isinstance(value, list | tuple) else []
