"""What stands before a view: `login_required` and its kin."""

from __future__ import annotations

import functools
import inspect
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from werkzeug.local import LocalProxy

from ..errors import (
    ConfigError,
    ScopeMissingError,
    SessionEndedError,
    StepUpRequiredError,
    TesseraError,
    TokenExpiredError,
    TokenInvalidError,
    TokenMissingError,
)
from . import admissions
from .admissions import Admission, admission_of
from .demands import Demands, parse_demands
from .http_errors import answering, raise_as_http
from .present import present_app, present_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from .identity import Identity
    from .runtime import Runtime

View = TypeVar("View", bound="Callable[..., Any]")
UNGUARDED = "__tessera_guarded_as__"
"""Set on a view function to the guarded one: a mark that this one must not be reached by a route."""
_NOT_GOOD = (TokenInvalidError, TokenExpiredError, SessionEndedError)


@overload
def login_required(view: View, /) -> View: ...


@overload
def login_required(
    *,
    scope: str = ...,
    role: str = ...,
    fresh: bool | int = ...,
    strict: bool = ...,
    optional: Literal["no", "missing", "invalid"] = ...,
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


def _guarded(view: Any, realm: str, demands: Demands) -> Any:
    if isinstance(view, type) or not callable(view):
        raise TypeError("login_required goes on view functions; in a class-based view list it in `decorators`")
    make = _guarded_async if inspect.iscoroutinefunction(view) else _guarded_sync
    wrapper = make(view, realm, demands)
    # Only the bare view carries the mark. A view that is guarded twice handed an earlier one on to the wrapper.
    wrapper.__dict__.pop(UNGUARDED, None)
    if not inspect.ismethod(view):
        # Callable objects may have no room for it.
        with suppress(AttributeError, TypeError):
            setattr(view, UNGUARDED, wrapper)
    return wrapper


def _guarded_sync(view: Any, realm: str, demands: Demands) -> Any:
    @functools.wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        admit(realm, demands)
        return view(*args, **kwargs)

    return wrapper


def _guarded_async(view: Any, realm: str, demands: Demands) -> Any:
    @functools.wraps(view)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        await _admit_async(realm, demands)
        return await view(*args, **kwargs)

    return wrapper


def admit(realm: str, demands: Demands) -> Admission:
    """Let the present request in, or raise the error that answers it.

    Raises:
        TesseraHTTPError: the request is not let in.
        ConfigError: the application has no Tessera of this realm, or a setting is wrong.
    """
    runtime = runtime_of(realm)
    try:
        admission = _look_at_token(runtime, demands)
        if runtime.loads_async:
            # Here, where no event loop runs; within an async view the loader could not be waited for.
            runtime.load_user(admission)
        if demands.go_further:
            _check(admission, demands)
    except TesseraError as error:
        raise_as_http(error, runtime.answers)
    return admission


async def _admit_async(realm: str, demands: Demands) -> None:
    runtime = runtime_of(realm)
    try:
        admission = _look_at_token(runtime, demands)
        if runtime.loads_async:
            await runtime.load_user_async(admission)
        if demands.go_further:
            _check(admission, demands)
    except TesseraError as error:
        raise_as_http(error, runtime.answers)


def _look_at_token(runtime: Runtime, demands: Demands) -> Admission:
    request = present_request()
    found = admissions.begin(request, runtime)
    identity: Identity[Any] | None = None
    try:
        identity = runtime.identify(runtime.transport.find(request.environ), strict=demands.strict)
    except TokenMissingError:
        if demands.optional == "no":
            raise
    except _NOT_GOOD:
        if demands.optional != "invalid":
            raise
    admission = Admission(runtime, identity, demands.optional == "invalid")
    admissions.add(found, admission)
    return admission


def _check(admission: Admission, demands: Demands) -> None:
    """Raise unless the token, and the user, reach as far as is demanded; nobody is as far as `optional` let in."""
    identity = admission.identity
    if identity is None:
        return
    if not demands.scopes <= identity.scopes:
        raise ScopeMissingError(f"the token lacks {' '.join(sorted(demands.scopes - identity.scopes))}")
    if demands.fresh and admission.runtime.clock() - identity.authenticated_at > demands.fresh:
        raise StepUpRequiredError("the login is too old")
    if demands.roles:
        user = admission.runtime.load_user(admission)
        if admission.identity is not None and not demands.roles & _roles_of(user):
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
    states = present_app().extensions.get("tessera", {})
    if realm not in states:
        known = f"; it has those of {', '.join(map(repr, states))}" if states else ": call tessera.init_app(app)"
        raise ConfigError(f"this application has no Tessera of realm {realm!r}{known}")
    runtime: Runtime = states[realm].runtime
    return runtime


def load_current_user(realm: str | None = None) -> Any:
    """The user of the present request's token: of a realm, or with None of the last guard.

    Raises:
        UserGoneError: there is no such user any more.
        ConfigError: no guard stands before this view.
    """
    admission = admission_of(realm)
    if admission.has_user:
        return admission.user
    with answering(admission.runtime.answers):
        return admission.runtime.load_user(admission)


class CurrentProxy(LocalProxy[Any]):
    """A proxy that has a class of its own where there is nobody to speak for."""

    __slots__ = ()

    @property  # type: ignore[misc]  # typeshed gives `object` an attribute that can be set
    def __class__(self) -> type:
        """Asked of every object there is by whatever patches a running process, as gevent does, so it never fails."""
        try:
            return type(self._get_current_object())
        except ConfigError:
            return type(self)


current_user: Any = CurrentProxy(load_current_user)
"""The user of the present request's token, loaded at first use; falsy for nobody."""
current_identity: Any = CurrentProxy(lambda: admission_of(None).identity)
"""The `Identity` of the present request's token; falsy for nobody."""


def refuse_unguarded(app: Flask) -> None:
    """Have routes refused that lead past their guard, found before the first request is handled.

    They do where `login_required` stood above the route decorator: then the bare view was registered. Flask lets nobody
    add routes after that, so later requests need not pay for the search.
    """

    def search() -> None:
        for endpoint, view in app.view_functions.items():
            if hasattr(view, UNGUARDED):
                app.view_functions[endpoint] = _refusal_of(endpoint)
        # A new list: Flask is just going through the old one.
        app.before_request_funcs[None] = [each for each in app.before_request_funcs[None] if each is not search]

    app.before_request(search)


def _refusal_of(endpoint: str) -> Callable[..., Any]:
    def refuse(**_: Any) -> Any:
        raise ConfigError(
            f"the route of {endpoint!r} leads past its guard: put @login_required below the route decorator"
        )

    return refuse
