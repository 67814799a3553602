"""The extension: one object that wires Tessera into any number of applications."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from flask import current_app, g, has_request_context, request
from werkzeug.local import LocalProxy

from ..errors import ConfigError, SessionEndedError, TokenExpiredError, TokenInvalidError, UserGoneError
from ..services.keys import parse_sid
from ..services.ports import Caller
from ..services.sessions import Login
from ..sessions.record import Device, Session
from . import guards
from .assembly import assemble
from .client import caller_from_request, clean_device
from .endpoints import make_blueprint
from .http_errors import answering
from .token_pair import TokenPair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flask import Blueprint, Flask, Response

    from ..services.ports import Clock
    from .identity import Identity
    from .runtime import Runtime

User = TypeVar("User")
Function = TypeVar("Function", bound="Callable[..., Any]")
FOR_EVER = 253_402_300_799
"""A suspension without an end: the last second of the year 9999."""


def system_clock() -> int:
    """Now in Unix seconds."""
    return int(time.time())


@dataclass(frozen=True, slots=True)
class Ending:
    """What ended, and the Unix second by which every worker refuses the tokens of it."""

    sessions: tuple[Session, ...]
    effective_by: int


class _State:
    """One application's share of a Tessera; its settings freeze at first use."""

    def __init__(self, tessera: Tessera[Any], app: Flask) -> None:
        self._tessera = tessera
        self._app = app
        self._lock = threading.Lock()
        self._runtime: Runtime | None = None

    @property
    def runtime(self) -> Runtime:
        if self._runtime is None:
            with self._lock:
                if self._runtime is None:
                    self._runtime = self._tessera.assemble_for(self._app)
        return self._runtime


