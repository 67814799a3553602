"""Flask-RESTX: its `Api` would put an answer of its own in place of ours."""

from __future__ import annotations

import functools
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from ..errors import TesseraError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask


def let_errors_pass(app: Flask) -> None:
    """Have every `Api` of `app` leave our errors to Flask, unless it has a handler for just them.

    `Api.handle_error` reads the message and the status of an exception and drops its response; where a handler
    raises, the exception goes on to the application, which gives our answer.
    """
    for api in _apis_of(app):
        handlers: dict[Any, Any] = api.error_handlers
        for_ours = {kind: handler for kind, handler in handlers.items() if issubclass(kind, TesseraError)}
        api.error_handlers = OrderedDict({**for_ours, TesseraError: for_ours.get(TesseraError, _pass_on), **handlers})


def _apis_of(app: Flask) -> Iterator[Any]:
    """Each `Api` wraps the application's error handling in a `partial` of its own."""
    handler: Any = app.handle_user_exception
    while isinstance(handler, functools.partial):
        api = getattr(handler.func, "__self__", None)
        if type(api).__module__.partition(".")[0] == "flask_restx" or hasattr(api, "_own_and_child_error_handlers"):
            yield api
        handler = handler.args[0] if handler.args else None


def _pass_on(error: Exception) -> Any:
    """An error of Flask-Tessera."""  # Swagger wants a description of each handler.
    raise error
