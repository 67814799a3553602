"""Tokens by hand: what an attacker, another library or our own key can be made to write."""

from __future__ import annotations

import base64
import hmac
import json

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import strategies as st

from flask_tessera.errors import TokenExpiredError, TokenInvalidError
from flask_tessera.tokens import access, sealed
from flask_tessera.tokens.claims import LARGEST_COUNTER, LAST_SECOND, Claims
from flask_tessera.tokens.keys import KeyRing

SECRET = "fJ2pQ9xV7sT4wB8nL1kZ6mC3hR5gD0yA"
ISSUED = 1_800_000_000
NOW = ISSUED + 60
EXPIRES = ISSUED + 900
ISSUER, AUDIENCE = "https://a.example", "shop"
SID = "AZ8mQkX3T0aBcDeFgHiJkg"
PLACE = {"at": NOW, "issuer": ISSUER, "audience": AUDIENCE}
NONCE = bytes(range(12))

RING = KeyRing.from_secret(SECRET)
KEY = RING.active
SEALED_RING = KeyRing.from_secret(SECRET, purpose="sealed")
SEALED_KEY = SEALED_RING.active
REFUSALS = (TokenInvalidError, TokenExpiredError)

# What an honest token says, each member as JSON text, so that a test may misspell one.
MEMBERS = {
    "sub": '"42"',
    "sid": f'"{SID}"',
    "gen": "7",
    "ep": "3",
    "iat": str(ISSUED),
    "exp": str(EXPIRES),
    "auth_time": str(ISSUED),
    "iss": f'"{ISSUER}"',
    "aud": f'"{AUDIENCE}"',
    "amr": '["pwd"]',
    "scope": '"read write"',
}
ORDER = Claims.__struct_fields__
CLAIMS = Claims(
    "42",
    SID,
    7,
    3,
    ISSUED,
    EXPIRES,
    auth_time=ISSUED,
    iss=ISSUER,
    aud=AUDIENCE,
    amr=("pwd",),
    scope="read write",
)


