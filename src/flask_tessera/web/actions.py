"""What an application does with sessions: begin, refresh, end, look at, suspend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from flask import has_request_context
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from ..config import whole_seconds
from ..errors import (
    ConfigError,
    SessionEndedError,
    TesseraError,
    ThrottledError,
    TokenExpiredError,
    TokenInvalidError,
    UserGoneError,
)
from ..services.keys import parse_sid
from ..services.login_data import Login
from ..sessions.model import Device, Session
from ..sessions.transitions import LONGEST_SCOPE
from ..tokens.claims import LAST_SECOND, is_safe_text
from .audit import record_refused_refresh
from .client import clean_device, client_info
from .cookie_session import forget_cookies
from .current import call_host, current_request_object
from .http_errors import raises_http
from .login_attempt import LoginAttempt
from .own_claims import given_claims, loaded_claims
from .request_auth import auth_of, find_credential, refuse_another_user, verify_credential
from .ticket_reading import redeem
from .tickets import RedeemedTicket, as_issued_to, life_of, redeemed, wanted_ticket
from .token_pair import TokenPair
from .user_ids import id_of
from .user_loading import load_user

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

    from ..services.ports import ClientInfo
    from ..storage.model import Checkpoint
    from .app_state import Runtime
    from .identity import Identity

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    User = TypeVarWithDefault("User", default=Any)
else:
    User = TypeVar("User")
FOR_EVER = LAST_SECOND
"""A suspension without an end: the last second of the year 9999."""
"""Bytes of scope and amr together: a token has 8 KiB at most."""
_NO_DEVICE = Device()


@dataclass(frozen=True, slots=True)
class RevokeResult:
    """What was revoked, and the Unix second by which every worker refuses the tokens of it."""

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
        scope: str | UnsetType = UNSET,
        amr: Iterable[str] = ("pwd",),
        claims: Mapping[str, Any] | None = None,
    ) -> TokenPair:
        """Begin a session for a user whose credentials were checked, and issue its first pair.

        A view that checks a password does so within `login_attempt`, which also counts wrong ones.

        Args:
            user: a user object (its `get_id()` or `id`) or a plain user id.
            device: what the client says of itself.
            scope: what the tokens allow, words separated by spaces (RFC 8693 §4.2); by default what the scope loader
                gives.
            amr: how the user logged in (RFC 8176).
            claims: further claims of the session's access tokens, at most 2,048 bytes as JSON; no name begins with an
                underscore. Read them as `current_identity.claims`.

        Raises:
            ValueError: `user` is None or has no usable id, or scope, amr or claims are unsafe or too long.
            LoginRefusedError: the user is suspended.
            SessionLimitError: too many sessions, and newcomers are refused.
            StorageUnavailableError: no session was begun.
        """
        return self.start_session(user, device=device, scope=scope, amr=amr, claims=claims)

    def login_attempt(
        self, account: str | int | list[str | int] | tuple[str | int, ...], *, device_id: str = ""
    ) -> LoginAttempt[User]:
        """An attempt to log in, for views of your own: counts wrong passwords, and notices a password change.

        Args:
            account: what names the account in the request, as it was received: text or a whole number, known or
                not; a list of them where the request may mean one of several. Its spellings share one
                counter. Anything else is answered as malformed input when the attempt is entered.
            device_id: how the client's device calls itself, if it does. From a device, and from a network, from which
                the account has logged in within 30 days, nobody's wrong passwords elsewhere keep it out.
        """
        accounts = account if isinstance(account, list | tuple) else (account,)
        return LoginAttempt(self, tuple(accounts), device_id)

    @raises_http
    def start_session(
        self,
        user: User | Any,
        *,
        device: Device = _NO_DEVICE,
        scope: str | UnsetType = UNSET,
        amr: Iterable[str] = ("pwd",),
        claims: Mapping[str, Any] | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> TokenPair:
        """As `login`; refused where all sessions of the user were ended after `checkpoint`.

        Raises:
            CredentialsError: so they were.
        """
        runtime = self.runtime
        methods = amr if isinstance(amr, str) else " ".join(amr)
        scope = self._loaded_scope(user) if scope is UNSET else scope
        _refuse_unsafe(scope, methods)
        login = Login(
            self.id_of(user),
            clean_device(device),
            self.client_info(),
            scope,
            methods,
            checkpoint,
            user_stamp=self.stamp_of(user),
            claims=given_claims(claims),
            loaded_claims=self._loaded_claims(user),
        )
        issued = runtime.sessions.log_in(login)
        return TokenPair(issued, runtime.responses, runtime.cookies, begun_in=runtime.sessions)

    def create_token(self, user: User | Any, expires_in: int | dt.timedelta | None = None) -> str:
        """Issue one access token; its session ends with it.

        Args:
            user: as for `login`.
            expires_in: whole seconds or a `timedelta`, by default `TOKEN_LIFETIME`, at most `SESSION_LIFETIME`.

        Raises:
            ValueError: no usable user id, or `expires_in` is out of range.
            LoginRefusedError: the user is suspended.
            SessionLimitError: too many sessions, and newcomers are refused.
            StorageUnavailableError: no session was begun.
        """
        return self.start_token(user, expires_in)

    @raises_http
    def start_token(
        self,
        user: User | Any,
        expires_in: int | dt.timedelta | None = None,
        *,
        device: Device = _NO_DEVICE,
        checkpoint: Checkpoint | None = None,
    ) -> str:
        """As `create_token`, with `device` and `checkpoint` as for `start_session`.

        Raises:
            ValueError: no usable user id, or `expires_in`, in seconds, is out of range.
        """
        runtime = self.runtime
        lifetime = runtime.settings.TOKEN_LIFETIME if expires_in is None else whole_seconds(expires_in)
        if lifetime is None or not 1 <= lifetime <= runtime.settings.SESSION_LIFETIME:
            raise ValueError(f"expires_in must be 1 to TESSERA_SESSION_LIFETIME whole seconds, not {expires_in!r}")
        login = Login(
            self.id_of(user),
            clean_device(device),
            self.client_info(),
            checkpoint=checkpoint,
            user_stamp=self.stamp_of(user),
            loaded_claims=self._loaded_claims(user),
        )
        return runtime.sessions.create_token(login, lifetime=lifetime)

    @raises_http
    def verify_token(self, token: str) -> User | None:
        """The user of a token; None if it is bad in any way or the user is gone.

        Raises:
            StorageUnavailableError: it cannot be told.
        """
        runtime = self.runtime
        try:
            identity = verify_credential(runtime, token)
            user: User = load_user(runtime.hooks, identity.user_id, identity.user_stamp)
        except (TokenInvalidError, TokenExpiredError, SessionEndedError, UserGoneError, ThrottledError):
            return None
        return user

    @raises_http
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
        return verify_credential(self.runtime, token, strict=strict)

    @raises_http
    def identify(self) -> Identity[Any] | None:
        """Who sent the present request; None for nobody: no token, a bad one, or one whose session is over.

        For views without a guard, and for hooks.

        Raises:
            OutsideRequestError: no request is handled here.
            ConfigError: the application has no Tessera of this realm.
        """
        identity: Identity[Any] | None = auth_of(self.realm).identity
        return identity

    @raises_http
    def refresh(self, refresh_token: str) -> TokenPair:
        """Exchange a refresh token for the next pair.

        Raises:
            TokenInvalidError: not a refresh token of ours, or of another issuer or audience.
            SessionEndedError: its session is over.
            UserGoneError: the loader knows no such user, or another one of this id; the session is ended.
            StorageUnavailableError: present the same token again.
        """
        try:
            return self._refreshed(refresh_token)
        except TesseraError as error:
            record_refused_refresh(self.runtime, refresh_token, error)
            raise

    def _refreshed(self, refresh_token: str) -> TokenPair:
        runtime = self.runtime
        session = runtime.sessions.rotate(refresh_token, self.client_info())
        try:
            user = load_user(runtime.hooks, runtime.hooks.user_id_of(session.user_id), session.user_stamp)
        except UserGoneError:
            runtime.sessions.end(session.sid, "user_gone", self.client_info())
            raise
        issued = runtime.sessions.issue(session, loaded_claims(runtime, user))
        return TokenPair(issued, runtime.responses, runtime.cookies)

    @raises_http
    def logout(self) -> RevokeResult:
        """End the session of the present request's token; of a token of the old application, the token itself.

        Raises:
            NotFoundError: the session is not known any more.
            TokenInvalidError: the request carries an API key, or a ticket, that belongs to no session.
            StorageUnavailableError: it may not have ended.
        """
        runtime, sid = self.runtime, self._current_sid()
        if not sid and runtime.legacy is not None:
            runtime.legacy.end(find_credential(runtime, current_request_object())[0], self.client_info())
            return self._result([])
        ended = runtime.sessions.end(sid, "logout", self.client_info())
        forget_cookies(runtime, {ended.sid})
        return self._result([ended])

    @raises_http
    def revoke_session(self, session_id: str) -> RevokeResult:
        """End one session from outside (踢人下线).

        Raises:
            NotFoundError: there is no such session.
            StorageUnavailableError: it may not have ended.
        """
        return self._result([self.runtime.sessions.end(parse_sid(session_id), "kick", self.client_info())])

    @raises_http
    def revoke_user(self, user: User | Any, reason: str = "kick") -> RevokeResult:
        """End all sessions of a user at once.

        Args:
            user: as for `login`.
            reason: what their holders are told, one of `SessionEndedError.REASONS`.

        Raises:
            ValueError: an unknown reason, or no usable user id.
            StorageUnavailableError: they may not have ended.
        """
        _refuse_unknown(reason)
        return self.revoke_user_id(self.id_of(user), reason)

    def revoke_user_id(self, user_id: str, reason: str) -> RevokeResult:
        """End all sessions of a user id in its text form; errors as of `revoke_user`, as the core's."""
        return self._result(self.runtime.sessions.end_user(user_id, reason, self.client_info()))

    @raises_http
    def revoke_others(self, reason: str = "logout") -> RevokeResult:
        """End all sessions of the current user but the present one, in one step; for password changes too.

        Raises:
            ValueError: an unknown reason.
            TokenInvalidError: the request carries an API key, or a ticket, that belongs to no session.
            StorageUnavailableError: they may not have ended.
        """
        identity, sid = self._signed_in(), self._current_sid()
        _refuse_unknown(reason)
        refuse_another_user(self.runtime, identity.user_id, identity.user_stamp)
        user_id = str(identity.user_id)
        return self._result(self.runtime.sessions.end_user(user_id, reason, self.client_info(), except_sid=sid))

    @raises_http
    def sessions(self, user: User | Any) -> list[Session]:
        """The live sessions of a user, oldest first.

        Raises:
            ValueError: no usable user id.
            StorageUnavailableError: they cannot be read.
        """
        return self.runtime.sessions.list(self.id_of(user))

    @raises_http
    def suspend(self, user: User | Any, *, until: int = FOR_EVER) -> RevokeResult:
        """End all sessions of a user and let none begin before Unix second `until` (封禁).

        Raises:
            ValueError: no usable user id, or `until` is no Unix second up to the year 9999.
            StorageUnavailableError: nothing may have changed.
        """
        user_id = self.id_of(user)
        if type(until) is not int or not 0 < until <= FOR_EVER:
            raise ValueError(f"until must be a Unix second up to {FOR_EVER}, not {until!r}")
        ended = self.runtime.sessions.suspend(user_id, until=until, caller=self.client_info())
        self.runtime.record("user_suspended", user_id=user_id)
        return self._result(ended)

    @raises_http
    def unsuspend(self, user: User | Any) -> None:
        """Let a user log in again; what has ended stays ended.

        Raises:
            ValueError: no usable user id.
            StorageUnavailableError: nothing may have changed.
        """
        user_id = self.id_of(user)
        self.runtime.sessions.unsuspend(user_id)
        self.runtime.record("user_unsuspended", user_id=user_id)

    @raises_http
    def issue_ticket(
        self,
        purpose: str,
        *,
        user: User | Any = None,
        data: Any = None,
        audience: str | None = None,
        expires_in: int | dt.timedelta = 60,
        uses: int = 1,
    ) -> str:
        """Make a short-lived secret that is good for one thing.

        It is bound to the session of the present request, or where that has none to its user; outside a request, and
        where nobody is logged in, it is a ticket of nobody.

        Args:
            purpose: what it is good for, 1 to 64 printable characters.
            user: binds it to this user instead, and to no session; as for `login`.
            data: what whoever redeems it gets, at most 2,048 bytes as JSON.
            audience: where it is good: a path, which begins with a slash, or a host; by default everywhere.
            expires_in: 1 to 3,600 whole seconds, or a `timedelta`.
            uses: how often it can be redeemed, 1 to 1,000.

        Raises:
            ValueError: one of these is out of range.
            TokenInvalidError: the request carries an API key, or a ticket, and `user` is not given.
            SessionEndedError: the session of the present request is over.
            LoginRefusedError: the user is suspended.
            StorageUnavailableError: nobody has a ticket.
        """
        wanted, expires_in = wanted_ticket(purpose, data=data, audience=audience, uses=uses), life_of(expires_in)
        if user is not None:
            bound: dict[str, Any] = {"user_id": self.id_of(user), "user_stamp": self.stamp_of(user)}
        else:
            bound = as_issued_to(auth_of(self.realm).identity if has_request_context() else None)
        return self.runtime.tickets.issue(replace(wanted, **bound), expires_in=expires_in)

    @raises_http
    def redeem_ticket(self, text: str, purpose: str, audience: str | None = None) -> RedeemedTicket[User]:
        """Use a ticket, once; only here and where `login_required(ticket=…)` stands is one accepted.

        Args:
            text: the ticket.
            purpose: what it must be good for.
            audience: the one that it must have; by default a ticket of an audience is good where that is the path or
                the host of the present request.

        Raises:
            TicketInvalidError: it is no ticket, used, expired, for something else, or its owner's time is over.
            UserGoneError: the loader knows no such user any more.
            StorageUnavailableError: that cannot be told; one use may be gone.
        """
        runtime = self.runtime
        return redeemed(runtime, redeem(runtime, text, purpose, audience))

    def client_info(self) -> ClientInfo:
        """Who sent the present request; nobody outside one."""
        return client_info(self.runtime.settings.TRUSTED_PROXIES)

    def id_of(self, user: User | Any) -> str:
        """The text form of a user's id.

        Raises:
            ValueError: no usable user id.
        """
        return id_of(user, self.runtime.hooks.user_id_type)

    def stamp_of(self, user: Any) -> str:
        """The digest of a user's stamp; empty where the application gives none."""
        hooks = self.runtime.hooks
        return hooks.stamp_of(self._object_of(user)) if hooks.user_stamp is not None else ""

    def _loaded_scope(self, user: Any) -> str:
        load = self.runtime.hooks.scope_loader
        return (call_host(load, self._object_of(user)) or "") if load is not None else ""

    def _loaded_claims(self, user: Any) -> dict[str, Any]:
        runtime = self.runtime
        return loaded_claims(runtime, self._object_of(user)) if runtime.hooks.claims_loader is not None else {}

    def _object_of(self, user: Any) -> Any:
        """The user object; the one that the loader gives where only an id was given."""
        is_object = hasattr(user, "get_id") or (hasattr(user, "id") and not isinstance(user, str | int))
        return user if is_object else load_user(self.runtime.hooks, self.runtime.hooks.user_id_of(self.id_of(user)))

    def _result(self, sessions: Sequence[Session]) -> RevokeResult:
        return RevokeResult(tuple(sessions), self.runtime.effective_by(sessions))

    def _current_sid(self) -> bytes:
        identity = self._signed_in()
        if not identity.session_id and identity.credential != "legacy":
            raise TokenInvalidError("what the request carries belongs to no session that could end, or be kept")
        return parse_sid(identity.session_id)

    def _signed_in(self) -> Identity[Any]:
        identity: Identity[Any] | None = auth_of(self.realm).identity
        if identity is None:
            raise ConfigError("nobody is logged in here: guard this view with @login_required, without optional=")
        return identity


def _refuse_unknown(reason: str) -> None:
    if reason not in SessionEndedError.REASONS:
        raise ValueError(f"reason must be one of {', '.join(SessionEndedError.REASONS)}, not {reason!r}")


def _refuse_unsafe(scope: Any, amr: Any) -> None:
    for name, text in (("scope", scope), ("amr", amr)):
        if not isinstance(text, str) or not is_safe_text(text):
            raise ValueError(f"{name} must be text without control characters, not {text!r}")
    if len((scope + amr).encode()) > LONGEST_SCOPE:
        raise ValueError(f"scope and amr together have more than {LONGEST_SCOPE} bytes")
