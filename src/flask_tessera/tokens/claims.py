"""What an access token says, and the checks that re-encoding cannot make."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from ..errors import ClaimsInvalidError, TokenExpiredError, TokenInvalidError

LAST_SECOND: Final = 253_402_300_799
"""The end of the year 9999 in Unix seconds."""
LARGEST_COUNTER: Final = 2**32 - 1
"""A generation fits the four bytes of a refresh token."""
LARGEST_LEEWAY: Final = 120
"""Seconds; RFC 7519 §4.1.4 asks for no more than a few minutes."""
DEEPEST: Final = 32
"""Objects and arrays inside each other, the claims themselves included."""
MOST_MEMBERS: Final = 256
"""Values within `ext`, `act` and `cnf` together, on all levels."""
LARGEST_INTEGER: Final = 2**63 - 1
"""In `ext`, `act` and `cnf`, either sign."""
_BACKSLASH, _DELETE = b"\\\x7f"
# C0, DEL, C1, line and paragraph separators, lone surrogates: none may reach a log or a database.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_DECODE_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)


_Second = Annotated[int, Meta(ge=0, le=LAST_SECOND)]
_Counter = Annotated[int, Meta(ge=0, le=LARGEST_COUNTER)]
_Text = Annotated[str, Meta(min_length=1)]


# Trees that the decoder made hold no cycles: the garbage collector need not look at them.
class Claims(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
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


def read(data: bytes, at: int, issuer: str, audience: str, leeway: int, longest: int) -> Claims:
    """Claims behind `data`, if it is the one spelling of them, all of them are in range and for here and now.

    The other arguments are those of `access.verify` (`at` a Unix second, `leeway` and `longest` seconds). One function,
    since each call costs 3 % of a verification.

    Raises:
        TokenInvalidError: anything else.
        TokenExpiredError: all is well but the time.
    """
    try:
        claims = _decode(data)
        if _encode(claims) != data:
            raise TokenInvalidError
    except _DECODE_ERRORS as error:
        raise TokenInvalidError from error
    # Without escapes the texts hold no C0 controls; ASCII without DEL leaves no others.
    if (_BACKSLASH in data or _DELETE in data or not data.isascii()) and _unsafe_text_of(claims):
        raise TokenInvalidError
    if (claims.ext or claims.act or claims.cnf) and not _are_bounded(claims):
        raise TokenInvalidError
    if not claims.auth_time <= claims.iat < claims.exp <= claims.iat + longest:
        raise TokenInvalidError
    is_early = claims.iat > at and claims.iat > at + min(leeway, LARGEST_LEEWAY)
    if is_early or claims.iss != issuer or claims.aud != audience:
        raise TokenInvalidError
    if at >= claims.exp:
        raise TokenExpiredError(claims=claims)
    return claims


def encode_checked(claims: Claims) -> bytes:
    """The one spelling of `claims`, if `read` would accept it.

    Raises:
        ClaimsInvalidError: it would not; the text names the claim.
    """
    try:
        data = _encode(claims)
        if _BACKSLASH in data or _DELETE in data or not data.isascii() or not _are_plain(claims):
            _check_by_reading(data, claims)
    except TokenInvalidError as error:
        raise ClaimsInvalidError(_fault_of(claims)) from error
    except (*_DECODE_ERRORS, TypeError) as error:
        raise ClaimsInvalidError(f"verify would refuse these claims: {error}") from error
    return data


def is_safe_text(text: str) -> bool:
    """Whether `text` holds no control character and no lone surrogate, so that any log and database bears it."""
    return _UNSAFE.search(text) is None


def _are_plain(claims: Claims) -> bool:
    """Whether types and ranges alone tell that all is well: they do for nearly all claims, in half the time."""
    if claims.__class__ is not Claims or claims.amr.__class__ is not tuple:
        return False
    for method in claims.amr:
        if method.__class__ is not str or not method:
            return False
    return (
        claims.gen.__class__ is claims.ep.__class__ is int
        and claims.iat.__class__ is claims.exp.__class__ is claims.auth_time.__class__ is int
        and 0 <= claims.gen <= LARGEST_COUNTER >= claims.ep >= 0 <= claims.auth_time <= claims.iat < claims.exp
        and claims.exp <= LAST_SECOND
        and claims.sub.__class__ is claims.sid.__class__ is claims.realm.__class__ is str
        and claims.iss.__class__ is claims.aud.__class__ is claims.scope.__class__ is str
        and claims.act is claims.cnf is None
        and claims.ext == {}
        and bool(claims.sub and claims.sid)
    )


def _check_by_reading(data: bytes, claims: Claims) -> None:
    # Constructors check nothing, decoders everything.
    if _decode(data) != claims:
        raise ClaimsInvalidError("a claim has another type than JSON gives back")
    read(data, claims.iat, claims.iss, claims.aud, 0, LAST_SECOND)


def _fault_of(claims: Claims) -> str:
    if not claims.auth_time <= claims.iat < claims.exp:
        return "times must be auth_time <= iat < exp"
    if name := _unsafe_text_of(claims):
        return f"{name} holds a control character"
    return "ext, act or cnf are too deep, too large, or hold an unsafe text or number"


def _unsafe_text_of(claims: Claims) -> str:
    for name in ("sub", "sid", "realm", "iss", "aud", "scope"):
        if _UNSAFE.search(getattr(claims, name)):
            return name
    return "amr" if any(_UNSAFE.search(method) for method in claims.amr) else ""


def _are_bounded(claims: Claims) -> bool:
    """Whether the free members are few, flat and hold neither unsafe texts nor large integers."""
    level: list[Any] = [claims.ext, claims.act, claims.cnf]
    members = 0
    for _ in range(DEEPEST - 1):
        if not all(map(_is_safe, level)):
            return False
        level = [member for value in level for member in _inside(value)]
        members += len(level)
        if not level or members > MOST_MEMBERS:
            return not level
    return all(_is_safe(value) and not isinstance(value, dict | list) for value in level)


def _is_safe(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_is_safe, value))
    if isinstance(value, str):
        # The application's own texts may hold any other control; lone surrogates cannot be written as UTF-8.
        return "\0" not in value
    return not isinstance(value, int) or -LARGEST_INTEGER <= value <= LARGEST_INTEGER


def _inside(value: object) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
