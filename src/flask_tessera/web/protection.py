"""Which requests a guard over a whole blueprint or application lets through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import guards
from .demands import parse_demands
from .present import present_app, present_request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Flask, Request

_OUR_ENDPOINTS = f"{__package__}.endpoints"


def protect(realm: str, target: Any, leave_open: Iterable[str], demands: dict[str, Any]) -> None:
    """Guard every view of `target`, a blueprint or an application; errors as of `parse_demands`.

    Raises:
        TypeError: `leave_open` is a text, or holds something else than texts.
    """
    open_endpoints = _endpoints_of(leave_open)
    wanted = parse_demands(**demands)

    def guard() -> None:
        if not _is_open(present_request(), open_endpoints):
            guards.admit(realm, wanted)

    target.before_request(guard)


def _endpoints_of(names: Iterable[str]) -> frozenset[str]:
    given = [names] if isinstance(names, str) else list(names)
    if isinstance(names, str) or not all(isinstance(name, str) for name in given):
        raise TypeError("leave_open must be a list of endpoints, as url_for takes them")
    return frozenset(given)


def _is_open(request: Request, open_endpoints: frozenset[str]) -> bool:
    rule: Any = request.url_rule
    if rule is None or rule.endpoint in open_endpoints:
        return True
    if request.method == "OPTIONS" and rule.provide_automatic_options:
        return True
    app = present_app()
    return _is_static(app, request) or _is_ours(app, rule.endpoint)


def _is_static(app: Flask, request: Request) -> bool:
    """Whether it is a route that Flask has made for a static folder: no other can have its endpoint then."""
    scope = app.blueprints[request.blueprint] if request.blueprint else app
    return scope.has_static_folder and request.endpoint == f"{request.blueprint or ''}.static".lstrip(".")


def _is_ours(app: Flask, endpoint: str) -> bool:
    """Whether an endpoint is one of `Tessera.blueprint()`, all of which look after themselves."""
    return getattr(app.view_functions.get(endpoint), "__module__", "").startswith(_OUR_ENDPOINTS)
