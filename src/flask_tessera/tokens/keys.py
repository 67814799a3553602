"""Keys by purpose, derived from one secret, and the rings that tell which key a token names."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from ..errors import ConfigError
from . import encoding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from hashlib import _Hash

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
# What tutorials and frameworks print, by word; numbers of up to four digits and punctuation may stand between.
_TEXTBOOK_WORDS = (
    "secret|super|password|passwd|pass|key|change|please|this|that|dev|development|prod|production|flask|jwt|test|testing|"
    "very|long|safe|not|for|only|default|example|demo|app|application|token|random|string|hard|to|guess|you|will|never|"
    "really|secure|private|signing|session|value|must|should|be|keep|it|admin|root|hello|world|foo|bar|baz|qwerty|"
    "my|your|our|the|me|in|is|of|and|an|a|i"
)
_TEXTBOOK = re.compile(rf"(?:{_TEXTBOOK_WORDS}|[^a-z0-9]|(?<![0-9])[0-9]{{1,4}}(?![0-9]))+")
_PRINTED = (
    # The keys that Flask's own documentation shows.
    b"192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
    b'_5#y2l"f4q8z',
    b"0123456789",
    b"abcdefghijklmnop",
)
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
    inner: _Hash = field(repr=False, compare=False)
    """SHA-256 that has read the key's inner block of HMAC and `header` with its dot; to be copied only."""
    outer: _Hash = field(repr=False, compare=False)
    """SHA-256 that has read the key's outer block of HMAC; to be copied only."""

    @classmethod
    def symmetric(cls, kid: str, algorithm: str, header: str, secret: bytes) -> Key:
        """Make a key of at most 64 bytes, its HMAC blocks absorbed once (RFC 2104 §4 advises it)."""
        block = secret.ljust(_SHA256_BLOCK, b"\0")
        inner = hashlib.sha256(block.translate(_INNER_PAD) + header.encode() + b".")
        return cls(kid, algorithm, header, secret, inner, hashlib.sha256(block.translate(_OUTER_PAD)))

    def mac_payload(self, payload: bytes) -> bytes:
        """HMAC-SHA-256 of `header`, a dot and `payload`: 32 bytes, in a third of `hmac.digest`'s time."""
        inner = self.inner.copy()
        inner.update(payload)
        outer = self.outer.copy()
        outer.update(inner.digest())
        return outer.digest()

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
            ConfigError: an empty secret, or a realm that cannot be kept apart.
        """
        if "\0" in purpose or "\0" in realm:
            raise ConfigError("realm and purpose must not contain NUL")
        return cls.of([_derive(each, purpose, realm) for each in (secret, *fallbacks)])

    @classmethod
    def of(cls, keys: Sequence[Key]) -> KeyRing:
        """Make a ring of `keys`, the first one active."""
        by_header = {key.header.encode(): key for key in reversed(keys)}
        return cls(keys[0], tuple(keys), MappingProxyType(by_header))

    def names(self, text: str) -> bool:
        """Whether `text` begins like a token under a key of this ring. Says nothing about whether it is good."""
        return text.partition(".")[0].encode("utf-8", "replace") in self.by_header


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
    if _TEXTBOOK.fullmatch(folded.decode("latin-1")) or folded.startswith(_PRINTED):
        return "is a textbook example"
    return ""


def _derive(secret: Secret, purpose: str, realm: str) -> Key:
    material = _to_bytes(secret)
    if not material:
        raise ConfigError("SECRET_KEY is empty: set it to 32 random bytes (python -c 'import secrets; print(secrets.token_hex())')")
    derived = hkdf(material, f"flask-tessera/1\0{purpose}\0{realm}".encode())
    kid = encoding.encode(hashlib.sha256(b"flask-tessera/1 kid\0" + derived).digest()[:_KID_BYTES]).decode()
    algorithm = "A256GCM" if purpose == "sealed" else "HS256"
    return Key.symmetric(kid, algorithm, _header(kid, purpose), derived)


def hkdf(material: bytes, info: bytes) -> bytes:
    """Derive 32 bytes from `material` for the use that `info` names: HKDF-SHA-256 without salt (RFC 5869)."""
    # Imported late: the module costs 10 ms and is wanted once a process.
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(hashes.SHA256(), _KEY_BYTES, salt=None, info=info).derive(material)


def _header(kid: str, purpose: str) -> str:
    if purpose == "sealed":
        header = _Header(alg="dir", kid=kid, typ="at+jwt", enc="A256GCM")
    else:
        header = _Header(alg="HS256", kid=kid, typ="at+jwt" if purpose == "access" else f"{purpose}+jwt")
    return encoding.encode(msgspec.json.encode(header)).decode()


def _to_bytes(secret: Secret) -> bytes:
    return secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else bytes(secret)