def payload(**changes: str | None) -> bytes:
    """The claims as JSON, members replaced or added in their places; None leaves one out."""
    members = {**MEMBERS, **changes}
    names = sorted(members, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    spelled = (f'"{name}":{members[name]}' for name in names if members[name] is not None)
    return ("{" + ",".join(spelled) + "}").encode("utf-8", "surrogatepass")


def b64(data: bytes | str) -> str:
    """Base64url without padding; a text counts as its UTF-8."""
    raw = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(data: bytes | str, *, header: str = KEY.header, secret: bytes = KEY.secret, digest: str = "sha256") -> str:
    """A JWS over the text of a segment, or over bytes to be made one."""
    segment = b64(data) if isinstance(data, bytes) else data
    signed = f"{header}.{segment}"
    return f"{signed}.{b64(hmac.digest(secret, signed.encode('utf-8', 'surrogatepass'), digest))}"


def sign_under(header: dict[str, object] | bytes, data: bytes = payload(), **signing: object) -> str:
    """A JWS with another header."""
    raw = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return sign(data, header=b64(raw), **signing)


def seal(
    data: bytes,
    *,
    header: str = SEALED_KEY.header,
    secret: bytes = SEALED_KEY.secret,
    nonce: bytes = NONCE,
    wrapped_key: str = "",
) -> str:
    """A JWE over bytes."""
    return ".".join(seal_parts(data, header=header, secret=secret, nonce=nonce, wrapped_key=wrapped_key))


def seal_parts(
    data: bytes = payload(),
    *,
    header: str = SEALED_KEY.header,
    secret: bytes = SEALED_KEY.secret,
    nonce: bytes = NONCE,
    wrapped_key: str = "",
) -> list[str]:
    """Its five segments."""
    text = AESGCM(secret).encrypt(nonce, data, header.encode())
    return [header, wrapped_key, b64(nonce), b64(text[:-16]), b64(text[-16:])]


def other_endings(segment: str) -> list[str]:
    """All texts that a lenient decoder reads as the same bytes: the last character's unused bits set."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    step = {0: 1, 2: 16, 3: 4}[len(segment) % 4]
    first = alphabet.index(segment[-1])
    return [segment[:-1] + alphabet[value] for value in range(first + 1, first + step)]


def misspelled(segment: str) -> dict[str, str]:
    """The same bytes of base64url in spellings that lenient decoders take, and some that none does."""
    middle = len(segment) // 2
    padding = "=" * (-len(segment) % 4)
    found = {
        "padded": segment + (padding or "===="),
        "one =": segment + "=",
        "two =": segment + "==",
        "= within": f"{segment[:middle]}={segment[middle:]}",
        "= before": "=" + segment,
        "blank before": " " + segment,
        "blank after": segment + " ",
        "blank within": f"{segment[:middle]} {segment[middle:]}",
        "newline after": segment + "\n",
        "newline within": f"{segment[:middle]}\n{segment[middle:]}",
        "CRLF within": f"{segment[:middle]}\r\n{segment[middle:]}",
        "tab after": segment + "\t",
        "NUL after": segment + "\0",
        "one character more": segment + "A",
        "four characters more": segment + "AAAA",
        "one character less": segment[:-1],
        "foreign ! within": f"{segment[:middle]}!{segment[middle:]}",
        "foreign ~ after": segment + "~",
        "four foreign ones": segment + "!!!!",
        "quote within": f'{segment[:middle]}"{segment[middle:]}',
        "quote after": segment + '"',
        "JSON escape": f"\\u{ord(segment[0]):04x}{segment[1:]}",
        "backslash newline": segment + "\\n",
        "percent-encoded =": segment + "%3D",
        "plus after": segment[:-1] + "+",
        "slash after": segment[:-1] + "/",
        "doubled": segment + segment,
        "full-width letter": chr(ord("A") + 0xFEE0) + segment[1:],
        "é within": f"{segment[:middle]}é{segment[middle:]}",
        "lone surrogate": segment + "\ud800",
        "zero-width space": segment + "\u200b",
        "BOM before": "\ufeff" + segment,
        "base64 of base64": b64(segment),
        "hex": base64.urlsafe_b64decode(segment + padding).hex(),
        "base32": base64.b32encode(segment.encode()).decode(),
    }
    found |= {f"unused bits {number}": text for number, text in enumerate(other_endings(segment)[:3], 1)}
    return found


def refusal(verify: object, text: object, ring: KeyRing, **place: object) -> str:
    """Name of the documented error that answers a hostile token; empty if it was accepted. Any other passes."""
    try:
        verify(text, ring, **{**PLACE, **place})
    except REFUSALS as error:
        return type(error).__name__
    return ""


HONEST = access.mint(CLAIMS, KEY)
HONEST_SEALED = sealed.mint(CLAIMS, SEALED_KEY, nonce=NONCE)

_safe = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\u2028\u2029")
_inner = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=6)
_scalars = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | _inner
_scalars |= st.integers(-(2**63) + 1, 2**63 - 1)
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_inner, inner, max_size=3),
    max_leaves=8,
)
_objects = st.dictionaries(_inner, _values, max_size=4)


@st.composite
def valid_claims(draw: st.DrawFn) -> Claims:
    """Claims that a token may make."""
    texts = st.text(_safe, max_size=12)
    auth_time, iat, exp = sorted(draw(st.sets(st.integers(0, LAST_SECOND), min_size=3, max_size=3)))
    counters = st.integers(0, LARGEST_COUNTER)
    return Claims(
        draw(texts.filter(bool)),
        draw(texts.filter(bool)),
        draw(counters),
        draw(counters),
        iat,
        exp,
        auth_time=draw(st.sampled_from((0, auth_time, iat))),
        realm=draw(texts),
        iss=draw(texts),
        aud=draw(texts),
        amr=tuple(draw(st.lists(texts.filter(bool), max_size=3))),
        scope=draw(texts),
        act=draw(st.none() | _objects),
        cnf=draw(st.none() | _objects),
        ext=draw(_objects),
    )
