"""GET /openapi.json and GET /docs: the document, and Swagger UI, which shows it and tries it out."""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import msgspec
from flask import Blueprint, Flask, Response, request, url_for

from ..current import current_app_object
from ..described import Described, describe
from ..endpoints.row import Endpoint
from ..responses import JSON, Responses
from .document import servers, title_of

if TYPE_CHECKING:
    from ..extension import Tessera

_HEADERS: Final = {
    # All that Swagger UI needs; nothing comes from elsewhere, and nothing goes there.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{style}">
</head>
<body>
<div id="swagger-ui" data-document="{document}"></div>
<script src="{bundle}"></script>
<script src="{start}"></script>
</body>
</html>
"""
"""Not of Jinja, which would compile it at each request."""


def make_docs(
    tessera: Tessera[Any], *, name: str = "docs", url_prefix: str | None = None, title: str = "", version: str = "1"
) -> Blueprint:
    """The blueprint with both routes and the files of the page; arguments as of `Tessera.docs_blueprint`."""
    # The folder lies beside this file.
    blueprint = Blueprint(
        name, __name__, url_prefix=url_prefix, static_folder="static/swagger-ui", static_url_path="/docs/static"
    )

    # Nothing is registered once requests are handled, and to make a document takes long: anybody may ask for it.
    kept: WeakKeyDictionary[Flask, dict[str, msgspec.Raw]] = WeakKeyDictionary()

    @blueprint.get("/openapi.json", endpoint="document")
    def document() -> Response:
        """The API as an OpenAPI 3.1 document."""
        app = current_app_object()
        parts = kept.get(app)
        if parts is None:
            made = tessera.openapi(title=title, version=version)
            parts = kept[app] = {name: msgspec.Raw(msgspec.json.encode(part)) for name, part in made.items()}
        # A client may be able to say below which path it has come: nothing is kept by that.
        told = {**{name: part for name, part in parts.items() if name != "servers"}, **servers()}
        return Response(msgspec.json.encode(told), content_type=JSON)

    @blueprint.get("/docs", endpoint="page")
    def page() -> Response:
        """A page that shows the API, and tries it out."""
        html = _page(title or title_of(current_app_object(), tessera.realm))
        return Response(html, content_type="text/html; charset=utf-8")

    blueprint.after_request(_harden)
    row = Endpoint("document", "GET", "/openapi.json", document, response=dict)
    describe(document, Described(row, tessera.realm, form=lambda _: Responses(is_plain=True), uses_storage=False))
    return blueprint


def _page(title: str) -> str:
    static = partial(url_for, ".static")
    told = {
        "title": title,
        "document": url_for(".document"),
        "style": static(filename="swagger-ui.css"),
        "bundle": static(filename="swagger-ui-bundle.js"),
        "start": static(filename="start.js"),
    }
    return _PAGE.format_map({name: escape(text) for name, text in told.items()})


def _harden(answer: Response) -> Response:
    answer.headers.update(_HEADERS)
    # Where the system's own table says otherwise, as it may on Windows, `nosniff` would refuse the scripts.
    if kind := _TYPES.get(PurePosixPath(request.path).suffix):
        answer.content_type = kind
    return answer
