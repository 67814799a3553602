"""Keys by purpose, derived from one secret, and the rings that tell which key a token names."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from ..errors import ConfigError
from . import encoding
from .claims import is_safe_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from hashlib import _Hash

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Secret = str | bytes
"""As Flask's `SECRET_KEY` may be; a text counts as its UTF-8."""
_KEY_BYTES = 32
_SHA256_BLOCK = 64
_INNER_PAD = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD = bytes(byte ^ 0x5C for byte in range(256))
_KID_BYTES = 9
MINIMUM_BYTES = 16
"""A shorter secret is refused; under `RECOMMENDED_BYTES` it is warned about (RFC 7518 §3.2)."""
RECOMMENDED_BYTES = 32
_MINIMUM_DISTINCT = 6
# What tutorials and frameworks print, by word; numbers of up to four digits and ASCII punctuation may stand between.
# No text can be read as these words in two ways (a test holds that), or the search would take exponential time.
TEXTBOOK_WORDS: Final = (
    "secret|super|password|passwd|pass|key|change|please|this|that|dev|development|prod|production|flask|jwt|test|testing|"
    "very|long|safe|not|for|only|default|example|demo|app|application|token|random|string|hard|to|guess|you|will|never|"
    "really|secure|private|signing|session|value|must|should|be|keep|it|admin|root|hello|world|foo|bar|baz|qwerty|"
    "my|your|our|the|me|in|is|of|and|an|a|i|at|least|bits|bit|bytes|with|here|some|put|insert|replace|use|server|"
    "qwertyuiop|asdfghjkl|zxcvbnm|tutorial|website|project|api|auth|"
    "goes|needs|changed|complex|generated|strong|sample|cookie|local|unique|own|django|fastapi|deployment|before"
)
_NUMBER = r"(?<![0-9])(?:[0-9]{1,4}|123456?7?8?9?0?)(?![0-9])"
_TEXTBOOK = re.compile(rf"(?:{TEXTBOOK_WORDS}|[!-/:-@\[-`{{-~\s]|{_NUMBER})+", re.ASCII)
# As bytes, in small letters; also as somebody has copied the text of a literal, backslashes and all.
_PRINTED = (
    # Flask's documentation, now and in earlier releases.
    b"192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
    b'_5#y2l"f4q8z',
    b"a0zr98j/3yx r~xhh!jmn]lwx/,?rt",
    b"\xfd{h\xe5<\x95\xf9\xe3\x96.5\xd1\x01o<!\xd5\xa2\xa0\x9fr",
    rb"\xfd{h\xe5<\x95\xf9\xe3\x96.5\xd1\x01o<!\xd5\xa2\xa0\x9fr",
    b"\xf9'\xe4p(\xa9\x12\x1a!\x94\x8d\x1c\x99l\xc7\xb7e\xc7c\x86\x02mj\xa0",
    rb"\xf9'\xe4p(\xa9\x12\x1a!\x94\x8d\x1c\x99l\xc7\xb7e\xc7c\x86\x02mj\xa0",
    # Those of Flask-Security, Flask-AppBuilder, Superset, and Django's start of a project.
    b"pf9wkove4ikeaxvy-cqkedphv9cb3ag-wyjilbq_dfw",
    b"146585145368132386173505678016728509634",
    b"\x02\x01thisismyscretkey",
    rb"\2\1thisismyscretkey",
    b"django-insecure-",
    # FastAPI's, and courses on Flask that are much copied.
    b"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    b"5791628bb0b13ce0c676dfde280ba245",
    b"\xcc^\x91\xea\x17-\xd0w\x03\xa7\xf8j0\xac8\xc5",
    rb"\xcc^\x91\xea\x17-\xd0w\x03\xa7\xf8j0\xac8\xc5",
    b"hjshjhdjah kjshkjdhjs",
    b"vnkdjnfjknfl1232#",
    b"gjr39dkjn344_!67#",
    b"yandexlyceum_secret_key",
    b"0123456789",
    b"abcdefghijklmnop",
)
_DECORATION: Final = b" \t\r\n\"'`"
_KEY_FILE_MARKS = (b"-----begin", b"ssh-rsa", b"ssh-ed25519", b"ecdsa-sha2", b'{"kty"', b'{"keys"')


