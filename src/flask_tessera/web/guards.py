"""What stands before a view: `login_required` and its kin."""

from __future__ import annotations

import functools
import inspect
import sys
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from werkzeug.local import LocalProxy

from ..contrib import cors, restx
from ..errors import ConfigError
from .current import current_request_object
from .http_errors import raises_http
from .request_auth import auth_of, authenticate, authenticate_async
from .requirements import RequirementArguments, Requirements, parse_requirements, put_on

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Unpack

    from flask import Flask

View = TypeVar("View", bound="Callable[..., Any]")
_IS_DECORATED: Final = "__tessera_is_decorated__"
"""Set on a function above which `@login_required` stands."""
_WRAPPERS: Final = "__tessera_wrappers__"
"""Set on a function that was guarded by a call: the wrappers that no route has led to yet."""

_guarded_apps: weakref.WeakSet[Flask] = weakref.WeakSet()
"""Every application with a Tessera."""


@overload
def login_required(view: View, /) -> View: ...


@overload
def login_required(**asked: Unpack[RequirementArguments]) -> Callable[[View], View]: ...


def login_required(view: Any = None, /, **asked: Any) -> Any:
    """Let only requests with a good credential reach the view.

    Use it bare or with arguments, on functions (also `async`), methods and in a class-based view's `decorators`. It
    goes below the route decorator.

    Args:
        view: the view function, when used bare.
        **asked: scope: words that the token's scope must hold, separated by spaces (403 otherwise);
            role: one of these words, separated by spaces, must be the user's `role` or among its `roles`;
            permission: all of these words must be the user's `permission` or among its `permissions`;
            fresh: True if the login may be 5 minutes old, or the seconds it may be old (RFC 9470);
            strict: ask the storage, whatever the setting of `REVOCATION`;
            optional: True lets requests without a token through, "invalid" also those with a bad one; both as
            nobody (`current_user` is falsy then). It excludes scope, role, permission and fresh.

    Raises:
        TypeError: it was given something that is no view function, or a requirement that asks for nothing.
    """
    return guard_with("", view, asked, sys._getframe(1))  # noqa: SLF001 - the documented way to the caller's line


def guard_with(realm: str, view: Any, asked: Any, caller: FrameType) -> Any:
    """`login_required` for a realm; `caller` is the frame that it was called from."""
    wanted = parse_requirements(**asked)
    if view is None:
        # The frame is asked for when the view is there: by then the caller has gone on to its line.
        return lambda function: _guard(function, realm, wanted, sys._getframe(1))  # noqa: SLF001 - see above
    return _guard(view, realm, wanted, caller)


def _guard(view: Any, realm: str, wanted: Requirements, caller: FrameType) -> Any:
    if isinstance(view, type) or not callable(view):
        raise TypeError("login_required goes on view functions; in a class-based view list it in `decorators`")
    make = _guard_async if inspect.iscoroutinefunction(view) else _guard_sync
    if cors.is_cross_origin(view):
        make = _guard_cross_origin
    wrapper = make(view, realm, wanted)
    for name in (_IS_DECORATED, _WRAPPERS):
        wrapper.__dict__.pop(name, None)
    put_on(wrapper, wanted, realm)
    _remember_guard(view, wrapper, is_decorator=_is_decorated_by(view, caller))
    return wrapper


def _guard_sync(view: Any, realm: str, wanted: Requirements) -> Any:
    @functools.wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        authenticate(realm, wanted)
        return view(*args, **kwargs)

    return wrapper


def _guard_cross_origin(view: Any, realm: str, wanted: Requirements) -> Any:
    @functools.wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if current_request_object().method != "OPTIONS" or not cors.answers_preflight(view):
            authenticate(realm, wanted)
        return view(*args, **kwargs)

    return wrapper


def _guard_async(view: Any, realm: str, wanted: Requirements) -> Any:
    @functools.wraps(view)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        await authenticate_async(realm, wanted)
        return await view(*args, **kwargs)

    return wrapper


