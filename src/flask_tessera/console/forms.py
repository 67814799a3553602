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
from ..web.http_errors import TesseraHTTPError
from .failures import complete, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

_ELSEWHERE: Final = (
    *(ConfigError, ClaimsInvalidError, CsrfError, SecondFactorRequiredError, StepUpRequiredError),
    *(TokenMissingError, TokenInvalidError, TokenExpiredError, SessionEndedError, UserGoneError),
)
"""What another page answers, or none."""


def refused(error: TesseraError, show: Callable[..., Response]) -> Response:
    """The page once more, with what is wrong.

    Args:
        error: because of which.
        show: makes the page, given `error`, a text, and `status`.

    Raises:
        TesseraError: it is not for this page to say so.
    """
    core = error.cause if isinstance(error, TesseraHTTPError) else error
    if isinstance(core, _ELSEWHERE) and not isinstance(core, TicketInvalidError):
        raise error
    if isinstance(core, StorageUnavailableError) and not isinstance(error, TesseraHTTPError):
        states_of(current_app_object()).outages.record(core)
    return complete(show(error=text_of(core), status=core.row.status), core)


def credential_of(text: str) -> dict[str, Any]:
    """The passkey's answer, or the new passkey, that a script has put into a field.

    Raises:
        InputError: it is none.
    """
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise InputError("the passkey is no JSON object", member="passkey") from error
