"""The core's errors as Werkzeug exceptions that carry their answer through any host."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flask import current_app, has_request_context, request
from werkzeug.exceptions import HTTPException

from .. import errors
from ..errors import TesseraError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask

    from .answers import Answers


class TesseraHTTPError(HTTPException, TesseraError):
    """Root of what the extension raises inside a request: at once the core's error and an HTTP exception.

    Register an error handler for this class to answer in a form of your own. It is asked before the error is
    raised, so it holds below blueprints' handlers, `errorhandler(Exception)` and Flask-RESTful too.
    """

    cause: TesseraError
    status: int

    @property
    def code(self) -> int | None:  # type: ignore[override]  # Werkzeug has a plain attribute
        """The HTTP status; None once the answer is made, since Flask then hands it on untouched."""
        return self.status if self.response is None else None

    @property
    def description(self) -> str:  # type: ignore[override]  # Werkzeug has a plain attribute
        """What the client is told, in English."""
        return self.row.en

    def __str__(self) -> str:
        return str(self.cause) or self.row.en


def _pair(core: type[TesseraError]) -> type[TesseraHTTPError]:
    return type(core.__name__.replace("Error", "HTTPError"), (TesseraHTTPError, core), {"__module__": __name__})


_BY_CORE: dict[type[TesseraError], type[TesseraHTTPError]] = {}


def to_http(error: TesseraError, answers: Answers) -> TesseraHTTPError:
    """The Werkzeug exception for an error of the core, its answer made."""
    core = type(error)
    if core not in _BY_CORE:
        _BY_CORE[core] = _pair(core)
    http = _BY_CORE[core].__new__(_BY_CORE[core])
    Exception.__init__(http, *error.args)
    http.__dict__.update(error.__dict__)
    http.cause, http.status, http.response = error, error.row.status, None
    handler = _handler_of(current_app, type(http))
    # Made by the host's handler where there is one; `code` must still be the status then.
    http.response = current_app.make_response(handler(http)) if handler else answers.error(error)
    return http


@contextmanager
def answering(answers: Answers) -> Iterator[None]:
    """Raise the core's errors as HTTP exceptions while a request is handled; elsewhere as they are."""
    try:
        yield
    except TesseraHTTPError:
        raise
    except errors.ConfigError:
        # The developer's business: a 500 and a traceback in the log, never an answer to the client.
        raise
    except TesseraError as error:
        if not has_request_context():
            raise
        raise to_http(error, answers) from error


def _handler_of(app: Flask, kind: type[TesseraHTTPError]) -> Callable[[Any], Any] | None:
    """The host's handler for our errors: of the blueprint before the app, of the nearest class first."""
    for name in (*request.blueprints, None):
        by_code = app.error_handler_spec.get(name, {})
        for handlers in by_code.values():
            for each in kind.__mro__:
                if issubclass(each, TesseraError) and each in handlers:
                    return handlers[each]
    return None
