"""What stands before a view: `login_required` and its kin."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from flask import current_app, g, request
from werkzeug.local import LocalProxy

from ..errors import (
    ConfigError,
    ScopeMissingError,
    StepUpRequiredError,
    TokenExpiredError,
    TokenInvalidError,
    TokenMissingError,
    UserGoneError,
    SessionEndedError,
)
from .http_errors import answering

if TYPE_CHECKING:
    from collections.abc import Callable

    from .identity import Identity
    from .runtime import Runtime

View = TypeVar("View", bound="Callable[..., Any]")
Optional = Literal["no", "missing", "invalid"]
FRESH_SECONDS = 300
"""How old a login may be where `fresh=True` is asked for."""
UNGUARDED = "__tessera_guarded_as__"
"""Set on a view function to the guarded one: a mark that this one must not be reached by a route."""
_NOT_GOOD = (TokenInvalidError, TokenExpiredError, SessionEndedError, UserGoneError)


@dataclass(frozen=True, slots=True)
class Demands:
    """What a guard asks of a token.

    `fresh` is the age in seconds that the login may have, 0 for any.
    """

    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    fresh: int = 0
    strict: bool = False
    optional: Optional = "no"


@dataclass(slots=True)
class Caller:
    """What a request's guard has found: kept on `g` under the realm's name."""

    identity: Identity[Any] | None
    runtime: Runtime
    user: Any = None
    has_user: bool = field(default=False)


@overload
def login_required(view: View, /) -> View: ...


@overload
def login_required(
    *,
    scope: str = ...,
    role: str = ...,
    fresh: bool | int = ...,
    strict: bool = ...,
    optional: Optional = ...,
) -> Callable[[View], View]: ...


def login_required(view: Any = None, /, **demands: Any) -> Any:
    """Let only requests with a good token reach the view.

    Use it bare or with arguments, on functions (also `async`), methods and in a class-based view's `decorators`. It
    goes below the route decorator.

    Args:
        view: the view function, when used bare.
        **demands: scope: words that the token's scope must hold, separated by spaces (403 otherwise);
            role: one of these words, separated by spaces, must be the user's `role` or among its `roles`;
            fresh: True if the login may be 5 minutes old, or the seconds it may be old (RFC 9470);
            strict: ask the storage, whatever the setting of `REVOCATION`;
            optional: "missing" lets requests without a token through, "invalid" also those with a bad one; both as
            nobody (`current_user` is falsy then).

    Raises:
        TypeError: it was given something that is no view function, or an unknown demand.
    """
    return guard_with("", view, demands)


def guard_with(realm: str, view: Any, demands: dict[str, Any]) -> Any:
    """`login_required` for a realm."""
    wanted = parse_demands(**demands)
    if view is None:
        return lambda function: _guarded(function, realm, wanted)
    return _guarded(view, realm, wanted)


def parse_demands(
    *,
    scope: str = "",
    role: str = "",
    fresh: bool | int = False,
    strict: bool = False,
    optional: Optional = "no",
) -> Demands:
    """Demands from a decorator's arguments.

    Raises:
        TypeError: `optional` is none of its three words, or another argument has the wrong type.
    """
    if optional not in ("no", "missing", "invalid"):
        raise TypeError(f'optional must be "no", "missing" or "invalid", not {optional!r}')
    if not isinstance(scope, str) or not isinstance(role, str) or not isinstance(fresh, int):
        raise TypeError("scope and role must be texts, fresh True or a number of seconds")
    seconds = FRESH_SECONDS if fresh is True else int(fresh)
    return Demands(frozenset(scope.split()), frozenset(role.split()), seconds, bool(strict), optional)


def _guarded(view: Any, realm: str, demands: Demands) -> Any:
    if isinstance(view, type) or not callable(view):
        raise TypeError("login_required goes on view functions; in a class-based view list it in `decorators`")
    if inspect.iscoroutinefunction(view):
        wrapper = _guarded_async(view, realm, demands)
    else:

        @functools.wraps(view)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            admit(realm, demands)
            return view(*args, **kwargs)

    # Set after wraps has copied the view's attributes: only the bare view carries it.
    if hasattr(view, "__dict__"):
        setattr(view, UNGUARDED, wrapper)
    return wrapper


def _guarded_async(view: Any, realm: str, demands: Demands) -> Any:
    @functools.wraps(view)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        caller = admit(realm, demands)
        await caller.runtime.load_user_async(caller)
        return await view(*args, **kwargs)

    return wrapper


def admit(realm: str, demands: Demands) -> Caller:
    """Let the present request in, or raise the error that answers it.

    Raises:
        TesseraHTTPError: the request is not let in.
        ConfigError: the application has no Tessera of this realm, or a setting is wrong.
    """
    runtime = runtime_of(realm)
    with answering(runtime.answers):
        caller = Caller(_identify(runtime, demands), runtime)
        g.setdefault("_tessera", {})[realm] = caller
        if caller.identity is not None:
            _check(caller, demands)
    return caller


def _identify(runtime: Runtime, demands: Demands) -> Identity[Any] | None:
    try:
        return runtime.identify(runtime.transport.find(request.environ), strict=demands.strict)
    except TokenMissingError:
        if demands.optional == "no":
            raise
    except _NOT_GOOD:
        if demands.optional != "invalid":
            raise
    return None


def _check(caller: Caller, demands: Demands) -> None:
    identity = caller.identity
    if identity is None:
        return
    if demands.scopes and not demands.scopes <= identity.scopes:
        raise ScopeMissingError(f"the token lacks {' '.join(sorted(demands.scopes - identity.scopes))}")
    if demands.fresh and caller.runtime.clock() - identity.authenticated_at > demands.fresh:
        raise StepUpRequiredError("the login is too old")
    if demands.roles and not demands.roles & _roles_of(caller.runtime.load_user(caller)):
        raise ScopeMissingError(f"the user has none of the roles {' '.join(sorted(demands.roles))}")


def _roles_of(user: Any) -> frozenset[str]:
    roles = getattr(user, "roles", None)
    if roles is None or isinstance(roles, str):
        roles = (roles or getattr(user, "role", None),)
    return frozenset(role for role in roles if isinstance(role, str))


def runtime_of(realm: str) -> Runtime:
    """The running Tessera of the current application.

    Raises:
        ConfigError: there is none, or a setting is wrong.
    """
    states = current_app.extensions.get("tessera", {})
    if realm not in states:
        raise ConfigError(f"this application has no Tessera of realm {realm!r}: call tessera.init_app(app)")
    runtime: Runtime = states[realm].runtime
    return runtime


def caller_of(realm: str | None) -> Caller:
    """What the guard of the present request has found: of a realm, or with None the last guard of any.

    Raises:
        ConfigError: no guard stands before this view.
    """
    callers: dict[str, Caller] = g.get("_tessera", {})
    caller = next(reversed(callers.values()), None) if realm is None else callers.get(realm)
    if caller is None:
        raise ConfigError("there is no current user here: put @login_required below the route decorator")
    return caller


def _load_current_user() -> Any:
    caller = caller_of(None)
    with answering(caller.runtime.answers):
        return caller.runtime.load_user(caller)


current_user: Any = LocalProxy(_load_current_user)
"""The user of the present request's token, loaded at first use; falsy for nobody."""
current_identity: Any = LocalProxy(lambda: caller_of(None).identity)
"""The `Identity` of the present request's token; falsy for nobody."""


def refuse_unguarded() -> None:
    """Stop a request whose route leads past the guard: `login_required` stood above the route decorator.

    Raises:
        ConfigError: it does.
    """
    view = current_app.view_functions.get(request.endpoint or "")
    if view is not None and getattr(view, UNGUARDED, None) is not None:
        raise ConfigError(
            f"the route of {request.endpoint!r} leads past its guard: put @login_required below the route decorator"
        )
