"""Tokens that the old application issued, until a date: who they speak for, and their one exchange.

How a storage that has lost its memory is told. Whether an old token was exchanged, logged out, or its user suspended,
is written in the storage. Old tokens are older than the storage in which the application begins to accept them, so the
birth of the revocation log alone does not tell a new storage from one that has forgotten everything. So:

- With `since` in `TESSERA_LEGACY` a log that was born later than this Unix second is not believed: tokens that were
  issued before its birth are refused, in every process, after any restart. The operator sets it to the birth of the log
  that he knows to be the first (`flask tessera doctor` tells it), and again to open the window anew after a loss.
- Without `since` the first log that a process sees is believed, and a log that takes its place meanwhile, or that was
  restored from a backup, is not. A process that starts after the loss cannot know of it; so doctor asks for `since`.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ..errors import AlreadyExistsError, ConfigError, CredentialsError, SessionEndedError, TokenExpiredError
from ..tokens.keys import weakness
from .login_data import Issued, Login

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..storage.engine import Storage
    from ..storage.model import LogPage
    from ..tokens.keys import Key
    from ..tokens.legacy import LegacyClaims, LegacyTokens
    from .ports import ClientInfo, Clock
    from .sessions import SessionService


MOST_YEARS: Final = 10
"""How far ahead `until` may lie; what lies further was counted in milliseconds."""
_YEAR: Final = 31_556_952


def refuse_far_window(until: int, *, at: int) -> None:
    """Refuse a window for old tokens that never closes.

    Args:
        until: of `TESSERA_LEGACY`.
        at: now, Unix seconds.

    Raises:
        ConfigError: it closes more than ten years from now.
    """
    if until > at + MOST_YEARS * _YEAR:
        raise ConfigError(
            f"TESSERA_LEGACY['until'] is more than {MOST_YEARS} years ahead: it is a Unix second, not a millisecond"
        )


def legacy_warnings(legacy: Mapping[str, Any], log: LogPage | None = None) -> list[str]:
    """What is weak about a `TESSERA_LEGACY` that is accepted; for the log at each start, and for doctor.

    Args:
        legacy: the setting; empty where it is off.
        log: the end of the storage's revocation log, where that was asked for: whether `since` is missing is told then.
    """
    warnings = []
    if legacy and (fault := weakness(legacy["secret"])):
        warnings.append(f"TESSERA_LEGACY['secret'] {fault}: whoever guesses it logs in as anybody")
    if legacy and log and "since" not in legacy:
        warnings.append(
            "TESSERA_LEGACY has no 'since': if the storage loses its memory, old tokens that are spent work again;"
            f" set TESSERA_LEGACY['since'] = {log.created_at}, when this storage's log began"
        )
    return warnings


class LegacyLogins:
    """Lets old tokens in as of epoch 0, so that whatever ends a user's sessions ends them too (M05).

    That a token is spent is told by a small value whose name is derived from the token: it can be written but once.

    Args:
        tokens: reads the old tokens.
        storage: where sessions are.
        sessions: begins them.
        name_key: names what is spent; of the old secret, since a new `SECRET_KEY` must not make spent tokens fresh.
        realm: the population of users that the old application had.
        clock: gives now.
        since: Unix second after which no log can be the first one; None if the operator has not said.
    """

    def __init__(
        self,
        tokens: LegacyTokens,
        storage: Storage,
        sessions: SessionService,
        *,
        name_key: Key,
        realm: str,
        clock: Clock,
        since: int | None = None,
    ) -> None:
        self._tokens = tokens
        self._storage = storage
        self._sessions = sessions
        self._name_key = name_key
        self._realm = realm
        self._clock = clock
        self._since = since
        self._first_log = ""

    def verify(self, text: str, *, at: int) -> LegacyClaims:
        """Claims of an old token that still stands for its user.

        Raises:
            TokenInvalidError: not a token of the old application, or not one that logs in.
            TokenExpiredError: too old, or it was exchanged, or may have been, or the window is closed.
            SessionEndedError: all the user's sessions were ended since, or the user is suspended.
            StorageUnavailableError: that cannot be told.
        """
        return self._verified(text, at=at)[0]

    def _verified(self, text: str, *, at: int) -> tuple[LegacyClaims, LogPage]:
        """The claims, and the end of the log before they were found to stand."""
        claims = self._tokens.verify(text, at=at)
        log = self._refuse_forgotten(claims, at)
        principal = self._storage.sessions.principal(self._realm, str(claims.user_id))
        if principal.suspended_until > at:
            raise SessionEndedError("suspension")
        if principal.epoch:
            raise SessionEndedError("kick")
        if self._sessions.is_spent(self._sid(claims, text), at=at):
            raise TokenExpiredError("exchanged already")
        return claims, log

    def _refuse_forgotten(self, claims: LegacyClaims, at: int) -> LogPage:
        """Refuse a token of which the storage may have forgotten that it is spent; gives the end of its log."""
        log = self._storage.revocations.head(at=at)
        self._first_log = self._first_log or log.log_id
        if self._since is None:
            may_have_forgotten = bool(log.valid_from) or log.log_id != self._first_log
        else:
            may_have_forgotten = log.created_at > self._since
        if may_have_forgotten and claims.issued_at <= log.created_at:
            raise TokenExpiredError(
                f"the storage knows nothing of the time before {log.created_at}, and may have forgotten that this token"
                f" is spent; to accept older ones again, set TESSERA_LEGACY['since'] = {log.created_at}"
            )
        return log

    def exchange(self, text: str, login: Login) -> Issued:
        """Begin the session that an old token stands for; errors as of `verify`.

        It lives as long as any other session of the settings, whatever the old token says.

        Raises:
            TokenExpiredError: it was exchanged before.
        """
        at = self._clock()
        claims, log = self._verified(text, at=at)
        # The session first: a crash before the token is spent leaves one of which nobody holds a token.
        try:
            issued = self._sessions.log_in(replace(login, checkpoint=log.checkpoint), auth_at=claims.issued_at)
        except CredentialsError as error:
            # All the user's sessions, or everybody's, were ended after the look at the token.
            raise SessionEndedError("kick") from error
        sid = issued.session.sid
        try:
            self._spend(claims, text, login)
        except AlreadyExistsError as error:
            self._sessions.end(sid, "logout", login.caller)
            raise TokenExpiredError("exchanged already") from error
        return issued

    def end(self, text: str, caller: ClientInfo) -> None:
        """Log an old token out: it is spent without a session having lived.

        Raises:
            TokenInvalidError: not a token of the old application.
            TokenExpiredError: too old, or spent already.
            StorageUnavailableError: the outcome may be unknown.
        """
        claims = self.verify(text, at=self._clock())
        try:
            self._spend(claims, text, Login(str(claims.user_id), caller=caller, amr=""), is_logout=True)
        except AlreadyExistsError as error:
            raise TokenExpiredError("spent already") from error

    def _spend(self, claims: LegacyClaims, text: str, login: Login, *, is_logout: bool = False) -> None:
        # As long as the old token could be presented if the window were prolonged.
        sid, keep_until = self._sid(claims, text), max(claims.expires_at, self._clock() + 1)
        self._sessions.spend(login, sid=sid, keep_until=keep_until, is_logout=is_logout)

    def _sid(self, claims: LegacyClaims, text: str) -> bytes:
        """A name that only this token has, in the form of all sids."""
        tag = self._name_key.mac(f"{self._realm}\0{claims.user_id}".encode())[:2]
        digest = self._name_key.mac(hashlib.sha256(text.encode()).digest())
        milliseconds = min(claims.issued_at * 1000, 2**48 - 1)
        return milliseconds.to_bytes(6, "big") + tag + digest[:8]
