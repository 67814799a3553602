"""The routes of an application that are described: the package's endpoints, and the views behind guards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..described import Described, description_of
from ..requirements import Requirements
from ..route_guards import guards_before
from .places import METHODS, parameters_of, path_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask
    from werkzeug.routing import Rule


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path.

    `described` is None for a view of the application's own; `guards` are what stands before it in its realm.
    """

    method: str
    path: str
    parameters: list[dict[str, Any]]
    endpoint: str
    function: Any
    guards: tuple[Requirements, ...]
    described: Described | None = None

    @property
    def scopes(self) -> list[str]:
        """All words that a token's scope must hold."""
        return sorted({scope for wanted in self.guards for scope in wanted.scopes})

    @property
    def operation_id(self) -> str:
        """A name that a generator of clients can use."""
        return f"{self.endpoint}_{self.method}".replace(".", "_").lower()

    @property
    def tags(self) -> list[str]:
        """The blueprint, if any."""
        return [name] if (name := self.endpoint.rpartition(".")[0]) else []


def routes_of(app: Flask, realm: str) -> Iterator[Route]:
    """What is described of an application for a realm, by path and method."""
    for rule in sorted(app.url_map.iter_rules(), key=str):
        if rule.build_only or rule.websocket:
            continue
        for method in METHODS:
            if method in (rule.methods or ()) and (route := _route(app, rule, method, realm)) is not None:
                yield route


def _route(app: Flask, rule: Rule, method: str, realm: str) -> Route | None:
    view: Any = app.view_functions.get(rule.endpoint)
    described = description_of(view)
    if described is not None and (described.realm != realm or described.row.is_page):
        return None
    guards = tuple(guard.requirements for guard in guards_before(app, rule.endpoint, method) if guard.realm == realm)
    if described is None and not guards:
        return None
    function = described.row.handler if described else _function_of(view, method)
    own = guards if described is None else _guards_of(described)
    place = (path_of(rule.rule), parameters_of(rule))
    return Route(method, *place, rule.endpoint, function, own, described)


def _guards_of(described: Described) -> tuple[Requirements, ...]:
    """What the row says of its guard; one that looks for a token itself may find another one in the body."""
    row = described.row
    if row.is_guarded:
        return (Requirements(transports=row.transports),)
    if "token_missing" not in row.errors:
        return ()
    has_another = row.token_is_optional or "refresh_token" in getattr(row.request, "__struct_fields__", ())
    return (Requirements(optional="missing" if has_another else "no", transports=row.transports),)


def _function_of(view: Any, method: str) -> Any:
    """The function that answers: of a class-based view its method, where that has something to say."""
    function = getattr(getattr(view, "view_class", None), method.lower(), None)
    return function if getattr(function, "__doc__", None) else view
