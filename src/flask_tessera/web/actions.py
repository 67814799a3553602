"""What an application does with sessions: begin, refresh, end, look at, suspend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from msgspec import UNSET, UnsetType

from ..errors import (
    SessionEndedError,
    TesseraError,
    ThrottledError,
    TokenExpiredError,
    TokenInvalidError,
    UserGoneError,
)
from ..services.login_data import Login
from ..sessions.model import UNKNOWN_DEVICE, Device
from ..sessions.transitions import LONGEST_SCOPE
from ..tokens.claims import is_safe_text
from .action_base import User
from .audit import record_refused_refresh
from .client import clean_device
from .credential_reading import verify_credential
from .current import call_host
from .ending_actions import EndingActions
from .http_errors import raises_http
from .login_attempt import LoginAttempt
from .own_claims import given_claims, loaded_claims
from .request_auth import auth_of
from .ticket_actions import TicketActions
from .token_pair import TokenPair, token_lifetime
from .user_loading import load_user

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping

    from ..storage.model import Checkpoint
    from .identity import Identity


class Actions(EndingActions[User], TicketActions[User], Generic[User]):
    """The part of `Tessera` that is called while the application runs; all of it needs an application context.

    While a request is handled, errors of the core are raised as `TesseraHTTPError`, so that they answer it.
    """

    def login(
        self,
        user: User | Any,
        *,
        device: Device = UNKNOWN_DEVICE,
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
        device: Device = UNKNOWN_DEVICE,
        scope: str | UnsetType = UNSET,
        amr: Iterable[str] = ("pwd",),
        claims: Mapping[str, Any] | None = None,
        checkpoint: Checkpoint | None = None,
        lifetime: int | None = None,
    ) -> TokenPair:
        """As `login`; refused where all sessions of the user were ended after `checkpoint`.

        With `lifetime` the session ends after so many seconds, and its first access token lives as long.

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
        sessions = runtime.sessions
        issued = sessions.log_in(login) if lifetime is None else sessions.log_in_for(login, lifetime=lifetime)
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
        device: Device = UNKNOWN_DEVICE,
        checkpoint: Checkpoint | None = None,
    ) -> str:
        """As `create_token`, with `device` and `checkpoint` as for `start_session`.

        Raises:
            ValueError: no usable user id, or `expires_in`, in seconds, is out of range.
        """
        lifetime = token_lifetime(self.runtime.settings, expires_in)
        return self.start_session(user, device=device, scope="", checkpoint=checkpoint, lifetime=lifetime).access_token

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

    def _loaded_scope(self, user: Any) -> str:
        load = self.runtime.hooks.scope_loader
        return (call_host(load, self.object_of(user)) or "") if load is not None else ""

    def _loaded_claims(self, user: Any) -> dict[str, Any]:
        runtime = self.runtime
        return loaded_claims(runtime, self.object_of(user)) if runtime.hooks.claims_loader is not None else {}


def _refuse_unsafe(scope: Any, amr: Any) -> None:
    for name, text in (("scope", scope), ("amr", amr)):
        if not isinstance(text, str) or not is_safe_text(text):
            raise ValueError(f"{name} must be text without control characters, not {text!r}")
    if len((scope + amr).encode()) > LONGEST_SCOPE:
        raise ValueError(f"scope and amr together have more than {LONGEST_SCOPE} bytes")