def _is_decorated_by(view: Any, caller: FrameType) -> bool:
    """Whether the guard is applied as `@login_required` above this function, rather than by a call elsewhere.

    A decorator is called from a line between the first decorator of a function and its body.
    """
    code = getattr(inspect.unwrap(view), "__code__", None)
    if code is None or code.co_filename != caller.f_code.co_filename:
        return False
    body = (line for _, _, line in code.co_lines() if line is not None and line > code.co_firstlineno)
    return bool(code.co_firstlineno <= caller.f_lineno <= max(body, default=code.co_firstlineno))


def _remember_guard(view: Any, wrapper: Any, *, is_decorator: bool) -> None:
    """On all functions beneath the guard: a route decorator there has registered one of them."""
    while view is not None:
        # Callable objects may have no room for it.
        with suppress(AttributeError, TypeError):
            if is_decorator:
                setattr(view, _IS_DECORATED, True)
            else:
                setattr(view, _WRAPPERS, (*getattr(view, _WRAPPERS, ()), wrapper))
        view = getattr(view, "__wrapped__", None)


@raises_http
def load_current_user(realm: str | None = None) -> Any:
    """The user of the present request's token: of a realm, or with None of the last guard; None for nobody.

    Raises:
        UserGoneError: there is no such user any more, and the guard asked for one.
        OutsideRequestError: no request is handled here.
    """
    return auth_of(realm).load_user()


@raises_http
def load_current_identity(realm: str | None = None) -> Any:
    """The `Identity` of the present request's token; None for nobody; errors as of `load_current_user`."""
    return auth_of(realm).identity


current_user: Any = LocalProxy(load_current_user)
"""The user of the present request's token, loaded at first use; falsy for nobody."""
current_identity: Any = LocalProxy(load_current_identity)
"""The `Identity` of the present request's token; falsy for nobody."""


def check_routes(app: Flask) -> None:
    """Before the first request is handled, refuse routes that lead past their guard, and settle with other libraries.

    Routes lead past where `login_required` stood above the route decorator: then the bare view was registered. A
    function may be public on one route and guarded on another, where the guard was called for just that other one.
    Flask lets nobody add routes after that, so later requests need not pay for the search.
    """
    _guarded_apps.add(app)

    def search() -> None:
        restx.let_errors_pass(app)
        _settle_routed()
        for endpoint, view in app.view_functions.items():
            if _leads_past(view):
                app.view_functions[endpoint] = _refusal_of(endpoint)
        # A new list: Flask is just going through the old one.
        app.before_request_funcs[None] = [each for each in app.before_request_funcs[None] if each is not search]

    app.before_request(search)


def is_bypassed(view: Any) -> bool:
    """Whether a route leads past a guard of its view: one that stands above it, or was made and leads nowhere.

    A view that has a guard of its own below the route may still lead past another one above it.
    """
    _settle_routed()
    return _leads_past(view)


def _leads_past(view: Any) -> bool:
    return bool(getattr(view, _IS_DECORATED, False) or getattr(view, _WRAPPERS, ()))


def _settle_routed() -> None:
    """Forget the wrappers that a route leads to: whether their application lives on changes nothing then."""
    for app in list(_guarded_apps):
        for routed in app.view_functions.values():
            above: list[Any] = [routed]
            while (view := getattr(above[-1], "__wrapped__", None)) is not None:
                if waiting := getattr(view, _WRAPPERS, ()):
                    setattr(view, _WRAPPERS, tuple(each for each in waiting if each not in above))
                above.append(view)


def _refusal_of(endpoint: str) -> Callable[..., Any]:
    def refuse(**_: Any) -> Any:
        raise ConfigError(
            f"the route of {endpoint!r} leads past its guard: put @login_required below the route decorator"
        )

    return refuse
