"""GET /tessera.js: the script with which a page of the same origin uses its session (`static/tessera.js`)."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from flask import Response

from ..current import current_request_object
from .row import Endpoint

if TYPE_CHECKING:
    from ..extension import Tessera

_FILE: Final = Path(__file__).parent.parent / "static" / "tessera.js"


def script(tessera: Tessera[Any]) -> Response:
    """The script with its settings: it is asked for again at each visit, and sent only where it has changed."""
    runtime, request = tessera.runtime, current_request_object()
    settings = {
        "prefix": (request.script_root + request.path).removesuffix("/tessera.js"),
        "cookie": runtime.cookies.csrf if runtime.cookies is not None else "",
        "realm": runtime.realm,
        "always200": runtime.responses.always_200,
    }
    text = _source().replace("= SETTINGS;", f"= {msgspec.json.encode(settings).decode()};", 1)
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    response = Response(text, content_type="text/javascript; charset=utf-8", headers=headers)
    response.add_etag()
    response.make_conditional(request)
    return response


@functools.cache
def _source() -> str:
    return _FILE.read_text("utf-8")


ROWS: Final = (Endpoint("script", "GET", "/tessera.js", script, media=("text/javascript",)),)
