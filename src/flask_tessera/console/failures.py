"""What a page answers when something is refused or fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flask import redirect, url_for

from ..errors import (
    ClaimsInvalidError,
    ConfigError,
    SessionEndedError,
    StepUpRequiredError,
    StorageUnavailableError,
    TesseraError,
    TokenExpiredError,
    TokenInvalidError,
    TokenMissingError,
    UserGoneError,
)
from ..web.app_state import states_of
from ..web.cookie_session import cookie_session
from ..web.current import current_app_object, current_request_object
from ..web.endpoints.body import read_form
from ..web.http_errors import TesseraHTTPError
from .console import CSRF_FIELD, Console
from .own_paths import present_path
from .rendering import render
from .words import WORDS

if TYPE_CHECKING:
    from flask import Response

_FOR_THE_DEVELOPER: Final = (ConfigError, ClaimsInvalidError)
_ASKS_FOR_SIGN_IN: Final = (TokenMissingError, TokenInvalidError, SessionEndedError, UserGoneError, StepUpRequiredError)
_SPEAKING: Final = (SessionEndedError, UserGoneError, StepUpRequiredError)


def answer(console: Console, error: TesseraError) -> Any:
    """The answer to an error of the core.

    Raises:
        TesseraError: it is for the developer.
    """
    core = error.cause if isinstance(error, TesseraHTTPError) else error
    if isinstance(core, _FOR_THE_DEVELOPER):
        raise core
    try:
        if isinstance(core, TokenExpiredError):
            return _resume(console)
        if isinstance(core, _ASKS_FOR_SIGN_IN):
            return _to_sign_in(console, reason_of(core))
    except TesseraError as second:
        core = second
    if isinstance(core, StorageUnavailableError) and not isinstance(error, TesseraHTTPError):
        states_of(current_app_object()).outages.record(core)
    return complete(render("error.html", status=core.row.status, error=text_of(core)), core)


def reason_of(error: TesseraError) -> str:
    """The slug of which the sign-in page tells the reason; empty where there is none that a person could use."""
    return error.row.slug if isinstance(error, _SPEAKING) else ""


def text_of(error: TesseraError) -> str:
    """What a person is told."""
    language = states_of(current_app_object()).responses.language()
    text: str = getattr(error.row, language)
    if error.row.status == 429 and error.retry_after is not None:
        text = f"{text} {WORDS[language]['wait'].format(seconds=error.retry_after)}"
    return text


def complete(response: Response, error: TesseraError) -> Response:
    """Add the headers that belong to an error."""
    return states_of(current_app_object()).responses.complete(response, error)


def _to_sign_in(console: Console, reason: str) -> Any:
    is_get = current_request_object().method in ("GET", "HEAD")
    back_to = present_path() if is_get else url_for(".devices")
    return redirect(console.sign_in_url(reason=reason, back_to=back_to), code=302 if is_get else 303)


def _resume(console: Console) -> Response:
    """A page whose script renews the access token, which is sent everywhere, by the refresh token, which is not.

    Then it asks again for what was asked for: a form is sent once more, if our own page has sent it.

    Raises:
        TesseraError: nobody's session, or another site has sent the form.
    """
    runtime, cookies = console.tessera.runtime, console.cookies
    sid = cookie_session(runtime, cookies)
    is_form = current_request_object().method == "POST"
    if is_form:
        cookies.refuse_forged(sid, in_form=read_form().get(CSRF_FIELD, ""))
    back_to = url_for(".devices") if is_form else present_path()
    return render(
        "resume.html",
        action=present_path(),
        is_form=is_form,
        script_url=f"{cookies.refresh_path}/tessera.js",
        csrf_token=cookies.csrf_token_of(sid),
        sign_in_url=console.sign_in_url(back_to=back_to),
    )
