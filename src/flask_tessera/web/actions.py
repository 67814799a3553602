"""What an application does with sessions: begin, refresh, end, look at, suspend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from flask import has_request_context

from ..errors import ConfigError, SessionEndedError, TokenExpiredError, TokenInvalidError, UserGoneError
from ..services.keys import parse_sid
from ..services.ports import Caller
from ..services.sessions import Login
from ..sessions.record import Device, Session
from ..tokens.claims import LAST_SECOND, is_safe_text
from .admissions import admission_of
from .client import caller_from_request, clean_device
from .http_errors import answering
from .present import present_request
from .token_pair import TokenPair
from .user_ids import id_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .identity import Identity
    from .runtime import Runtime

User = TypeVar("User")
FOR_EVER = LAST_SECOND
"""A suspension without an end: the last second of the year 9999."""
_LONGEST_SCOPE = 2048
"""Bytes of scope and amr together: a token has 8 KiB at most."""
_NO_DEVICE = Device()


@dataclass(frozen=True, slots=True)
class Ending:
    """What ended, and the Unix second by which every worker refuses the tokens of it."""

    sessions: tuple[Session, ...]
    effective_by: int


class Actions(Generic[User]):
    """The part of `Tessera` that is called while the application runs; all of it needs an application context.

    While a request is handled, errors of the core are raised as `TesseraHTTPError`, so that they answer it.
    """

    realm: str

    @property
    def runtime(self) -> Runtime:
        """What runs in the current application.

        Raises:
            NotImplementedError: `Tessera` tells.
        """
        raise NotImplementedError

    def login(
        self,
        user: User | Any,
        *,
        device: Device = _NO_DEVICE,
        scope: str = "",
        amr: Iterable[str] = ("pwd",),
        since: int | None = None,
    ) -> TokenPair:
        """Begin a session for a user whose credentials were checked, and issue its first pair.

        Args:
            user: a user object (its `get_id()` or `id`) or a plain user id.
            device: what the client says of itself.
            scope: what the tokens allow, words separated by spaces (RFC 8693 §4.2).
            amr: how the user logged in (RFC 8176).
            since: what `position()` gave before the credentials were read; then a password change in the meantime
                refuses this login.

        Raises:
            CredentialsError: all of the user's sessions were ended after `since`.
            ValueError: `user` is None or has no usable id, or scope and amr are unsafe or too long.
            LoginRefusedError: the user is suspended.
            SessionLimitError: too many sessions, and newcomers are refused.
            StorageUnavailableError: no session was begun.
        """
        runtime = self.runtime
        methods = amr if isinstance(amr, str) else " ".join(amr)
        _refuse_unsafe(scope, methods)
        login = Login(self._id_of(user), clean_device(device), self.present_caller(), scope, methods, since)
        with answering(runtime.answers):
            return TokenPair(runtime.sessions.log_in(login), runtime.answers)

    def create_token(self, user: User | Any, expires_in: int | None = None, *, since: int | None = None) -> str:
        """Issue one access token; its session ends with it.

        Args:
            user: as for `login`.
            expires_in: seconds, by default `TOKEN_LIFETIME`, at most `SESSION_LIFETIME`.
            since: as for `login`.

        Raises:
            CredentialsError: all of the user's sessions were ended after `since`.
            ValueError: no usable user id, or `expires_in` is out of range.
            LoginRefusedError: the user is suspended.
            SessionLimitError: too many sessions, and newcomers are refused.
            StorageUnavailableError: no session was begun.
        """
        runtime = self.runtime
        lifetime = runtime.settings.TOKEN_LIFETIME if expires_in is None else expires_in
        if type(lifetime) is not int or not 1 <= lifetime <= runtime.settings.SESSION_LIFETIME:
            raise ValueError(f"expires_in must be 1 to TESSERA_SESSION_LIFETIME whole seconds, not {lifetime!r}")
        login = Login(self._id_of(user), caller=self.present_caller(), since=since)
        with answering(runtime.answers):
            return runtime.sessions.create_token(login, lifetime=lifetime)

    def position(self) -> int:
        """Where the log of endings ends now; for `since` in `login`, taken before the credentials are read.

        Raises:
            StorageUnavailableError: the log cannot be read.
        """
        runtime = self.runtime
        with answering(runtime.answers):
            return runtime.view.position(at=runtime.clock())

    def verify_token(self, token: str) -> User | None:
        """The user of a token; None if it is bad in any way or the user is gone.

        Raises:
            StorageUnavailableError: it cannot be told.
        """
        runtime = self.runtime
        with answering(runtime.answers):
            try:
                user: User = runtime.find_user(runtime.identify(token))
            except (TokenInvalidError, TokenExpiredError, SessionEndedError, UserGoneError):
                return None
            return user

    def verify(self, token: str, *, strict: bool = False) -> Identity[Any]:
        """Who a token speaks for.

        Args:
            token: an access token.
            strict: ask the storage, whatever the setting of `REVOCATION`.

        Raises:
            TokenInvalidError: not a token of ours.
            TokenExpiredError: ours, but too old.
            SessionEndedError: its session is over.
            StorageUnavailableError: that cannot be told.
        """
        runtime = self.runtime
        with answering(runtime.answers):
            return runtime.identify(token, strict=strict)

    def refresh(self, refresh_token: str) -> TokenPair:
        """Exchange a refresh token for the next pair.

        Raises:
            TokenInvalidError: not a refresh token of ours.
            SessionEndedError: its session is over.
            UserGoneError: the loader knows no such user; the session is ended.
            StorageUnavailableError: present the same token again.
        """
        runtime = self.runtime
        with answering(runtime.answers):
            issued = runtime.sessions.refresh(refresh_token, self.present_caller())
            try:
                runtime.load_by_id(issued.session.user_id)
            except UserGoneError:
                runtime.sessions.end(issued.session.sid, "user_gone", self.present_caller())
                raise
            return TokenPair(issued, runtime.answers)

    def logout(self) -> Ending:
        """End the session of the present request's token; of a token of the old application, the token itself.

        Raises:
            NotFoundError: the session is not known any more.
            StorageUnavailableError: it may not have ended.
        """
        runtime, sid = self.runtime, self._current_sid()
        with answering(runtime.answers):
            if not sid and runtime.legacy is not None:
                runtime.legacy.end(runtime.transport.find(present_request().environ), self.present_caller())
                return self._ending([])
            return self._ending([runtime.sessions.end(sid, "logout", self.present_caller())])

    def kick(self, session_id: str) -> Ending:
        """End one session from outside (踢人下线).

        Raises:
            NotFoundError: there is no such session.
            StorageUnavailableError: it may not have ended.
        """
        runtime = self.runtime
        with answering(runtime.answers):
            return self._ending([runtime.sessions.end(parse_sid(session_id), "kick", self.present_caller())])

    def kick_user(self, user: User | Any, reason: str = "kick") -> Ending:
        """End all sessions of a user at once.

        Args:
            user: as for `login`.
            reason: what their holders are told, one of `SessionEndedError.REASONS`.

        Raises:
            ValueError: an unknown reason, or no usable user id.
            StorageUnavailableError: they may not have ended.
        """
        runtime, user_id = self.runtime, self._id_of(user)
        _refuse_unknown(reason)
        with answering(runtime.answers):
            return self._ending(runtime.sessions.end_user(user_id, reason, self.present_caller()))

    def end_others(self, reason: str = "logout") -> Ending:
        """End all sessions of the current user but the present one, in one step; for password changes too.

        Raises:
            ValueError: an unknown reason.
            StorageUnavailableError: they may not have ended.
        """
        runtime, user_id, sid = self.runtime, str(self._signed_in().user_id), self._current_sid()
        _refuse_unknown(reason)
        with answering(runtime.answers):
            ended = runtime.sessions.end_user(user_id, reason, self.present_caller(), except_sid=sid)
            return self._ending(ended)

    def sessions(self, user: User | Any) -> list[Session]:
        """The live sessions of a user, oldest first.

        Raises:
            ValueError: no usable user id.
            StorageUnavailableError: they cannot be read.
        """
        runtime, user_id = self.runtime, self._id_of(user)
        with answering(runtime.answers):
            return runtime.sessions.list(user_id)

    def suspend(self, user: User | Any, *, until: int = FOR_EVER) -> Ending:
        """End all sessions of a user and let none begin before Unix second `until` (封禁).

        Raises:
            ValueError: no usable user id, or `until` is no Unix second up to the year 9999.
            StorageUnavailableError: nothing may have changed.
        """
        runtime, user_id = self.runtime, self._id_of(user)
        if type(until) is not int or not 0 < until <= FOR_EVER:
            raise ValueError(f"until must be a Unix second up to {FOR_EVER}, not {until!r}")
        with answering(runtime.answers):
            return self._ending(runtime.sessions.suspend(user_id, until=until, caller=self.present_caller()))

    def unsuspend(self, user: User | Any) -> None:
        """Let a user log in again; what has ended stays ended.

        Raises:
            ValueError: no usable user id.
            StorageUnavailableError: nothing may have changed.
        """
        runtime, user_id = self.runtime, self._id_of(user)
        with answering(runtime.answers):
            runtime.sessions.unsuspend(user_id)

    def present_caller(self) -> Caller:
        """Who sent the present request; nobody outside one."""
        return caller_from_request(self.runtime.settings.TRUSTED_PROXIES) if has_request_context() else Caller()

    def _id_of(self, user: Any) -> str:
        return id_of(user, self.runtime.user_id_type)

    def _ending(self, sessions: Sequence[Session]) -> Ending:
        return Ending(tuple(sessions), self.runtime.effective_by(sessions))

    def _current_sid(self) -> bytes:
        return parse_sid(self._signed_in().session_id)

    def _signed_in(self) -> Identity[Any]:
        identity: Identity[Any] | None = admission_of(self.realm).identity
        if identity is None:
            raise ConfigError("nobody is logged in here: the guard of this view is optional")
        return identity


def _refuse_unknown(reason: str) -> None:
    if reason not in SessionEndedError.REASONS:
        raise ValueError(f"reason must be one of {', '.join(SessionEndedError.REASONS)}, not {reason!r}")


def _refuse_unsafe(scope: Any, amr: Any) -> None:
    for name, text in (("scope", scope), ("amr", amr)):
        if not isinstance(text, str) or not is_safe_text(text):
            raise ValueError(f"{name} must be text without control characters, not {text!r}")
    if len((scope + amr).encode()) > _LONGEST_SCOPE:
        raise ValueError(f"scope and amr together have more than {_LONGEST_SCOPE} bytes")
