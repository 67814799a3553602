"""The core's errors as Werkzeug exceptions that carry their answer through any host."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn, ParamSpec, TypeVar

from flask import Response, has_request_context
from werkzeug.exceptions import HTTPException

from ..errors import ClaimsInvalidError, ConfigError, StorageUnavailableError, TesseraError
from .current import call_host, current_app_object, current_request_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask

    from .responses import Responses

_FOR_THE_DEVELOPER = (ConfigError, ClaimsInvalidError)
"""A 500 and a traceback in the log, never an answer to the client."""
_ANSWERING: Final = "_tessera_answering"
"""Set on a request while the host's error handler works."""
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
_Written = tuple[bytes, int, list[tuple[str, str]]]


class TesseraHTTPError(HTTPException, TesseraError):
    """Root of what the extension raises inside a request: at once the core's error and an HTTP exception.

    Register an error handler for this class, or for one of the core's, to answer in a form of your own. It is
    asked before the error is raised, so it holds below blueprints' handlers, `errorhandler(Exception)`,
    Flask-RESTful and Flask-RESTX too. Where its answer lacks them, `WWW-Authenticate`, `Retry-After` and
    `Cache-Control` are added. `str()` gives what the client is told; the core's error, which may name hosts and files,
    is `cause`.
    """

    cause: TesseraError
    status: int
    _written: _Written | None

    @property
    def code(self) -> int | None:  # type: ignore[override]  # Werkzeug has a plain attribute
        """The HTTP status; None once the answer is made, since Flask then hands it on untouched."""
        return self.status if self._written is None else None

    @property
    def description(self) -> str:  # type: ignore[override]  # Werkzeug has a plain attribute
        """What the client is told, in English."""
        return self.row.en

    @property
    def response(self) -> Response | None:  # type: ignore[override]  # Werkzeug has a plain attribute
        """The answer, made anew at each look: an error that somebody keeps may be raised for several requests."""
        if self._written is None:
            return None
        body, status, headers = self._written
        return Response(body, status, headers)

    def get_response(self, environ: Any = None, scope: Any = None) -> Any:
        """The answer."""
        response = self.response
        return super().get_response(environ, scope) if response is None else response

    def write(self, response: Response) -> None:
        """Keep an answer."""
        self._written = (response.get_data(), response.status_code, list(response.headers))

    def __str__(self) -> str:
        return self.row.en

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.row.slug}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (self.cause, self._written)


def _revive(cause: TesseraError, written: _Written | None) -> TesseraHTTPError:
    http = _wrap(cause)
    http._written = written  # noqa: SLF001 - this class's own
    return http


class AnsweredError(TesseraHTTPError):
    """Nearer than the public root: its handler comes before the host's, which has been asked already."""


_BY_CORE: dict[type[TesseraError], type[TesseraHTTPError]] = {}


def http_class_for(core: type[TesseraError]) -> type[TesseraHTTPError]:
    """The one class that is both `core` and an HTTP exception."""
    if core not in _BY_CORE:
        name = core.__name__.replace("Error", "HTTPError")
        _BY_CORE.setdefault(core, type(name, (AnsweredError, core), {"__module__": __name__}))
    return _BY_CORE[core]


def _wrap(error: TesseraError) -> TesseraHTTPError:
    kind = http_class_for(type(error))
    http = kind.__new__(kind)
    Exception.__init__(http, *error.args)
    http.__dict__.update(error.__dict__)
    http.cause, http.status, http._written = error, error.row.status, None  # noqa: SLF001 - this class's own
    return http


def to_http(error: TesseraError, responses: Responses) -> TesseraHTTPError:
    """The Werkzeug exception for an error of the core, its answer made."""
    http = _wrap(error)
    app = current_app_object()
    handler = _handler_of(app, type(error))
    request = current_request_object().__dict__
    if handler is None or _ANSWERING in request:
        # What a handler raises itself is not handed to it again.
        answer = responses.error(error)
    else:
        request[_ANSWERING] = True
        try:
            # `code` must still be the status while the host's handler looks at it.
            answer = responses.complete(app.make_response(call_host(handler, http)), error)
        finally:
            del request[_ANSWERING]
    http.write(answer)
    return http


def raise_as_http(error: TesseraError, responses: Responses | None = None) -> NoReturn:
    """Raise an error as an HTTP exception while a request is handled; elsewhere, and if it is one, as it is.

    A failure of the storage is logged here, with its cause.

    Args:
        error: of the core.
        responses: writes the answer; by default the application's own form.

    Raises:
        TesseraError: always.
    """
    if isinstance(error, TesseraHTTPError):
        raise error
    state: Any = current_app_object().extensions.get("tessera") if has_request_context() else None
    if isinstance(error, StorageUnavailableError) and state is not None:
        state.outages.record(error)
    if isinstance(error, _FOR_THE_DEVELOPER) or state is None:
        raise error
    raise to_http(error, responses or state.responses) from error


@contextmanager
def http_errors(responses: Responses | None = None) -> Iterator[None]:
    """Raise the core's errors as HTTP exceptions while a request is handled; elsewhere as they are."""
    try:
        yield
    except TesseraError as error:
        raise_as_http(error, responses)


def raises_http(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """`http_errors` around a function."""

    @functools.wraps(function)
    def wrapper(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except TesseraError as error:
            raise_as_http(error)

    return wrapper


def keep_answers(app: Flask) -> None:
    """Have our answers given where `TRAP_HTTP_EXCEPTIONS` makes Flask look for a handler even so."""
    app.register_error_handler(AnsweredError, lambda error: error.get_response())


def _handler_of(app: Flask, core: type[TesseraError]) -> Callable[[Any], Any] | None:
    """The host's handler for our errors: of the blueprint before the app, of the nearest class first."""
    kinds = [each for each in core.__mro__ if issubclass(each, TesseraError)]
    kinds.insert(-1, TesseraHTTPError)
    for name in (*current_request_object().blueprints, None):
        # A copy: Flask adds to it when it looks for a handler, in any thread.
        by_code = tuple(app.error_handler_spec[name].values())
        for kind in kinds:
            for handlers in by_code:
                if kind in handlers:
                    return handlers[kind]
    return None
