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
from .endpoint_places import check_places
from .http_errors import raises_http
from .protection import check_left_open
from .request_auth import auth_of, authenticate, authenticate_async
from .requirements import RequirementArguments, Requirements, parse_requirements, put_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Unpack

    from flask import Flask

View = TypeVar("View", bound="Callable[..., Any]")
_GUARD: Final = "__tessera_guard__"
"""Set on what a guard has made, and copied with its other attributes by the decorators above it: which guard it is."""
_DECORATORS: Final = "__tessera_decorators__"
"""Set on a function above which `@login_required` stands: those guards."""
_CALLS: Final = "__tessera_calls__"
"""Set on a function that was guarded by a call: those guards, until a route has led to them."""
_LAMBDA: Final = "<lambda>"

_guarded_apps: weakref.WeakValueDictionary[int, Flask] = weakref.WeakValueDictionary()
"""Every application with a Tessera, by its `id`."""


class _Guard:
    """One application of `login_required`."""

    is_routed = False
    """Whether a route has led to it."""


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
            nobody (`current_user` is falsy then). It excludes scope, role, permission and fresh;
            transports: which credentials are accepted, by default all of "header" and "cookie" (the token of a session
            in one of them) and "api_key";
            ticket: the purpose of tickets (`issue_ticket`) that a GET may carry instead, as `?ticket=…`.

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
    for name in (_DECORATORS, _CALLS):
        wrapper.__dict__.pop(name, None)
    put_on(wrapper, wanted, realm)
    guard = _Guard()
    setattr(wrapper, _GUARD, guard)
    _remember_guard(view, guard, _DECORATORS if _is_decorated_by(view, caller) else _CALLS)
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


def _is_decorated_by(view: Any, caller: FrameType | None) -> bool:
    """Whether the guard is applied as a decorator of this function, rather than by a call elsewhere.

    A decorator is called from a line between the first decorator of a function and its body. It may be one of the
    host's own that applies the guard: so whoever called the caller is looked at, too. A lambda has no decorators, and
    whatever is on its line may call guards.
    """
    code = getattr(inspect.unwrap(view), "__code__", None)
    if code is None or code.co_name == _LAMBDA:
        return False
    body = (line for _, _, line in code.co_lines() if line is not None and line > code.co_firstlineno)
    last = max(body, default=code.co_firstlineno)
    while caller is not None:
        if caller.f_code.co_filename == code.co_filename and code.co_firstlineno <= caller.f_lineno <= last:
            return True
        caller = caller.f_back
    return False


def _remember_guard(view: Any, guard: _Guard, kind: str) -> None:
    """On all functions beneath the guard: a route decorator there has registered one of them."""
    for beneath in _chain_of(view):
        # Callable objects may have no room for it.
        with suppress(AttributeError, TypeError):
            setattr(beneath, kind, (*getattr(beneath, kind, ()), guard))


def _chain_of(view: Any) -> Iterator[Any]:
    """A view and the functions beneath it, as far as decorators tell (`functools.wraps`) and partials."""
    while view is not None:
        yield view
        view = view.func if isinstance(view, functools.partial) else getattr(view, "__wrapped__", None)


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
    _guarded_apps[id(app)] = app

    def search() -> None:
        check_places(app)
        check_left_open(app)
        restx.let_errors_pass(app)
        _settle_routed()
        app.extensions["tessera"].ticket_routes.find(_hooks_of(app))
        for hook in _hooks_of(app):
            if _leads_past(hook):
                name = getattr(hook, "__name__", hook)
                raise ConfigError(f"before_request runs {name!r} without its guard: put @login_required below it")
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
    passed: set[_Guard | None] = set()
    for each in _chain_of(view):
        # Beneath decorators too: a route decorator of the host may register what it has put around the function.
        waiting = [guard for guard in getattr(each, _CALLS, ()) if not guard.is_routed]
        if any(guard not in passed for guard in (*getattr(each, _DECORATORS, ()), *waiting)):
            return True
        passed.add(getattr(each, _GUARD, None))
    return False


def _settle_routed() -> None:
    """Forget the calls whose guard a route leads to: whether their application lives on changes nothing then."""
    # Another thread may be making an application: these lists are made in one step each.
    for app in [app for reference in _guarded_apps.valuerefs() if (app := reference()) is not None]:
        for routed in (*list(app.view_functions.values()), *_hooks_of(app)):
            for view in _chain_of(routed):
                if guard := getattr(view, _GUARD, None):
                    guard.is_routed = True
                if waiting := getattr(view, _CALLS, ()):
                    setattr(view, _CALLS, tuple(each for each in waiting if not each.is_routed))


def _hooks_of(app: Flask) -> list[Any]:
    return [hook for hooks in list(app.before_request_funcs.values()) for hook in list(hooks)]


def _refusal_of(endpoint: str) -> Callable[..., Any]:
    def refuse(**_: Any) -> Any:
        raise ConfigError(
            f"the route of {endpoint!r} leads past its guard: put @login_required below the route decorator"
        )

    return refuse
