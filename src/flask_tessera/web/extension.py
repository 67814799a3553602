"""The extension: one object that wires Tessera into any number of applications."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from werkzeug.local import LocalProxy

from ..accounts.account_names import declared_members
from ..contrib import migrations
from ..errors import ConfigError
from ..services.tickets import checked_purpose
from ..tokens.claims import is_safe_text
from . import guards, protection
from .action_base import User
from .actions import Actions
from .api_key_actions import ApiKeyActions
from .app_state import States, runtime_of, states_of
from .current import current_app_object, is_async, refuse_async_without_support
from .endpoint_choice import default_endpoints, logs_in, refuse_lacking
from .endpoints import make_blueprint
from .hook_registration import HookRegistration
from .hooks import Hooks
from .host_users import HostUsers
from .http_errors import keep_answers, raises_http
from .notices import Notices
from .openapi.document import build_document
from .openapi.page import make_docs
from .password_hashing import password_hashing
from .password_policy import password_policy
from .user_deletion import revoke_on_delete

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Unpack

    from flask import Blueprint, Flask

    from ..accounts.passwords import Passwords
    from ..accounts.user_store import UserStore
    from ..services.ports import Clock
    from ..services.senders.message import Sender
    from .app_state import Runtime
    from .identity import Identity
    from .requirements import RequirementArguments

__all__ = ["Tessera"]
Function = TypeVar("Function", bound="Callable[..., Any]")
_LONGEST_REALM = 64


class Tessera(HookRegistration, Actions[User], Generic[User]):
    """Token authentication for Flask applications.

    Args:
        app: initialised at once if given; otherwise call `init_app`.
        storage: a URL, an SQLAlchemy engine or a Flask-SQLAlchemy `db`; by default the setting `TESSERA_STORE_URL`.
            The realms of one application share one.
        user_id_type: makes the application's user id of its text form, e.g. `int`; its `str()` gives the text back.
        user_stamp: gives of a user object a short text that no other user of the same id has, e.g. when the row was
            made. It is kept with each session, so that the next owner of a deleted user's id is not taken for him.
        load_user: "always" has every guard load the user, so that one who is gone is refused by views that never look
            at the user; "when_used" loads the user when `current_user` is used.
        realm: which population of users, where an application has several.
        clock: gives now in Unix seconds; for tests.
        answer: makes the response to a success from its data, where the host has a form of its own; may be `async`.
        users: an object with the methods of `accounts.user_store.UserStore`, by which people register, log in with
            password or code, and are loaded.
        sender: an object with a method `send(message)` that delivers codes, links and notices, in place of the setting
            `SENDER`.
        ticket_purposes: for what clients may get themselves tickets at `/auth/tickets`.
        audit: whether authentication events are kept in the storage, for `/auth/history` and `flask tessera audit`;
            they go to the signal `audit_recorded` and the logger `flask_tessera.audit` in any case.

    Raises:
        ConfigError: `realm` is no printable text of at most 64 characters, `load_user` is none of its words, or
            `ticket_purposes` is no list of purposes, or `users` lacks a method.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        storage: Any = None,
        user_id_type: Callable[[str], Any] = str,
        user_stamp: Callable[[Any], Any] | None = None,
        load_user: Literal["when_used", "always"] = "when_used",
        realm: str = "",
        clock: Clock | None = None,
        answer: Callable[[Any], Any] | None = None,
        users: UserStore[User] | None = None,
        sender: Sender | None = None,
        audit: bool = False,
        ticket_purposes: Iterable[str] = (),
    ) -> None:
        _refuse_unsafe(realm)
        if load_user not in ("when_used", "always"):
            raise ConfigError(f'Tessera(load_user=…) must be "when_used" or "always", not {load_user!r}')
        refuse_async_without_support(answer, "Tessera(answer=…)")
        self.realm = realm
        self._storage = storage
        self._clock = clock
        host_users = None if users is None else HostUsers(users)
        loads_always = load_user == "always" or is_async(getattr(users, "by_id", None))
        self._hooks = Hooks(
            user_id_type,
            user_loader=host_users.load if host_users else None,
            user_stamp=user_stamp,
            answer=answer,
            ticket_purposes=_purposes(ticket_purposes),
            users=host_users,
            sender=sender,
            keeps_history=audit,
            loads_always=loads_always,
            loads_before_view=loads_always,
        )
        proxy: Any = LocalProxy
        self.current_user: User = proxy(lambda: guards.load_current_user(realm))
        """`flask_tessera.current_user` for this realm, with the application's type."""
        self.current_identity: Identity[Any] = proxy(lambda: guards.load_current_identity(realm))
        """`flask_tessera.current_identity` for this realm."""
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Make this Tessera known to `app`: its settings are read and checked; nothing is connected to.

        What is set later, until the first request, counts too, and is checked then.

        Raises:
            ConfigError: `app` has a Tessera of this realm already, or a setting is wrong, weak or missing.
        """
        states: States | None = app.extensions.get("tessera")
        if states is None:
            states = States(app)
        states.add(self.realm, self._hooks, storage=self._storage, clock=self._clock)
        if "tessera" not in app.extensions:
            app.extensions["tessera"] = states
            guards.check_routes(app)
            keep_answers(app)
            migrations.leave_our_tables_alone()
        if self._hooks.users is not None:
            Notices(self).connect(app)

    def check(self, app: Flask) -> None:
        """Connect to everything that requests will use, and write something; for start-up scripts.

        Raises:
            ConfigError: a setting is wrong, or the storage is of an older schema or another application.
            StorageUnavailableError: the storage does not answer, or cannot write.
        """
        with app.app_context():
            self.runtime.storage.check()

    def close(self, app: Flask) -> None:
        """Write what waits, end the threads and let go of every connection of `app`, for all its realms.

        The next use opens them again. Tests that make many applications call it at the end of each.

        Raises:
            ConfigError: `app` has no Tessera.
        """
        with app.app_context():
            states_of(app).close()

    @property
    def runtime(self) -> Runtime:
        """What runs in the current application.

        Raises:
            ConfigError: `init_app` was not called for it, or a setting is wrong.
        """
        return runtime_of(self.realm)

    @property
    def passwords(self) -> Passwords:
        """Hashes and verifies passwords with safe defaults; as many at once as `HASH_SLOTS` says.

        Raises:
            ConfigError: the extra `accounts` is not installed.
        """
        return password_hashing(states_of(current_app_object()))

    @property
    def api_keys(self) -> ApiKeyActions:
        """Makes, lists and ends API keys; needs an application context."""
        return ApiKeyActions(self)

    @raises_http
    def check_new_password(self, password: str, words: Iterable[str] = ()) -> None:
        """Refuse a password that others would guess; call it before the password is hashed.

        Args:
            password: as it was typed, at least `PASSWORD_MIN_LENGTH` characters.
            words: what is known of the person: phone number, e-mail address, name. The application's name is added.

        Raises:
            InputError: `password_too_short`, `password_common`, `password_breached`, or `input_malformed` if it could
                not be hashed either.
            ConfigError: the extra `accounts` is not installed.
        """
        password_policy(self.runtime).check(password, words)

    @overload
    def login_required(self, view: Function, /) -> Function: ...

    @overload
    def login_required(self, /, **asked: Unpack[RequirementArguments]) -> Callable[[Function], Function]: ...

    def login_required(self, view: Any = None, /, **asked: Any) -> Any:
        """`flask_tessera.login_required` for this realm."""
        return guards.guard_with(self.realm, view, asked, sys._getframe(1))  # noqa: SLF001 - as guards.login_required

    def protect(self, target: Any, *, leave_open: Iterable[str] = (), **asked: Unpack[RequirementArguments]) -> None:
        """Guard every view of a blueprint or an application.

        Requests that no route takes, automatic OPTIONS, static files and the endpoints of `blueprint()` are let
        through; the last look after themselves.

        Args:
            target: the blueprint or application.
            leave_open: endpoints that need no token, as `url_for` takes them, with their blueprint's name. One that is
                not there is a ConfigError at the first request, and in `flask tessera routes`.
            **asked: as for `login_required`.

        Raises:
            TypeError: an unknown requirement, or one that asks for nothing.
        """
        protection.protect(self.realm, target, leave_open, dict(asked))

    def revoke_on_delete(self, model: type) -> None:
        """End all sessions of a user whose SQLAlchemy object is deleted through a session, once that has committed.

        Bulk deletes (`delete(User)…`, `Query.delete()`) pass no object through a session: call `revoke_user` for them.

        Args:
            model: the mapped class of the users.
        """
        revoke_on_delete(self, model)

    def blueprint(self, *endpoints: str, name: str = "", url_prefix: str | None = None) -> Blueprint:
        """The package's own routes, below `url_prefix`.

        Args:
            *endpoints: which; by default `refresh`, `logout`, `exchange`, `csrf`, `sessions`, `script`; `login` and
                `second-factor` with an authenticator or users, `me` with a user view that is registered before this
                call, `tickets` where there are `ticket_purposes`; with users also `codes`, `register`, `password`,
                `links`, `totp`, `trusted-devices`, `passkeys`, `step-up`, and `bind` where there is `me`, as far as the
                users have the methods for it (`register` needs `create`, `bind` needs `bind`). Whoever
                chooses `totp` or `passkeys` needs `second-factor` too, by which their owners log in.
            name: of the blueprint; by default `tessera`, or `tessera_` and the realm.
            url_prefix: where they go; by default where the setting `TESSERA_URL_PREFIX` says, within another blueprint
                below `/auth`. No two realms have one place; with `COOKIES`, `refresh` is at one only.

        Raises:
            ConfigError: an unknown endpoint, or one that needs something that is not registered, or `users`.
        """
        chosen = endpoints or default_endpoints(self._hooks)
        refuse_lacking(self._hooks, chosen)
        name = name or "_".join(filter(None, ("tessera", self.realm)))
        return make_blueprint(self, chosen, name, url_prefix, users=self._hooks.users)

    def openapi(self, *, title: str = "", version: str = "1") -> dict[str, Any]:
        """The API of the current application as an OpenAPI 3.1 document; nothing is connected to.

        It describes the endpoints of `blueprint()` and the views behind this realm's guards, as the settings have them.

        Args:
            title: of the API; by default the application's name.
            version: of the API.

        Raises:
            ConfigError: `init_app` was not called for it, or a setting is wrong.
        """
        return build_document(current_app_object(), self.realm, title=title, version=version)

    def docs_blueprint(
        self, *, name: str = "", url_prefix: str | None = None, title: str = "", version: str = "1"
    ) -> Blueprint:
        """`/openapi.json`, the document of `openapi()`, and `/docs`, a page that shows it and tries it out.

        Whoever may open them reads there what routes the application has; the page takes nothing from elsewhere.

        Args:
            name: of the blueprint; by default `docs`, or `docs_` and the realm.
            url_prefix: where they go; by default to the root.
            title: of the API; by default the application's name.
            version: of the API.
        """
        chosen = name or "_".join(filter(None, ("docs", self.realm)))
        return make_docs(self, name=chosen, url_prefix=url_prefix, title=title, version=version)

    def console(
        self, *, account: str | Iterable[str] = (), sign_in: str = "", name: str = "", url_prefix: str = "/console"
    ) -> Blueprint:
        """Pages for people: to sign in, and to see and end their own sessions; they need the setting `COOKIES`.

        Each is a template that the application may replace by one of its own, below `tessera/` in its templates.

        Args:
            account: the members of the credentials that the sign-in page fills with what is typed as the account; by
                default those declared for the authenticator, else `username`.
            sign_in: the path of the application's own sign-in page, which is given `next` and `reason` in its query;
                then there is none here.
            name: of the blueprint; by default `tessera_console`, and the realm.
            url_prefix: where the pages go.

        Raises:
            ConfigError: there is no authenticator and no page to sign in, or an argument is wrong.
        """
        from ..console import make_console

        if not sign_in and not logs_in(self._hooks):
            raise ConfigError(
                "console() needs @tessera.authenticator, registered before it, or Tessera(users=…), or"
                " console(sign_in='/…')"
            )
        members = declared_members(account) or self._hooks.account_members or ("username",)
        name = name or "_".join(filter(None, ("tessera_console", self.realm)))
        return make_console(self, account=members, sign_in_path=sign_in, name=name, url_prefix=url_prefix)


def _purposes(given: Any) -> frozenset[str]:
    if isinstance(given, str):
        raise ConfigError(f"Tessera(ticket_purposes=…) must be a list of purposes, not {given!r}")
    try:
        return frozenset(map(checked_purpose, given))
    except ValueError as error:
        raise ConfigError(f"Tessera(ticket_purposes=…): {error}") from error


def _refuse_unsafe(realm: Any) -> None:
    if not isinstance(realm, str) or len(realm) > _LONGEST_REALM or not is_safe_text(realm):
        raise ConfigError(f"Tessera(realm=…) must be printable text of at most {_LONGEST_REALM} characters")
