"""The core's errors as Werkzeug exceptions that carry their answer through any host."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from flask import has_request_context
from werkzeug.exceptions import HTTPException

from ..errors import ClaimsInvalidError, ConfigError, TesseraError
from .present import present_app, present_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask

    from .answers import Answers

_FOR_THE_DEVELOPER = (ConfigError, ClaimsInvalidError)
"""A 500 and a traceback in the log, never an answer to the client."""


class TesseraHTTPError(HTTPException, TesseraError):
    """Root of what the extension raises inside a request: at once the core's error and an HTTP exception.

    Register an error handler for this class, or for one of the core's, to answer in a form of your own. It is
    asked before the error is raised, so it holds below blueprints' handlers, `errorhandler(Exception)` and
    Flask-RESTful too. Where its answer lacks them, `WWW-Authenticate`, `Retry-After` and `Cache-Control` are added.
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

    def __reduce__(self) -> tuple[Any, ...]:
        # In another process there is no request to answer: only the core's error travels.
        return self.cause.__reduce__()


class _AnsweredError(TesseraHTTPError):
    """Nearer than the public root: its handler comes before the host's, which has been asked already."""


_BY_CORE: dict[type[TesseraError], type[TesseraHTTPError]] = {}


def _http_kin(core: type[TesseraError]) -> type[TesseraHTTPError]:
    """The one class that is both `core` and an HTTP exception."""
    if core not in _BY_CORE:
        name = core.__name__.replace("Error", "HTTPError")
        _BY_CORE.setdefault(core, type(name, (_AnsweredError, core), {"__module__": __name__}))
    return _BY_CORE[core]


def to_http(error: TesseraError, answers: Answers) -> TesseraHTTPError:
    """The Werkzeug exception for an error of the core, its answer made."""
    kin = _http_kin(type(error))
    http = kin.__new__(kin)
    Exception.__init__(http, *error.args)
    http.__dict__.update(error.__dict__)
    http.cause, http.status, http.response = error, error.row.status, None
    app = present_app()
    handler = _handler_of(app, type(error))
    if handler is None:
        http.response = answers.error(error)
    else:
        # `code` must still be the status while the host's handler looks at it.
        http.response = answers.complete(app.make_response(app.ensure_sync(handler)(http)), error)
    return http


def raise_as_http(error: TesseraError, answers: Answers) -> NoReturn:
    """Raise an error as an HTTP exception while a request is handled; elsewhere, and if it is one, as it is.

    Raises:
        TesseraError: always.
    """
    if isinstance(error, (TesseraHTTPError, *_FOR_THE_DEVELOPER)) or not has_request_context():
        raise error
    raise to_http(error, answers) from error


@contextmanager
def answering(answers: Answers) -> Iterator[None]:
    """Raise the core's errors as HTTP exceptions while a request is handled; elsewhere as they are."""
    try:
        yield
    except TesseraError as error:
        raise_as_http(error, answers)


def keep_answers(app: Flask) -> None:
    """Have our answers given where `TRAP_HTTP_EXCEPTIONS` makes Flask look for a handler even so."""
    app.register_error_handler(_AnsweredError, lambda error: error.get_response())


def _handler_of(app: Flask, core: type[TesseraError]) -> Callable[[Any], Any] | None:
    """The host's handler for our errors: of the blueprint before the app, of the nearest class first."""
    kinds = [each for each in core.__mro__ if issubclass(each, TesseraError)]
    kinds.insert(-1, TesseraHTTPError)
    for name in (*present_request().blueprints, None):
        # A copy: Flask adds to it when it looks for a handler, in any thread.
        by_code = tuple(app.error_handler_spec[name].values())
        for kind in kinds:
            for handlers in by_code:
                if kind in handlers:
                    return handlers[kind]
    return None
