"""GET /verify: whether a request may pass, for proxies that ask before they hand it on.

nginx (`auth_request`) and Traefik (ForwardAuth) send the headers of the request that is to be let through. They take
the identity from this answer and must overwrite what the client has sent under these names.

Most ask by GET, some by the method of that request: every method is answered alike, `OPTIONS` too, of which Flask's own
200 would let anybody in.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec
from flask import Response

from ...errors import CsrfError, ScopeMissingError, StorageUnavailableError
from ...services.keys import parse_sid
from ..credential_reading import find_credential, identify_request
from ..csrf import SAFE_METHODS
from ..current import current_request_object
from ..http_errors import http_errors
from ..requirements import TRANSPORTS
from ..user_loading import load_user
from .row import Endpoint

if TYPE_CHECKING:
    from flask import Request

    from ..app_state import Runtime
    from ..extension import Tessera
    from ..identity import Identity

_REFUSED: Final = "HTTP_X_TESSERA_REFUSED"
"""Sent by a proxy that asks again, after it was told no, for an answer that its client can read."""
_METHOD_HEADERS: Final = ("HTTP_X_FORWARDED_METHOD", "HTTP_X_ORIGINAL_METHOD")
"""In which the proxy says what the request is that is to be let through."""


class VerifyQuery(msgspec.Struct, frozen=True):
    """What may be demanded of the request: `scope` holds words separated by spaces."""

    scope: str = ""


def verify(tessera: Tessera[Any]) -> Response:
    """Whether a request may pass.

    204 with `X-Tessera-User`, `-Session` and `-Scopes`; the query's `scope` names scopes that are needed.

    A user id or scope that is no printable ASCII, or holds a percent sign, is percent-encoded (RFC 3986 §2.1).

    Raises:
        TesseraError: the request may not pass; the status is a real one, whatever the setting of `HTTP_STATUS`.
    """
    runtime, request = tessera.runtime, current_request_object()
    # What asks looks at nothing but the status.
    with http_errors(replace(runtime.responses, always_200=False)):
        identity = identify_request(runtime, request, transports=TRANSPORTS)
        _refuse_forged(runtime, request, identity)
        load_user(runtime.hooks, identity.user_id, identity.user_stamp)
        needed = frozenset(word for text in request.args.getlist("scope") for word in text.split())
        if not needed <= identity.scopes:
            raise ScopeMissingError(f"the token lacks {' '.join(sorted(needed - identity.scopes))}")
        if _REFUSED in request.environ:
            raise StorageUnavailableError("the proxy has refused this request, and it would be let in now")
        return Response(status=204, headers=_headers_of(identity))


def _refuse_forged(runtime: Runtime, request: Request, identity: Identity[Any]) -> None:
    """Where the proxy asks by GET, what it lets through may still change something."""
    if find_credential(runtime, request)[1] != "cookie":
        return
    if runtime.cookies is None:
        raise CsrfError("TESSERA_COOKIES is off")
    if request.environ.get("HTTP_SEC_FETCH_MODE") == "websocket" or "HTTP_UPGRADE" in request.environ:
        # By GET, from any page, and with our cookies.
        runtime.cookies.refuse_foreign_origin()
    methods = [request.environ[name].upper() for name in _METHOD_HEADERS if name in request.environ]
    if not methods and "HTTP_ORIGIN" in request.environ:
        # Where the proxy does not say it, an origin is what a browser sends with what changes something.
        runtime.cookies.refuse_foreign_origin()
    elif not all(method in SAFE_METHODS for method in methods):
        runtime.cookies.refuse_forged(parse_sid(identity.session_id))


def _headers_of(identity: Identity[Any]) -> dict[str, str]:
    return {
        "X-Tessera-User": _in_header(str(identity.user_id)),
        "X-Tessera-Session": identity.session_id,
        "X-Tessera-Scopes": " ".join(sorted(map(_in_header, identity.scopes))),
        "Cache-Control": "no-store",
    }


def _in_header(text: str) -> str:
    is_plain = text.isascii() and text.isprintable() and "%" not in text and text == text.strip()
    return text if is_plain else quote(text, safe="")


ROWS: Final = (
    Endpoint(
        "verify",
        "GET",
        "/verify",
        verify,
        errors=(
            "token_missing",
            "token_ambiguous",
            "token_invalid",
            "token_expired",
            "user_gone",
            "scope_missing",
            "csrf_failed",
        ),
        transports=TRANSPORTS,
        query=VerifyQuery,
        status=204,
        takes_any_method=True,
        keeps_status=True,
    ),
)
