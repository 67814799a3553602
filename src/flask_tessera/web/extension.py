"""The extension: one object that wires Tessera into any number of applications."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..accounts.account_names import declared_members
from ..clocks import system_clock
from ..errors import ConfigError
from ..tokens.claims import is_safe_text
from . import guards, protection
from .actions import Actions, User
from .admissions import admission_of
from .assembly import assemble
from .endpoints import make_blueprint
from .http_errors import keep_answers
from .state import State
from .user_ids import id_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flask import Blueprint, Flask

    from ..services.ports import Clock
    from .identity import Identity
    from .runtime import Runtime

__all__ = ["Tessera", "id_of"]
Function = TypeVar("Function", bound="Callable[..., Any]")
_LONGEST_REALM = 64


class Tessera(Actions[User], Generic[User]):
    """Token authentication for Flask applications.

    Args:
        app: initialised at once if given; otherwise call `init_app`.
        storage: a URL, an SQLAlchemy engine or a Flask-SQLAlchemy `db`; by default the setting `TESSERA_STORE_URL`.
        user_id_type: makes the application's user id of its text form, e.g. `int`; its `str()` gives the text back.
        realm: which population of users, where an application has several.
        clock: gives now in Unix seconds; for tests.
        answer: makes the response to a success from its data, where the host has a form of its own.

    Raises:
        ConfigError: `realm` is no printable text of at most 64 characters.
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
        _refuse_unsafe(realm)
        self.realm = realm
        self._given = {"storage": storage, "user_id_type": user_id_type, "clock": clock, "answer": answer}
        self._user_loader: Callable[[Any], Any] | None = None
        self._authenticator: Callable[[dict[str, Any]], Any] | None = None
        self._account_members: tuple[str, ...] = ()
        self._user_view: Callable[[User], Any] | None = None
        self.current_user: User = _proxy(lambda: guards.load_current_user(realm))
        """`flask_tessera.current_user` for this realm, with the application's type."""
        self.current_identity: Identity[Any] = _proxy(lambda: admission_of(realm).identity)
        """`flask_tessera.current_identity` for this realm."""
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
            guards.refuse_unguarded(app)
            keep_answers(app)
        states[self.realm] = State(lambda: self._assemble(app))

    def _assemble(self, app: Flask) -> Runtime:
        return assemble(
            app,
            realm=self.realm,
            user_loader=self._user_loader,
            authenticator=self._authenticator,
            account_members=self._account_members,
            user_view=self._user_view,
            **self._given,
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

    def authenticator(self, function: Any = None, /, *, account: str | Iterable[str] = ()) -> Any:
        """Register what turns credentials (the JSON object sent to `/auth/login`) into a user, None if wrong.

        Args:
            function: it, when used bare.
            account: the members of the credentials that name the account, by which wrong passwords are counted. Those
                that are called phone, mobile, username, email, account or name need not be declared. Credentials that
                have none of them are refused.

        Raises:
            ConfigError: what is declared cannot name an account.
        """
        members = declared_members(account)
        if function is None:
            return lambda decorated: self.authenticator(decorated, account=members)
        self._authenticator = function
        self._account_members = members
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

        Requests that no route takes, automatic OPTIONS, static files and the endpoints of `blueprint()` are let
        through; the last look after themselves.

        Args:
            target: the blueprint or application.
            leave_open: endpoints that need no token, as `url_for` takes them.
            **demands: as for `login_required`.

        Raises:
            TypeError: an unknown demand, or one of the wrong type.
        """
        protection.protect(self.realm, target, leave_open, demands)

    def blueprint(self, *endpoints: str, name: str = "tessera", url_prefix: str | None = None) -> Blueprint:
        """The package's own routes, below `url_prefix`.

        Args:
            *endpoints: which; by default `refresh`, `logout`, `exchange`, `sessions`, and `login` and `me` where an
                authenticator and a user view are registered.
            name: of the blueprint.
            url_prefix: where they go; by default where the setting `TESSERA_URL_PREFIX` says, within another blueprint
                below `/auth`.

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


def _proxy(find: Callable[[], Any]) -> Any:
    return guards.CurrentProxy(find)


def _refuse_unsafe(realm: Any) -> None:
    if not isinstance(realm, str) or len(realm) > _LONGEST_REALM or not is_safe_text(realm):
        raise ConfigError(f"Tessera(realm=…) must be printable text of at most {_LONGEST_REALM} characters")
