"""Which requests a guard over a whole blueprint or application lets through."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from ..contrib import cors
from ..errors import ConfigError
from .current import current_app_object, current_request_object
from .request_auth import authenticate
from .requirements import Guard, parse_requirements

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Flask, Request

_OURS = (f"{__package__}.endpoints", "flask_tessera.console.")
_ATTRIBUTE = "__tessera_protection__"
"""Set on a guard: what it asks for, and which endpoints it lets through."""


def protect(realm: str, target: Any, leave_open: Iterable[str], asked: dict[str, Any]) -> None:
    """Guard every view of `target`, a blueprint or an application; see `Tessera.protect`.

    Raises:
        TypeError: an unknown requirement, or one that asks for nothing; or `ticket`; or `leave_open` is a text, or
            holds something else than texts.
    """
    open_endpoints = _endpoints_of(leave_open)
    wanted = parse_requirements(**asked)
    if wanted.ticket:
        raise TypeError("protect(ticket=…): a ticket is for one route, so name that in leave_open, and guard its view")

    def guard() -> None:
        if not _is_open(current_request_object(), open_endpoints):
            authenticate(realm, wanted)

    # For `protections_of`.
    setattr(guard, _ATTRIBUTE, (Guard(wanted, realm), open_endpoints))
    target.before_request(guard)


def protections_of(app: Flask, endpoint: str) -> list[Guard]:
    """What `protect` has put before the view of an endpoint, in the order in which it asks."""
    lets_through = is_static(app, endpoint) or is_ours(app, endpoint)
    found = [] if lets_through else _protections(app, endpoint)
    return [guard for guard, open_endpoints in found if endpoint not in open_endpoints]


def is_left_open(app: Flask, endpoint: str) -> bool:
    """Whether `protect` was told to let this endpoint through."""
    return any(endpoint in open_endpoints for _, open_endpoints in _protections(app, endpoint))


def check_left_open(app: Flask) -> None:
    """Refuse to leave open what there is not, once all routes are there: whoever wrote it believes that it is open.

    Raises:
        ConfigError: `leave_open` names an endpoint that no route has.
    """
    hooks = [hook for hooks in list(app.before_request_funcs.values()) for hook in hooks]
    named = {name for hook in hooks if hasattr(hook, _ATTRIBUTE) for name in getattr(hook, _ATTRIBUTE)[1]}
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()} if named else set()
    for name in sorted(named - endpoints):
        near = " or ".join(map(repr, difflib.get_close_matches(name, endpoints)))
        hint = f"did you mean {near}" if near else "the command `flask routes` lists the endpoints"
        raise ConfigError(f"protect(leave_open=…) names {name!r}, which is no endpoint of this application; {hint}")


def _protections(app: Flask, endpoint: str) -> list[tuple[Guard, frozenset[str]]]:
    # As Flask's `preprocess_request` goes through them: the application, then its blueprints from the outermost.
    names = _blueprint_of(endpoint).split(".")
    scopes = [None, *(".".join(names[: count + 1]) for count in range(len(names)))]
    hooks = [hook for scope in scopes for hook in app.before_request_funcs.get(scope, ())]
    return [getattr(hook, _ATTRIBUTE) for hook in hooks if hasattr(hook, _ATTRIBUTE)]


def _endpoints_of(names: Iterable[str]) -> frozenset[str]:
    given = [names] if isinstance(names, str) else list(names)
    if isinstance(names, str) or not all(isinstance(name, str) for name in given):
        raise TypeError("leave_open must be a list of endpoints, as url_for takes them")
    return frozenset(given)


def _is_open(request: Request, open_endpoints: frozenset[str]) -> bool:
    rule: Any = request.url_rule
    if rule is None or rule.endpoint in open_endpoints:
        return True
    app = current_app_object()
    if request.method == "OPTIONS" and (
        rule.provide_automatic_options or cors.answers_preflight(app.view_functions.get(rule.endpoint))
    ):
        return True
    return is_static(app, rule.endpoint) or is_ours(app, rule.endpoint)


def _blueprint_of(endpoint: str) -> str:
    return endpoint.rpartition(".")[0]


def is_static(app: Flask, endpoint: str) -> bool:
    """Whether it is a route that Flask has made for a static folder: no other can have its endpoint then."""
    name = _blueprint_of(endpoint)
    scope = app.blueprints.get(name) if name else app
    return scope is not None and scope.has_static_folder and endpoint == f"{name}.static".lstrip(".")


def is_ours(app: Flask, endpoint: str) -> bool:
    """Whether an endpoint is one of `Tessera.blueprint()` or `console()`, all of which look after themselves."""
    return getattr(app.view_functions.get(endpoint), "__module__", "").startswith(_OURS)
