"""One running Tessera: what an application's settings came to at first use."""

from __future__ import annotations

import inspect
from copy import deepcopy
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..errors import SessionEndedError, TokenExpiredError, TokenInvalidError, UserGoneError
from ..services.revocation import ViewBusyError
from ..sessions.record import LAST_SEEN_RESOLUTION
from ..tokens.claims import Claims
from .identity import Identity
from .verified import VerifiedTokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from flask import Flask

    from ..config import Settings
    from ..services.access import AccessTokens
    from ..services.activity import ActivityWriter
    from ..services.follower import RevocationFollower
    from ..services.legacy import LegacyLogins
    from ..services.login import LoginAttempts
    from ..services.ports import Clock
    from ..services.revocation import RevocationView
    from ..services.sessions import SessionService
    from ..sessions.record import Session
    from ..storage.contract import Storage
    from .admissions import Admission
    from .answers import Answers
    from .privacy import Privacy
    from .transport import HeaderTransport

_NO_SCOPES: frozenset[str] = frozenset()
_NO_EXTRA: Mapping[str, Any] = MappingProxyType({})


class UserLoaderError(Exception):
    """The host's user loader failed in a way that a proxy would take for an absent user or attribute."""


class Runtime:
    """Everything that requests of one realm of one application use."""

    app: Flask
    settings: Settings
    realm: str
    clock: Clock
    storage: Storage
    answers: Answers
    transport: HeaderTransport
    privacy: Privacy
    access: AccessTokens
    view: RevocationView
    follower: RevocationFollower
    recorder: ActivityWriter
    sessions: SessionService
    legacy: LegacyLogins | None
    user_id_type: Callable[[str], Any]
    logins: LoginAttempts | None
    user_loader: Callable[[Any], Any] | None
    authenticator: Callable[[dict[str, Any]], Any] | None
    account_members: tuple[str, ...]
    user_view: Callable[[Any], Any] | None

    def __init__(self, **parts: Any) -> None:
        self.__dict__.update(parts)
        self.tokens = VerifiedTokens(self.access, self.realm)
        self.loads_async = inspect.iscoroutinefunction(self.user_loader)

    def identify(self, text: str, *, strict: bool = False) -> Identity[Any]:
        """Verify an access token: its text, its time, its session.

        Raises:
            TokenInvalidError: not a token of ours.
            TokenExpiredError: ours, but too old.
            SessionEndedError: its session is over.
            StorageUnavailableError: it cannot be told whether its session is over.
        """
        if self.legacy is not None and self.is_legacy(text):
            return self.legacy_identity(text)
        at = self.clock()
        verified = self.tokens.read(text, at)
        claims = verified.claims
        self._refuse_ended(claims, verified.sid, at, strict)
        if verified.noted_at != (minute := at // LAST_SEEN_RESOLUTION):
            self.recorder.record(claims.sid, verified.sid, claims.gen, at)
            verified.noted_at = minute
        identity: Identity[Any] | None = verified.identity
        if identity is None or claims.ext:
            # A view may change the application's own claims, so each gets its own.
            identity = verified.identity = self._identity(claims)
        return identity

    def _refuse_ended(self, claims: Claims, sid: bytes, at: int, strict: bool) -> None:
        mode = self.settings.REVOCATION
        if mode == "stateless" and not strict:
            return
        # A worker that cannot hear what ends elsewhere asks the storage, and so it does for all in strict mode.
        if mode == "stateless" or not self.follower.is_current():
            self.sessions.check_live(claims, sid, at=at)
            return
        try:
            reason = self.view.refusal(claims, at=at)
        except ViewBusyError:
            self.sessions.check_live(claims, sid, at=at)
            return
        if reason:
            raise SessionEndedError(reason)
        if strict or mode == "strict":
            self.sessions.check_live(claims, sid, at=at)
        elif self.view.must_ask(claims):
            self.view.ask(claims, lambda: self.sessions.check_live(claims, sid, at=at))

    def _identity(self, claims: Claims) -> Identity[Any]:
        return Identity(
            self._user_id(claims.sub),
            claims.sid,
            claims.realm,
            frozenset(claims.scope.split()) if claims.scope else _NO_SCOPES,
            claims.amr,
            claims.auth_time,
            claims.iat,
            claims.exp,
            # A view may change what it is given; the claims may be remembered.
            deepcopy(claims.ext) if claims.ext else _NO_EXTRA,
        )

    def is_legacy(self, text: Any) -> bool:
        """Whether `text` is to be read as a token of the old application."""
        return self.legacy is not None and isinstance(text, str) and self.legacy.is_legacy(text)

    def owner_for_logout(self, text: str) -> bytes:
        """The session of an access token that may have expired: good enough to end it.

        Raises:
            TokenInvalidError: not a token of ours.
        """
        try:
            claims: object = self.access.verify(text, at=self.clock())
        except TokenExpiredError as error:
            claims = error.claims
        if not isinstance(claims, Claims):
            raise TokenInvalidError
        return self.tokens.sid_of(claims)

    def legacy_identity(self, text: str) -> Identity[Any]:
        """Who a token of the old application speaks for; errors as of `LegacyLogins.verify`.

        Raises:
            TokenInvalidError: also where the setting `LEGACY` is off.
        """
        if self.legacy is None:
            raise TokenInvalidError
        claims = self.legacy.verify(text, at=self.clock())
        name = str(claims.user_id)
        user_id = self._user_id(name)
        if str(user_id) != name:
            # Another spelling would be another principal, which ending the user's sessions would not reach.
            raise TokenInvalidError
        return Identity(
            user_id, "", self.realm, _NO_SCOPES, (), claims.issued_at, claims.issued_at, claims.expires_at, {}
        )

    def _user_id(self, text: str) -> Any:
        try:
            return self.user_id_type(text)
        except (ValueError, TypeError) as error:
            raise TokenInvalidError from error

    def load_user(self, admission: Admission) -> Any:
        """The user of a request, loaded once; None for nobody.

        Raises:
            UserGoneError: there is no such user any more.
        """
        if not admission.has_user:
            try:
                self._take(admission, self.find_user(admission.identity))
            except UserGoneError:
                self._forget(admission)
        return admission.user

    async def load_user_async(self, admission: Admission) -> None:
        """Await a loader that is a coroutine function ahead of an async view; errors as of `load_user`."""
        if admission.has_user or admission.identity is None or self.user_loader is None:
            return
        user = await self.user_loader(admission.identity.user_id)
        if user is None:
            self._forget(admission)
        else:
            self._take(admission, user)

    @staticmethod
    def _take(admission: Admission, user: Any) -> None:
        admission.user, admission.has_user = user, True

    @staticmethod
    def _forget(admission: Admission) -> None:
        """Where a bad token counts as nobody, so does that of a user who is gone."""
        if not admission.is_lenient:
            raise UserGoneError("the user loader gave None")
        admission.identity, admission.user, admission.has_user = None, None, True

    def find_user(self, identity: Identity[Any] | None) -> Any:
        """The user of an identity; the bare user id where no loader was given.

        Raises:
            UserGoneError: the loader knows no such user.
            UserLoaderError: the loader raised an AttributeError or RuntimeError.
        """
        if identity is None:
            return None
        return self._present_user(identity.user_id)

    def load_by_id(self, user_id: str) -> Any:
        """The user of a user id in its text form; errors as of `find_user`."""
        return self._present_user(self._user_id(user_id))

    def _present_user(self, user_id: Any) -> Any:
        load = self.user_loader
        if load is None:
            return user_id
        try:
            # Made anew for each call: it would keep the event loop it was made in.
            user = self.app.ensure_sync(load)(user_id) if self.loads_async else load(user_id)
        except (AttributeError, RuntimeError) as error:
            # Through `current_user` these would read as "no such attribute" and as "nobody".
            raise UserLoaderError(f"the user loader failed: {error}") from error
        if user is None:
            raise UserGoneError("the user loader gave None")
        return user

    def effective_by(self, ended: Iterable[Session] = ()) -> int:
        """Unix second from which every worker refuses what has just been ended.

        Args:
            ended: the sessions; where nothing asks the storage, their tokens live on until they expire.
        """
        at = self.clock()
        if self.settings.REVOCATION == "stateless":
            longest = max(self.settings.ACCESS_LIFETIME, self.settings.TOKEN_LIFETIME)
            return max((min(each.until, at + each.access_lifetime) for each in ended), default=at + longest)
        if self.settings.REVOCATION == "strict" or not self.storage.revocations.bound:
            return at
        return at + self.settings.REVOCATION_BOUND