class Tessera(Generic[User]):
    """Token authentication for Flask applications.

    Args:
        app: initialised at once if given; otherwise call `init_app`.
        storage: a URL, an SQLAlchemy engine or a Flask-SQLAlchemy `db`; by default the setting `TESSERA_STORE_URL`.
        user_id_type: makes the application's user id of its text form, e.g. `int`.
        realm: which population of users, where an application has several.
        clock: gives now in Unix seconds; for tests.
        answer: makes the response to a success from its data, where the host has a form of its own.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        storage: Any = None,
        user_id_type: Callable[[str], Any] = str,
        realm: str = "",
        clock: Clock = system_clock,
        answer: Callable[[Any], Any] | None = None,
    ) -> None:
        self.realm = realm
        self._storage = storage
        self._user_id_type = user_id_type
        self._clock = clock
        self._answer = answer
        self._user_loader: Callable[[Any], Any] | None = None
        self._authenticator: Callable[[dict[str, Any]], Any] | None = None
        self._user_view: Callable[[User], Any] | None = None
        self.current_user: User = LocalProxy(self._load_current_user)  # type: ignore[assignment]  # stands for the user
        self.current_identity: Identity[Any] = LocalProxy(self._find_identity)  # type: ignore[assignment]  # likewise
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Make this Tessera known to `app`. Settings are read at first use.

        Raises:
            ConfigError: `app` has a Tessera of this realm already.
        """
        states = app.extensions.setdefault("tessera", {})
        if self.realm in states:
            raise ConfigError(f"this application has a Tessera of realm {self.realm!r} already")
        if not states:
            app.before_request(guards.refuse_unguarded)
            app.after_request(_forbid_caching)
        states[self.realm] = _State(self, app)

    def assemble_for(self, app: Flask) -> Runtime:
        """Wire the services for `app`; called once for each, at first use.

        Raises:
            ConfigError: a setting is unknown, weak or contradictory.
        """
        return assemble(
            app,
            storage=self._storage,
            realm=self.realm,
            clock=self._clock,
            answer=self._answer,
            user_id_type=self._user_id_type,
            user_loader=self._user_loader,
            authenticator=self._authenticator,
            user_view=self._user_view,
        )

    @property
    def runtime(self) -> Runtime:
        """What runs in the current application.

        Raises:
            ConfigError: `init_app` was not called for it, or a setting is wrong.
        """
        return guards.runtime_of(self.realm)

    def user_loader(self, function: Function) -> Function:
        """Register what gives the user of a user id, None for no such user; it may be `async`."""
        self._user_loader = function
        return function

    def authenticator(self, function: Function) -> Function:
        """Register what turns credentials (the JSON object sent to `/auth/login`) into a user, None if wrong."""
        self._authenticator = function
        return function

    def user_view(self, function: Function) -> Function:
        """Register what `/auth/me` shows of a user: something that JSON can carry."""
        self._user_view = function
        return function

    def login_required(self, view: Any = None, /, **demands: Any) -> Any:
        """`flask_tessera.login_required` for this realm."""
        return guards.guard_with(self.realm, view, demands)

    def protect(self, target: Any, *, leave_open: Iterable[str] = (), **demands: Any) -> None:
        """Guard every view of a blueprint or an application.

        Requests that no route takes, automatic OPTIONS, static files and the endpoints of `blueprint()` that need no
        token are let through.

        Args:
            target: the blueprint or application.
            leave_open: endpoints that need no token.
            **demands: as for `login_required`.
        """
        open_endpoints = frozenset(leave_open)
        wanted = guards.parse_demands(**demands)

        def guard() -> None:
            if not _is_open(open_endpoints):
                guards.admit(self.realm, wanted)

        target.before_request(guard)

    def blueprint(self, *endpoints: str, name: str = "tessera", url_prefix: str = "/auth") -> Blueprint:
        """The package's own routes, below `url_prefix`.

        Args:
            *endpoints: which; by default `refresh`, `logout`, `exchange`, `sessions`, and `login` and `me` where an
                authenticator and a user view are registered.
            name: of the blueprint.
            url_prefix: where they go.

        Raises:
            ConfigError: an unknown endpoint, or one that needs something that is not registered.
        """
        chosen = endpoints or self._default_endpoints()
        if "login" in chosen and self._authenticator is None:
            raise ConfigError("the endpoint login needs @tessera.authenticator, registered before blueprint()")
        if "me" in chosen and self._user_view is None:
            raise ConfigError("the endpoint me needs @tessera.user_view, registered before blueprint()")
        return make_blueprint(self, chosen, name, url_prefix)

    def _default_endpoints(self) -> tuple[str, ...]:
        login = ("login",) if self._authenticator else ()
        me = ("me",) if self._user_view else ()
        return (*login, "refresh", "logout", "exchange", *me, "sessions")

    def login(
        self, user: User | Any, *, device: Device = Device(), scope: str = "", amr: Iterable[str] = ("pwd",)
    ) -> TokenPair:
        """Begin a session for a user whose credentials were checked, and issue its first pair.

        Args:
            user: a user object (its `get_id()` or `id`) or a plain user id.
            device: what the client says of itself.
            scope: what the tokens allow, words separated by spaces (RFC 8693 §4.2).
            amr: how the user logged in (RFC 8176).

        Raises:
            ValueError: `user` is None or has no usable id.
            LoginRefusedError: the user is suspended.
            SessionLimitError: too many sessions, and newcomers are refused.
            StorageUnavailableError: no session was begun.
        """
        runtime = self.runtime
        login = Login(id_of(user), clean_device(device), self.present_caller(), scope, " ".join(amr))
        with answering(runtime.answers):
            return TokenPair(runtime.sessions.log_in(login), runtime.answers)

    def create_token(self, user: User | Any, expires_in: int | None = None) -> str:
        """Issue one access token; its session ends with it.

        Args:
            user: as for `login`.
            expires_in: seconds, by default `TOKEN_LIFETIME`, at most `SESSION_LIFETIME`.

        Raises:
            ValueError: no usable user id, or `expires_in` is out of range.
            LoginRefusedError: the user is suspended.
            StorageUnavailableError: no session was begun.
        """
        runtime = self.runtime
        lifetime = runtime.settings.TOKEN_LIFETIME if expires_in is None else expires_in
        if type(lifetime) is not int or not 1 <= lifetime <= runtime.settings.SESSION_LIFETIME:
            raise ValueError(f"expires_in must be 1 to TESSERA_SESSION_LIFETIME whole seconds, not {lifetime!r}")
        login = Login(id_of(user), caller=self.present_caller())
        with answering(runtime.answers):
            return runtime.sessions.create_token(login, lifetime=lifetime)

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
        """End the session of the present request's token.

        Raises:
            StorageUnavailableError: it may not have ended.
        """
        runtime = self.runtime
        with answering(runtime.answers):
            return self._ending([runtime.sessions.end(self._current_sid(), "logout", self.present_caller())])

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
        runtime = self.runtime
        with answering(runtime.answers):
            return self._ending(runtime.sessions.end_user(id_of(user), _checked(reason), self.present_caller()))

    def end_others(self, reason: str = "logout") -> Ending:
        """End all sessions of the current user but the present one, in one step; for password changes too.

        Raises:
            ValueError: an unknown reason.
            StorageUnavailableError: they may not have ended.
        """
        runtime = self.runtime
        user_id, sid = self._current_owner(), self._current_sid()
        with answering(runtime.answers):
            ended = runtime.sessions.end_user(user_id, _checked(reason), self.present_caller(), except_sid=sid)
            return self._ending(ended)

    def sessions(self, user: User | Any) -> list[Session]:
        """The live sessions of a user, oldest first.

        Raises:
            StorageUnavailableError: they cannot be read.
        """
        runtime = self.runtime
        with answering(runtime.answers):
            return runtime.sessions.list(id_of(user))

    def suspend(self, user: User | Any, *, until: int = FOR_EVER) -> Ending:
        """End all sessions of a user and let none begin before Unix second `until` (封禁).

        Raises:
            StorageUnavailableError: nothing may have changed.
        """
        runtime = self.runtime
        with answering(runtime.answers):
            return self._ending(runtime.sessions.suspend(id_of(user), until=until, caller=self.present_caller()))

    def unsuspend(self, user: User | Any) -> None:
        """Let a user log in again; what has ended stays ended.

        Raises:
            StorageUnavailableError: nothing may have changed.
        """
        runtime = self.runtime
        with answering(runtime.answers):
            runtime.sessions.unsuspend(id_of(user))

    def _ending(self, sessions: Iterable[Session]) -> Ending:
        return Ending(tuple(sessions), self.runtime.effective_by())

    def present_caller(self) -> Caller:
        """Who sent the present request; nobody outside one."""
        return caller_from_request(self.runtime.settings.TRUSTED_PROXIES) if has_request_context() else Caller()

    def _load_current_user(self) -> Any:
        caller = guards.caller_of(self.realm)
        with answering(caller.runtime.answers):
            return caller.runtime.load_user(caller)

    def _find_identity(self) -> Any:
        return guards.caller_of(self.realm).identity

    def _current_owner(self) -> str:
        return str(self._signed_in().user_id)

    def _current_sid(self) -> bytes:
        return parse_sid(self._signed_in().session_id)

    def _signed_in(self) -> Identity[Any]:
        identity = guards.caller_of(self.realm).identity
        if identity is None:
            raise ConfigError("nobody is logged in here: the guard of this view is optional")
        return identity


