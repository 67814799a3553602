"""Tokens that the old application issued, until a date: who they speak for, and their one exchange."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ..errors import AlreadyExistsError, SessionEndedError, TokenExpiredError
from ..sessions.limits import UNLIMITED
from .sessions import Issued, Login

if TYPE_CHECKING:
    from ..storage.contract import Storage
    from ..tokens.keys import Key
    from ..tokens.legacy import LegacyClaims, LegacyTokens
    from .keys import Keys
    from .ports import Caller, Clock
    from .sessions import SessionService


class LegacyLogins:
    """Lets old tokens in as of epoch 0, so that whatever ends a user's sessions ends them too (M05).

    The session that an old token is exchanged for has a name that is derived from the token: it can begin
    but once, and its being there tells that the token is spent.

    Args:
        tokens: reads the old tokens.
        storage: where sessions are.
        sessions: begins them.
        keys: of the new tokens.
        name_key: names the sessions; of the old secret, since a new `SECRET_KEY` must not make spent tokens fresh.
        realm: the population of users that the old application had.
        clock: gives now.
    """

    def __init__(
        self,
        tokens: LegacyTokens,
        storage: Storage,
        sessions: SessionService,
        keys: Keys,
        *,
        name_key: Key,
        realm: str,
        clock: Clock,
    ) -> None:
        self._tokens = tokens
        self._storage = storage
        self._sessions = sessions
        self._keys = keys
        self._name_key = name_key
        self._realm = realm
        self._clock = clock

    def is_legacy(self, text: str) -> bool:
        """Whether `text` can be no token of ours, so that it is worth a look here."""
        return not self._keys.access.names(text) and not self._keys.sealed.names(text)

    def verify(self, text: str, *, at: int) -> LegacyClaims:
        """Claims of an old token that still stands for its user.

        Raises:
            TokenInvalidError: not a token of the old application, or not one that logs in.
            TokenExpiredError: too old, or it was exchanged, or the window is closed.
            SessionEndedError: all the user's sessions were ended since, or the user is suspended.
            StorageUnavailableError: that cannot be told.
        """
        claims = self._tokens.verify(text, at=at)
        user_id = str(claims.user_id)
        principal = self._storage.principals.find(self._realm, user_id)
        if principal.suspended_until > at:
            raise SessionEndedError("suspension")
        if principal.epoch:
            raise SessionEndedError("kick")
        if self._sessions.era(at=at):
            raise TokenExpiredError("a backup was put back, which may have forgotten that this token is spent")
        if self._storage.sessions.find(self._sid(claims, text)) is not None:
            raise TokenExpiredError("exchanged already")
        return claims

    def exchange(self, text: str, login: Login) -> Issued:
        """Begin the session that an old token stands for; errors as of `verify`.

        Raises:
            TokenExpiredError: it was exchanged before.
        """
        at = self._clock()
        claims = self.verify(text, at=at)
        try:
            issued = self._sessions.begin_named(
                login, sid=self._sid(claims, text), auth_at=claims.issued_at, keep_until=claims.expires_at
            )
        except AlreadyExistsError as error:
            raise TokenExpiredError("exchanged already") from error
        if issued.session.epoch or issued.session.era:
            # All the user's sessions, or everybody's, were ended after the look at the token.
            self._sessions.end(issued.session.sid, "kick", login.caller)
            raise SessionEndedError("kick")
        return issued

    def end(self, text: str, caller: Caller) -> None:
        """Log an old token out: it is spent without a session having lived."""
        claims = self.verify(text, at=self._clock())
        login = Login(str(claims.user_id), caller=caller, amr="")
        sid = self._sid(claims, text)
        try:
            # Not counted among the user's sessions: nobody's session must end to make room for one that is over.
            self._sessions.begin_named(
                login, sid=sid, auth_at=claims.issued_at, keep_until=claims.expires_at, limits=UNLIMITED
            )
        except AlreadyExistsError as error:
            raise TokenExpiredError("spent already") from error
        self._sessions.end(sid, "logout", caller)

    def _sid(self, claims: LegacyClaims, text: str) -> bytes:
        """A name that only this token has, in the form of all sids."""
        tag = self._name_key.mac(f"{self._realm}\0{claims.user_id}".encode())[:2]
        digest = self._name_key.mac(hashlib.sha256(text.encode()).digest())
        milliseconds = min(claims.issued_at * 1000, 2**48 - 1)
        return milliseconds.to_bytes(6, "big") + tag + digest[:8]
