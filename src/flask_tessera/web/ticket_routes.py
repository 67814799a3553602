"""The routes that read a ticket in the query, and what their answers must say (RFC 6750 §5.3)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..fork import renew_in_children
from .current import current_request_object
from .requirements import guards_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Flask, Request, Response


class TicketRoutes:
    """The endpoints of one application that read tickets: their answers must be neither stored nor referred from.

    So must all answers of such an application to a query that holds a ticket, wherever it was sent. That holds whatever
    the view says, what runs before it or after it, and whether there was a ticket at all.

    Args:
        app: the application.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._endpoints: frozenset[str | None] = frozenset()
        renew_in_children(self)

    def reset_after_fork(self) -> None:
        """A thread of the parent may have been adding."""
        self._lock = threading.Lock()

    def find(self, hooks: Iterable[Any]) -> None:
        """Look for them among the views, once all are registered; `hooks` run before requests of many routes.

        Raises:
            ConfigError: a guard that reads tickets stands before one of the hooks.
        """
        for hook in hooks:
            if _reads_tickets(hook):
                raise ConfigError("login_required(ticket=…) goes on a view: before_request serves other routes too")
        views = self._app.view_functions
        self.add(*(endpoint for endpoint, view in views.items() if _reads_tickets(view)))

    def add(self, *endpoints: str | None) -> None:
        """Remember endpoints; those whose guard is found only when it runs, as on the methods of a class."""
        if self._endpoints.issuperset(endpoints):
            return
        with self._lock:
            if not self._endpoints:
                # The first of all that look at answers, and so the last that is called: no other one has a later say.
                before = self._app.after_request_funcs.get(None, [])
                self._app.after_request_funcs[None] = [self._keep_private, *before]
            self._endpoints = self._endpoints.union(endpoints)

    def _keep_private(self, response: Response) -> Response:
        request = current_request_object()
        # A redirect to the same route with a slash, and a refusal of the method, are of no endpoint.
        if request.endpoint in self._endpoints or _holds_ticket(request):
            response.headers["Referrer-Policy"] = "no-referrer"
            response.headers["Cache-Control"] = "no-store"
        return response


def _holds_ticket(request: Request) -> bool:
    return "&ticket=" in "&" + request.environ.get("QUERY_STRING", "")


def _reads_tickets(view: Any) -> bool:
    return any(guard.requirements.ticket for guard in guards_of(view))
