"""Access tokens for sessions: written with a life of random length, read in the format that is set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..tokens import access
from ..tokens.claims import Claims
from .keys import sid_text
from .ports import CLOCKS_APART

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..sessions.model import Session
    from .keys import Keys
    from .ports import RandomBytes


STAMP_CLAIM: Final = "_stamp"
"""Member of `ext` that carries the session's user stamp. Claims of the application do not begin with an underscore."""


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """How access tokens are made. Seconds; `longest` bounds what is accepted."""

    lifetime: int = 900
    jitter: int = 90
    longest: int = 7_776_000
    issuer: str = ""
    audience: str = ""
    is_sealed: bool = False


class AccessTokens:
    """Mints in the one format that is set; `read` verifies in it, and the other format is refused."""

    def __init__(self, keys: Keys, policy: AccessPolicy, random_bytes: RandomBytes) -> None:
        self.policy = policy
        self._random_bytes = random_bytes
        self.ring = keys.sealed if policy.is_sealed else keys.access
        key = self.ring.active
        self._write: Callable[[Claims], str]
        if policy.is_sealed:
            # Here, since most applications need not load a cipher.
            from ..tokens import sealed

            self.read = sealed.verify
            self._write = lambda claims: sealed.mint(claims, key, nonce=random_bytes(sealed.NONCE_BYTES))
        else:
            self.read = access.verify
            self._write = lambda claims: access.mint(claims, key)

    def verify(self, text: str, *, at: int) -> Claims:
        """Claims of a token of ours that is good at Unix second `at`; errors as of `tokens.access.verify`."""
        policy = self.policy
        return self.read(text, self.ring, at=at, issuer=policy.issuer, audience=policy.audience, longest=policy.longest)

    def mint_for(self, session: Session, loaded_claims: Mapping[str, Any], *, at: int) -> tuple[str, int]:
        """A token and the seconds it lives: shortened at random, since a thief must not keep the victim's pace."""
        # Never longer than the session was begun with: by that it is told how long an ending must be remembered.
        lifetime = min(self.policy.lifetime, session.access_lifetime)
        span = min(self.policy.jitter, lifetime // 2)
        # Three bytes more than the span needs leave no visible bias.
        shortened_by = int.from_bytes(self._random_bytes(6), "big") % (span + 1)
        return self.mint_until(session, loaded_claims, at=at, exp=min(at + lifetime - shortened_by, session.until))

    def mint_until(self, session: Session, loaded_claims: Mapping[str, Any], *, at: int, exp: int) -> tuple[str, int]:
        """A token that expires at `exp`, and the seconds it lives.

        It carries the session's own claims over `loaded_claims`, those of the claims loader.
        """
        claims = Claims(
            sub=session.user_id,
            sid=sid_text(session.sid),
            gen=session.gen,
            ep=session.epoch,
            iat=at,
            exp=exp,
            # Another worker's clock may be a little ahead of ours. By one that was far ahead nothing is fresh.
            auth_time=min(session.auth_at, at) if session.auth_at <= at + CLOCKS_APART else 0,
            realm=session.realm,
            iss=self.policy.issuer,
            aud=self.policy.audience,
            amr=tuple(session.amr.split()),
            scope=session.scope,
            ext=_ext_of(session, loaded_claims),
        )
        return self._write(claims), exp - at


def _ext_of(session: Session, loaded_claims: Mapping[str, Any]) -> dict[str, Any]:
    """The application's claims of an access token: those of `login(claims=…)` over those of the claims loader."""
    ext = dict(loaded_claims)
    if session.claims:
        ext.update(msgspec.json.decode(session.claims))
    if session.user_stamp:
        ext[STAMP_CLAIM] = session.user_stamp
    return ext
