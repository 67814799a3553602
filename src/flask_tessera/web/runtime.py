"""One running Tessera: what an application's settings came to at first use."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from ..errors import SessionEndedError, TokenExpiredError, TokenInvalidError, UserGoneError
from ..services.keys import parse_sid
from ..tokens.claims import Claims
from .http_errors import answering
from .identity import Identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from ..config import Settings
    from ..services.access import AccessTokens
    from ..services.legacy import LegacyLogins
    from ..services.login import LoginAttempts
    from ..services.ports import Clock
    from ..services.recorder import Recorder
    from ..services.revocation import RevocationView
    from ..services.sessions import SessionService
    from ..storage.contract import Storage
    from .answers import Answers
    from .guards import Caller
    from .transport import HeaderTransport


class Runtime:
    """Everything that requests of one realm of one application use."""

    app: Flask
    settings: Settings
    realm: str
    clock: Clock
    storage: Storage
    answers: Answers
    transport: HeaderTransport
    access: AccessTokens
    view: RevocationView
    recorder: Recorder
    sessions: SessionService
    legacy: LegacyLogins | None
    user_id_type: Callable[[str], Any]
    logins: LoginAttempts | None
    user_loader: Callable[[Any], Any] | None
    authenticator: Callable[[dict[str, Any]], Any] | None
    user_view: Callable[[Any], Any] | None

    def __init__(self, **parts: Any) -> None:
        self.__dict__.update(parts)

    def identify(self, text: str, *, strict: bool = False) -> Identity[Any]:
        """Verify an access token: its text, its time, its session.

        Raises:
            TokenInvalidError: not a token of ours.
            TokenExpiredError: ours, but too old.
            SessionEndedError: its session is over.
            StorageUnavailableError: it cannot be told whether its session is over.
        """
        at = self.clock()
        if self.is_legacy(text):
            return self.legacy_identity(text)
        claims = self.access.verify(text, at=at)
        if claims.realm != self.realm:
            raise TokenInvalidError
        sid = _sid_of(claims)
        self._refuse_ended(claims, sid, at, strict)
        self.recorder.note(claims.sid, sid, claims.gen, at)
        return self._identity(claims)

    def _refuse_ended(self, claims: Claims, sid: bytes, at: int, strict: bool) -> None:
        mode = self.settings.REVOCATION
        if mode != "stateless":
            reason = self.view.refusal(claims, at=at)
            if reason:
                raise SessionEndedError(reason)
        if strict or mode == "strict" or (mode == "bounded" and claims.iat <= self.view.born_at):
            self.sessions.check_live(claims, sid, at=at)

    def _identity(self, claims: Claims) -> Identity[Any]:
        return Identity(
            self._user_id(claims.sub),
            claims.sid,
            claims.realm,
            frozenset(claims.scope.split()) if claims.scope else frozenset(),
            claims.amr,
            claims.auth_time,
            claims.iat,
            claims.exp,
            claims.ext,
        )

    def is_legacy(self, text: str) -> bool:
        """Whether `text` is to be read as a token of the old application."""
        return self.legacy is not None and self.legacy.is_legacy(text)

    def owner_for_logout(self, text: str) -> bytes:
        """The session of an access token that may have expired: good enough to end it.

        Raises:
            TokenInvalidError: not a token of ours.
        """
        try:
            claims: object = self.access.verify(text, at=self.clock())
        except TokenExpiredError as error:
            claims = error.claims
        if not isinstance(claims, Claims) or claims.realm != self.realm:
            raise TokenInvalidError
        return _sid_of(claims)

    def legacy_identity(self, text: str) -> Identity[Any]:
        """Who a token of the old application speaks for; errors as of `LegacyLogins.verify`.

        Raises:
            TokenInvalidError: also where the setting `LEGACY` is off.
        """
        if self.legacy is None:
            raise TokenInvalidError
        claims = self.legacy.verify(text, at=self.clock())
        user_id = self._user_id(str(claims.user_id))
        return Identity(
            user_id, "", self.realm, frozenset(), (), claims.issued_at, claims.issued_at, claims.expires_at, {}
        )

    def _user_id(self, text: str) -> Any:
        try:
            return self.user_id_type(text)
        except (ValueError, TypeError) as error:
            raise TokenInvalidError from error

    def load_user(self, caller: Caller) -> Any:
        """The user of a request, loaded once; None for nobody.

        Raises:
            UserGoneError: there is no such user any more.
        """
        if not caller.has_user:
            caller.user = self.find_user(caller.identity)
            caller.has_user = True
        return caller.user

    async def load_user_async(self, caller: Caller) -> None:
        """Load the user ahead where the loader is a coroutine function, so that the view finds it."""
        if caller.has_user or caller.identity is None or not inspect.iscoroutinefunction(self.user_loader):
            return
        user = await self.user_loader(caller.identity.user_id)
        with answering(self.answers):
            caller.user = _present(user)
        caller.has_user = True

    def find_user(self, identity: Identity[Any] | None) -> Any:
        """The user of an identity; the bare user id where no loader was given.

        Raises:
            UserGoneError: the loader knows no such user.
        """
        if identity is None:
            return None
        if self.user_loader is None:
            return identity.user_id
        return _present(self.app.ensure_sync(self.user_loader)(identity.user_id))

    def load_by_id(self, user_id: str) -> Any:
        """The user of a user id in its text form; errors as of `find_user`."""
        if self.user_loader is None:
            return user_id
        return _present(self.app.ensure_sync(self.user_loader)(self._user_id(user_id)))

    def effective_by(self) -> int:
        """Unix second from which every worker refuses what has just been ended."""
        at = self.clock()
        if self.settings.REVOCATION == "stateless":
            return at + max(self.settings.ACCESS_LIFETIME, self.settings.TOKEN_LIFETIME)
        return at + (0 if self.settings.REVOCATION == "strict" else self.storage.revocations.bound)


def _present(user: Any) -> Any:
    if user is None:
        raise UserGoneError("the user loader gave None")
    return user


def _sid_of(claims: Claims) -> bytes:
    sid = parse_sid(claims.sid)
    if not sid:
        raise TokenInvalidError
    return sid


