"""What a page answers when something is refused or fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flask import redirect, url_for

from ..errors import (
    ClaimsInvalidError,
    ConfigError,
    SecondFactorRequiredError,
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
from .error_words import ERROR_WORDS, wait_text
from .own_paths import page_of_form, present_path, with_query
from .rendering import render
from .second_page import ask
from .ways import proofs_of

if TYPE_CHECKING:
    from flask import Response

_FOR_THE_DEVELOPER: Final = (ConfigError, ClaimsInvalidError)
_ASKS_FOR_SIGN_IN: Final = (TokenMissingError, TokenInvalidError, SessionEndedError, UserGoneError)
_PASSING: Final = frozenset((429, 503))
"""Statuses of which it is worth while to try again."""
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
        if isinstance(core, SecondFactorRequiredError):
            return ask(console, core.next_step or {}, read_form())
        if isinstance(core, StepUpRequiredError):
            return _to_step_up(console)
        if isinstance(core, _ASKS_FOR_SIGN_IN):
            return _to_sign_in(console, reason_of(core))
    except TesseraError as second:
        core = second
    if isinstance(core, StorageUnavailableError) and not isinstance(error, TesseraHTTPError):
        states_of(current_app_object()).outages.record(core)
    again_url = _place() if core.row.status in _PASSING else ""
    return complete(render("error.html", status=core.row.status, error=text_of(core), again_url=again_url), core)


def reason_of(error: TesseraError) -> str:
    """The slug of which the sign-in page tells the reason; empty where there is none that a person could use."""
    return error.row.slug if isinstance(error, _SPEAKING) else ""


def text_of(error: TesseraError) -> str:
    """What a person is told."""
    language = states_of(current_app_object()).responses.language()
    own = ERROR_WORDS.get(error.row.slug)
    text: str = own[language == "en"] if own else getattr(error.row, language)
    if error.row.status != 429 or error.retry_after is None:
        return text
    return f"{text}{' ' if language == 'en' else ''}{wait_text(error.retry_after, language)}"


def complete(response: Response, error: TesseraError) -> Response:
    """Add the headers that belong to an error."""
    return states_of(current_app_object()).responses.complete(response, error)


def prove_again_url(console: Console, back_to: str) -> str:
    """Where who is signed in proves again who he is; who cannot signs in once more."""
    if proofs_of(console):
        return with_query(url_for(".step_up"), next=back_to)
    return console.sign_in_url(reason=StepUpRequiredError.slug, back_to=back_to)


def _to_sign_in(console: Console, reason: str) -> Any:
    return _redirect(console.sign_in_url(reason=reason, back_to=_place()))


def _to_step_up(console: Console) -> Any:
    return _redirect(prove_again_url(console, _place_of_undone()))


def _redirect(url: str) -> Any:
    return redirect(url, code=302 if _is_get() else 303)


def _is_get() -> bool:
    return current_request_object().method in ("GET", "HEAD")


def _place() -> str:
    """The page that was asked for, or that has the form which was sent."""
    return present_path() if _is_get() else page_of_form()


def _place_of_undone() -> str:
    """The same, which says that nothing was done where what somebody has typed is lost."""
    return with_query(_place(), undone="1" if not _is_get() and _is_typed() else "")


def _is_typed() -> bool:
    return len(read_form()) > 1


def _resume(console: Console) -> Response:
    """A page whose script renews the access token, which is sent everywhere, by the refresh token, which is not.

    Then it asks again for what was asked for: a form is sent once more, if our own page has sent it.

    Raises:
        TesseraError: nobody's session, or another site has sent the form.
    """
    runtime, cookies = console.tessera.runtime, console.cookies
    sid = cookie_session(runtime, cookies)
    sent = {} if _is_get() else read_form()
    if not _is_get():
        cookies.refuse_forged(sid, in_form=sent.get(CSRF_FIELD, ""))
    back_to = _place_of_undone()
    # What somebody has typed is not written into a page: he types it again.
    is_form = set(sent) == {CSRF_FIELD}
    return render(
        "resume.html",
        action=present_path() if is_form else back_to,
        is_form=is_form,
        is_typed=not _is_get() and _is_typed(),
        back_url=back_to,
        script_url=console.script_url,
        csrf_token=cookies.csrf_token_of(sid),
        sign_in_url=console.sign_in_url(back_to=back_to),
    )
