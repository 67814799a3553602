"""What stands before a route: of its blueprint, of its view, and of one method of a class-based view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .protection import protections_of
from .requirements import Guard, guards_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Flask


def guards_before(app: Flask, endpoint: str, method: str) -> list[Guard]:
    """All guards that a request of this method passes on its way to a view, the outermost first, each once.

    Args:
        app: the application.
        endpoint: as `url_for` takes it.
        method: of HTTP, in any case.
    """
    view = app.view_functions.get(endpoint)
    own = [*guards_of(view), *_guards_of_class(view, method)]
    return list(dict.fromkeys([*protections_of(app, endpoint), *own]))


def _guards_of_class(view: Any, method: str) -> list[Guard]:
    """What stands before one method of a class-based view, or before all of them within it."""
    view_class = getattr(view, "view_class", None)
    if view_class is None:
        return []
    function = getattr(view_class, method.lower(), None)
    decorated = [guard for each in _method_decorators(view_class, method) for guard in _guards_that_it_makes(each)]
    # Applied one after the other: the last is the outermost.
    return [*guards_of(getattr(view_class, "dispatch_request", None)), *reversed(decorated), *guards_of(function)]


def _method_decorators(view_class: Any, method: str) -> Iterable[Any]:
    """Those that Flask-RESTful and Flask-RESTX put before a resource's methods: a list, or lists by method."""
    decorators: Any = getattr(view_class, "method_decorators", ())
    chosen: Iterable[Any] = decorators.get(method.lower(), ()) if isinstance(decorators, Mapping) else decorators
    return chosen


def _guards_that_it_makes(decorator: Any) -> list[Guard]:
    """Found by decorating a function that nobody calls."""

    def probe(*_args: Any, **_kwargs: Any) -> None:
        """A view that answers nothing."""

    return guards_of(decorator(probe))