def id_of(user: Any) -> str:
    """The text form of a user's id.

    Raises:
        ValueError: `user` is None, or has no id.
    """
    if hasattr(user, "get_id"):
        user = user.get_id()
    elif hasattr(user, "id"):
        user = user.id
    if user is None or isinstance(user, bool) or user == "":
        raise ValueError(f"a user object with get_id() or id, or a plain user id is needed, not {user!r}")
    return str(user)


def _checked(reason: str) -> str:
    if reason not in SessionEndedError.REASONS:
        raise ValueError(f"reason must be one of {', '.join(SessionEndedError.REASONS)}, not {reason!r}")
    return reason


def _is_open(open_endpoints: frozenset[str]) -> bool:
    rule = request.url_rule
    if rule is None or request.endpoint in open_endpoints:
        return True
    if request.method == "OPTIONS" and rule.provide_automatic_options:
        return True
    endpoint = request.endpoint or ""
    return endpoint == "static" or endpoint.endswith(".static") or _is_ours(endpoint)


def _is_ours(endpoint: str) -> bool:
    """Whether an endpoint is one of `blueprint()`, all of which look after themselves."""
    return getattr(current_app.view_functions.get(endpoint), "__module__", "").startswith("flask_tessera.")


def _forbid_caching(response: Response) -> Response:
    """What a token opened must not be kept by a cache (RFC 6749 §5.1, RFC 9111 §3.5)."""
    if "_tessera" in g:
        response.headers.setdefault("Cache-Control", "no-store")
    return response