class _Header(msgspec.Struct, frozen=True, omit_defaults=True):
    """JOSE header of RFC 7515 §4.1 and RFC 7516 §4.1, members in the order in which we write them."""

    alg: str
    kid: str
    typ: str
    enc: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """One symmetric key for one purpose.

    `header` is the first segment of every token under this key: compared, never parsed.
    """

    kid: str
    algorithm: str
    header: str
    secret: bytes = field(repr=False)
    purpose: str
    """"access", "sealed", "refresh", "csrf", …: a key is good for nothing else."""
    segment: bytes = field(repr=False)
    """`header` as bytes."""
    inner: _Hash = field(repr=False, compare=False)
    """SHA-256 that has read the key's inner block of HMAC and `header` with its dot; to be copied only."""
    outer: _Hash = field(repr=False, compare=False)
    """SHA-256 that has read the key's outer block of HMAC; to be copied only."""
    cipher: AESGCM | None = field(repr=False, compare=False)
    """The key made ready to seal and open; None for any other purpose."""

    @classmethod
    def symmetric(cls, kid: str, algorithm: str, header: str, secret: bytes, purpose: str) -> Key:
        """Make a key of at most 64 bytes, its HMAC blocks absorbed once (RFC 2104 §4 advises it)."""
        block = secret.ljust(_SHA256_BLOCK, b"\0")
        inner = hashlib.sha256(block.translate(_INNER_PAD) + header.encode() + b".")
        outer = hashlib.sha256(block.translate(_OUTER_PAD))
        cipher = _cipher(secret) if algorithm == "A256GCM" else None
        return cls(kid, algorithm, header, secret, purpose, header.encode(), inner, outer, cipher)

    def sign(self, payload: bytes) -> bytes:
        """Base64url of the HMAC-SHA-256 of `header`, a dot and `payload`, in half of `hmac.digest`'s time."""
        inner = self.inner.copy()
        inner.update(payload)
        outer = self.outer.copy()
        outer.update(inner.digest())
        return encoding.encode(outer.digest())

    def mac(self, message: bytes) -> bytes:
        """HMAC-SHA-256 of `message`, 32 bytes (RFC 2104)."""
        return hmac.digest(self.secret, message, "sha256")


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The active key and those that still verify, by the header segment that names them."""

    active: Key
    keys: tuple[Key, ...]
    by_header: Mapping[bytes, Key] = field(repr=False)

    @classmethod
    def from_secret(
        cls, secret: Secret, *, fallbacks: Sequence[Secret] = (), purpose: str = "access", realm: str = ""
    ) -> KeyRing:
        """Derive a ring from `secret`; each purpose and realm apart (RFC 5869, NIST SP 800-108).

        Args:
            secret: signs and verifies. How strong it must be is `weakness`'s question.
            fallbacks: older secrets, verifying only.
            purpose: "access" (HS256), "sealed" (A256GCM), "refresh", "csrf", …
            realm: the population of users the tokens speak for.

        Raises:
            ConfigError: an empty secret, one that is no text or bytes, or a realm that no token could name.
        """
        if not is_safe_text(purpose + realm):
            raise ConfigError("realm and purpose must not contain control characters")
        if isinstance(fallbacks, str | bytes):
            # Each of its characters would verify tokens.
            raise ConfigError("SECRET_KEY_FALLBACKS must be a list of secrets, not a single one")
        return cls.of([_derive(each, purpose, realm) for each in (secret, *fallbacks)])

    @classmethod
    def of(cls, keys: Sequence[Key]) -> KeyRing:
        """Make a ring of `keys`, the first one active."""
        by_header = {key.segment: key for key in reversed(keys)}
        return cls(keys[0], tuple(keys), by_header)


def weakness(secret: Secret) -> str:
    """Say why `secret` must not sign tokens, or nothing (an empty text) if it may."""
    data = _to_bytes(secret)
    folded = data.lower()
    if len(data) < MINIMUM_BYTES:
        return f"has {len(data)} bytes, at least {MINIMUM_BYTES} are needed"
    if len(set(data)) < _MINIMUM_DISTINCT:
        return f"has fewer than {_MINIMUM_DISTINCT} distinct bytes"
    if folded.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(_KEY_FILE_MARKS):
        return "is the text of a key file, which may be public"
    if data.isdigit():
        return "is a number"
    if data in (data + data)[1:-1]:
        return "repeats one piece of itself"
    if _TEXTBOOK.fullmatch(_undecorated(data).decode("latin-1")) or _is_printed(secret):
        return "is a textbook example"
    return ""


def _is_printed(secret: Secret) -> bool:
    """Whether `secret` is one that is published, in any case, quoted or with blanks around it."""
    readings = [_to_bytes(secret)]
    if isinstance(secret, str):
        # A literal that lacks its `b` is a text of other bytes in UTF-8.
        readings.append(secret.encode("latin-1", "replace"))
    return any(_undecorated(each).startswith(_PRINTED) for each in readings)


def _undecorated(data: bytes) -> bytes:
    return data.lower().lstrip(_DECORATION).removeprefix(b"b'").removeprefix(b'b"')


def _derive(secret: Secret, purpose: str, realm: str) -> Key:
    material = _to_bytes(secret)
    if not material:
        raise ConfigError(
            "SECRET_KEY is empty: set it to 32 random bytes (python -c 'import secrets; print(secrets.token_hex())')"
        )
    derived = hkdf(material, f"flask-tessera/1\0{purpose}\0{realm}".encode())
    kid = encoding.encode(hashlib.sha256(b"flask-tessera/1 kid\0" + derived).digest()[:_KID_BYTES]).decode()
    algorithm = "A256GCM" if purpose == "sealed" else "HS256"
    return Key.symmetric(kid, algorithm, _header(kid, purpose), derived, purpose)


def hkdf(material: bytes, info: bytes) -> bytes:
    """Derive 32 bytes from `material` for the use that `info` names: HKDF-SHA-256 without salt (RFC 5869)."""
    # Imported late: the module costs 10 ms and is wanted once a process.
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(hashes.SHA256(), _KEY_BYTES, salt=None, info=info).derive(material)


def _cipher(secret: bytes) -> AESGCM:
    # Imported late like HKDF.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(secret)


def _header(kid: str, purpose: str) -> str:
    if purpose == "sealed":
        header = _Header(alg="dir", kid=kid, typ="at+jwt", enc="A256GCM")
    else:
        header = _Header(alg="HS256", kid=kid, typ="at+jwt" if purpose == "access" else f"{purpose}+jwt")
    return encoding.encode(msgspec.json.encode(header)).decode()


def _to_bytes(secret: Secret) -> bytes:
    if isinstance(secret, str):
        return secret.encode("utf-8", "surrogatepass")
    if not isinstance(secret, bytes | bytearray | memoryview):
        # Bytes made of a number would be that many zeros.
        raise ConfigError(f"SECRET_KEY must be text or bytes, not {type(secret).__name__}")
    return bytes(secret)
