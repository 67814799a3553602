"""Access tokens: those that this worker has verified before need no second look at their signature."""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...errors import SessionEndedError, TokenExpiredError, TokenInvalidError
from ...services.access import STAMP_CLAIM
from ...services.keys import SID_CHARACTERS, parse_sid
from ...services.revocation import UndecidedError
from ...sessions.model import LAST_SEEN_RESOLUTION
from ...tokens.claims import Claims
from ..identity import Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...services.access import AccessTokens
    from ...services.activity import ActivityWriter
    from ...services.follower import RevocationFollower
    from ...services.revocation import RevocationView
    from ...services.sessions import SessionService

MOST_REMEMBERED: Final = 4096
"""Tokens; about two kilobytes each."""
_NO_SCOPES: Final[frozenset[str]] = frozenset()
_NO_CLAIMS: Final[Mapping[str, Any]] = MappingProxyType({})


class Verified(msgspec.Struct):
    """A genuine token of this realm; whether its session has ended is another question.

    `noted_at` is the minute in which its use was last noted.
    """

    claims: Claims
    identity: Identity[Any]
    noted_at: int = -1


class AccessTokenReader:
    """Reads the access tokens of one realm and remembers the genuine ones.

    Only what the signature covers is remembered: time and session are looked at on every request. Keys do not change
    while a worker runs. Nobody can fill the memory with tokens that we have not issued.

    Args:
        tokens: the format, the keys and the policy of access tokens.
        realm: whose they are.
        mode: the setting `REVOCATION`.
        view: what this worker knows of the revocation log.
        follower: tells whether the view may be believed now.
        sessions: asks the storage about a session.
        activity: is told of each use.
        user_id_of: the application's user id of its text form; TokenInvalidError where there is none.
        most: tokens to remember; then all are forgotten.
    """

    def __init__(
        self,
        tokens: AccessTokens,
        realm: str,
        mode: str,
        *,
        view: RevocationView,
        follower: RevocationFollower,
        sessions: SessionService,
        activity: ActivityWriter,
        user_id_of: Callable[[str], Any],
        most: int = MOST_REMEMBERED,
    ) -> None:
        policy = tokens.policy
        self._claims_of = partial(
            tokens.read, ring=tokens.ring, issuer=policy.issuer, audience=policy.audience, longest=policy.longest
        )
        self._headers = frozenset(key.header for key in tokens.ring.keys)
        self._realm = realm
        self._mode = mode
        self._is_bounded = mode == "bounded"
        # Where a change shows with the next request, nothing is followed, and the view is always current.
        self._follows = view.needs_follower
        self._view = view
        self._follower = follower
        self._sessions = sessions
        self._activity = activity
        self._user_id_of = user_id_of
        self._most = most
        self._known: dict[str, Verified] = {}

    def identify(self, text: str, *, at: int, strict: bool) -> Identity[Any] | None:
        known = self._known.get(text)
        if known is None or not known.claims.iat <= at < known.claims.exp:
            if text.partition(".")[0] not in self._headers:
                return None
            known = self._verify(text, at)
        claims = known.claims
        if self._is_bounded and not strict and (not self._follows or self._follower.is_current()):
            self._refuse_revoked(claims, at)
        else:
            self._refuse_ended(claims, at, strict)
        if known.noted_at != (minute := at // LAST_SEEN_RESOLUTION):
            self._activity.record(claims.sid, claims.gen, at)
            known.noted_at = minute
        # A view may change the application's own claims, so each gets its own.
        return self._identity_of(claims) if known.identity.claims else known.identity

    def recognises(self, text: str) -> bool:
        """Whether `text` begins like an access token of ours."""
        return text.partition(".")[0] in self._headers

    def claims_of(self, text: str, *, at: int) -> Claims:
        """What a good access token says; nothing says that its session is live.

        Raises:
            TokenInvalidError: not a token of ours.
            TokenExpiredError: ours, but too old.
        """
        known = self._known.get(text)
        return (known or self._verify(text, at)).claims

    def session_of(self, text: str, *, at: int) -> bytes:
        """The sid of an access token that may have expired: good enough to log out.

        Raises:
            TokenInvalidError: not a token of ours.
        """
        try:
            claims: object = self._claims_of(text, at=at)
        except TokenExpiredError as error:
            claims = error.claims
        if not isinstance(claims, Claims):
            raise TokenInvalidError
        self._refuse_foreign(claims)
        return parse_sid(claims.sid)

    def _verify(self, text: str, at: int) -> Verified:
        claims = self._claims_of(text, at=at)
        self._refuse_foreign(claims)
        known = Verified(claims, self._identity_of(claims))
        if len(self._known) >= self._most:
            self._known.clear()
        self._known[text] = known
        return known

    def _refuse_foreign(self, claims: Claims) -> None:
        if claims.realm != self._realm or len(claims.sid) != SID_CHARACTERS:
            raise TokenInvalidError

    def _identity_of(self, claims: Claims) -> Identity[Any]:
        own, stamp = claims.ext, ""
        if own:
            own = deepcopy(own)
            stamp = own.pop(STAMP_CLAIM, "")
        return Identity(
            self._user_id_of(claims.sub),
            claims.sid,
            claims.realm,
            frozenset(claims.scope.split()) if claims.scope else _NO_SCOPES,
            claims.amr,
            claims.auth_time,
            claims.iat,
            claims.exp,
            MappingProxyType(own) if own else _NO_CLAIMS,
            stamp,
        )

    def _refuse_revoked(self, claims: Claims, at: int) -> None:
        """What this worker knows; the storage is asked only where the log may be younger than the token."""
        try:
            reason = self._view.refusal(claims, at=at)
        except UndecidedError:
            self._sessions.check_live(claims, at=at)
            return
        if reason:
            raise SessionEndedError(reason)
        # Nearly every token is younger than its log, and that much is told without a call.
        if claims.iat <= self._view.created_at and self._view.must_ask(claims):
            self._view.ask(claims, lambda: self._sessions.check_live(claims, at=at))

    def _refuse_ended(self, claims: Claims, at: int, strict: bool) -> None:
        """Every other case: a mode that is set, or a worker that cannot hear what ends elsewhere."""
        if self._mode == "stateless" and not strict:
            return
        if self._mode != "stateless" and self._follower.is_current():
            # The reason that the log gives is the one that was stored.
            self._refuse_revoked(claims, at)
        self._sessions.check_live(claims, at=at)
