"""GET /csrf: the CSRF token of the session that cookies carry, for pages that have lost it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...errors import NotFoundError, TokenMissingError
from .row import Endpoint

if TYPE_CHECKING:
    from ..extension import Tessera


class CsrfResponse(msgspec.Struct, frozen=True):
    """To be sent back in the header `X-CSRF-Token`."""

    csrf_token: str


def csrf(tessera: Tessera[Any]) -> CsrfResponse:
    """The CSRF token of the session that cookies carry.

    It is derived from the session's id: it is good as long as the session, and says nothing of whether that is live.

    Raises:
        NotFoundError: the setting `COOKIES` is off.
        TokenMissingError: no cookie carries a session.
    """
    runtime = tessera.runtime
    if runtime.cookies is None:
        raise NotFoundError("TESSERA_COOKIES is off")
    # Not for the refresh cookie alone: a neighbouring subdomain can plant one of its own session (requirement S05).
    access = runtime.cookies.access_token()
    if access is None:
        raise TokenMissingError("no cookie carries an access token")
    sid = runtime.access_reader.session_of(access, at=runtime.clock())
    return CsrfResponse(runtime.cookies.csrf_token_of(sid))


ROWS: Final = (
    Endpoint(
        "csrf",
        "GET",
        "/csrf",
        csrf,
        response=CsrfResponse,
        errors=("token_missing", "token_ambiguous", "token_invalid", "not_found"),
        transports=frozenset(("cookie",)),
    ),
)
