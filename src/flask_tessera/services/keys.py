"""The keys of one realm, each derived from the application's secret for its own purpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..errors import TokenInvalidError
from ..tokens.encoding import decode, encode
from ..tokens.keys import KeyRing
from ..tokens.refresh import SID_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..tokens.keys import Key, Secret

SID_CHARACTERS: Final = 22
"""Of a sid as text."""


@dataclass(frozen=True, slots=True)
class Keys:
    """One ring for each purpose (NIST SP 800-108: no key serves two)."""

    access: KeyRing
    sealed: KeyRing
    refresh: KeyRing
    csrf: KeyRing
    ticket: KeyRing
    code: KeyRing
    """Of the MACs under which codes that people type are kept: a plain hash of six digits is soon guessed."""
    at_rest: KeyRing
    """Of AES-256-GCM, for what is kept and must be read again, as the secret of a TOTP generator."""
    passkey: KeyRing
    """Of the challenges that passkeys answer."""
    sid: Key

    @classmethod
    def from_secret(cls, secret: Secret, *, fallbacks: Sequence[Secret] = (), realm: str = "") -> Keys:
        """Derive all of them.

        Raises:
            ConfigError: an empty secret.
        """

        def ring(purpose: str) -> KeyRing:
            return KeyRing.from_secret(secret, fallbacks=fallbacks, purpose=purpose, realm=realm)

        return cls(
            *(ring("access"), ring("sealed"), ring("refresh"), ring("csrf"), ring("ticket"), ring("code")),
            at_rest=ring("at_rest"),
            passkey=ring("passkey"),
            sid=ring("sid").active,
        )


def parse_sid(text: str) -> bytes:
    """The 16 bytes that `sid_text` made a text of; empty bytes, which name no session, of any other text."""
    try:
        sid = decode(text.encode())
    except (TokenInvalidError, UnicodeEncodeError, AttributeError):
        return b""
    return sid if len(sid) == SID_BYTES else b""


def sid_text(sid: bytes) -> str:
    """The 22 characters that name a session in tokens and answers."""
    return encode(sid).decode()
