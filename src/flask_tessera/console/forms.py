"""What a form is answered with when it is refused: the same page, with what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..errors import (
    ClaimsInvalidError,
    ConfigError,
    CsrfError,
    InputError,
    SecondFactorRequiredError,
    SessionEndedError,
    StepUpRequiredError,
    StorageUnavailableError,
    TesseraError,
    TicketInvalidError,
    TokenExpiredError,
    TokenInvalidError,
    TokenMissingError,
    UserGoneError,
)
from ..web.app_state import states_of
from ..web.current import current_app_object
from ..web.endpoints.body import read_form
from ..web.http_errors import TesseraHTTPError
from .failures import complete, text_of
from .rendering import word

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

_ELSEWHERE: Final = (
    *(ConfigError, ClaimsInvalidError, CsrfError, SecondFactorRequiredError, StepUpRequiredError),
    *(TokenMissingError, TokenInvalidError, TokenExpiredError, SessionEndedError, UserGoneError),
)
"""What another page answers, or none."""


def refused(error: TesseraError, show: Callable[..., Response], **said: str) -> Response:
    """The page once more, with what is wrong.

    Args:
        error: because of which.
        show: makes the page, given `error`, a text, and `status`.
        **said: which of the words this page says it in, by the slug of the error; by default what the client is told.

    Raises:
        TesseraError: it is not for this page to say so.
    """
    core = error.cause if isinstance(error, TesseraHTTPError) else error
    if isinstance(core, _ELSEWHERE) and not isinstance(core, TicketInvalidError):
        raise error
    if isinstance(core, StorageUnavailableError) and not isinstance(error, TesseraHTTPError):
        states_of(current_app_object()).outages.record(core)
    if read_form().get("passkey"):
        said = {"code_wrong": "passkey_wrong", **said}
    own = said.get(core.row.slug)
    return complete(show(error=word(own) if own else text_of(core), status=core.row.status), core)


def credential_of(text: str) -> dict[str, Any]:
    """The passkey's answer, or the new passkey, that a script has put into a field.

    Raises:
        InputError: it is none.
    """
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise InputError("the passkey is no JSON object", member="passkey") from error
