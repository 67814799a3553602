"""Access tokens that this worker has verified before: their signature need not be checked again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..errors import TokenInvalidError
from ..services.keys import parse_sid
from ..tokens.claims import Claims
from ..tokens.encoding import plain

if TYPE_CHECKING:
    from ..services.access import AccessTokens


MOST_REMEMBERED: Final = 4096
"""Tokens; about two kilobytes each."""


class Verified(msgspec.Struct):
    """A genuine token of this realm; whether its session has ended is another question.

    `identity` is what views are shown of it, once made; `noted_at` the minute in which its use was last noted.
    """

    claims: Claims
    sid: bytes
    identity: Any = None
    noted_at: int = -1


class VerifiedTokens:
    """Reads access tokens of one realm and remembers the genuine ones.

    Only what the signature covers is remembered: time and session are looked at on every request. Keys do not change
    while a worker runs. Nobody can fill the memory with tokens that we have not issued.

    Args:
        access: verifies those that are new.
        realm: whose they are.
        most: tokens to remember; then all are forgotten.
    """

    def __init__(self, access: AccessTokens, realm: str, *, most: int = MOST_REMEMBERED) -> None:
        self._access = access
        self._realm = realm
        self._most = most
        self._known: dict[str, Verified] = {}

    def read(self, text: str, at: int) -> Verified:
        """What a token says, if it is genuine and good at Unix second `at`.

        Raises:
            TokenInvalidError: not a token of ours.
            TokenExpiredError: ours, but too old.
        """
        if type(text) is not str:
            # A subclass could lie about what it is, and be remembered for it.
            text = plain(text)
        known = self._known.get(text)
        if known is not None and known.claims.iat <= at < known.claims.exp:
            return known
        claims = self._access.verify(text, at=at)
        verified = Verified(claims, self.sid_of(claims))
        if len(self._known) >= self._most:
            self._known.clear()
        self._known[text] = verified
        return verified

    def sid_of(self, claims: Claims) -> bytes:
        """The session that claims of this realm name.

        Raises:
            TokenInvalidError: another realm, or no session's name.
        """
        sid = parse_sid(claims.sid)
        if claims.realm != self._realm or not sid:
            raise TokenInvalidError
        return sid
