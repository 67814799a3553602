"""GET /: what there is, for whoever opens the service's address."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import msgspec
from flask import Blueprint, Response, render_template_string, request

from ..web.current import current_app_object
from ..web.described import Described, describe
from ..web.endpoints.row import Endpoint
from ..web.protection import is_static
from ..web.responses import JSON

if TYPE_CHECKING:
    from ..web.extension import Tessera
    from .users import User

_HEADERS: Final = {
    # The page has neither scripts nor anything from elsewhere.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept, Accept-Language",
}
_WORDS: Final = {
    "zh": {
        "lead": "token 认证服务正在运行。可用的接口：",
        "method": "方法",
        "path": "路径",
        "devices": "我的设备",
        "docs": "试用接口",
    },
    "en": {
        "lead": "The token service is running. It answers to:",
        "method": "Method",
        "path": "Path",
        "devices": "My devices",
        "docs": "Try the API",
    },
}
_PAGE: Final = """<!doctype html>
<html lang="{{ lang }}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Flask-Tessera</title>
{% if has_console %}<link rel="stylesheet" href="{{ url_for('tessera_console.static', filename='console.css') }}">
{% endif %}</head>
<body>
<main>
<h1>Flask-Tessera</h1>
{% if has_console %}<p><a href="{{ url_for('tessera_console.home') }}">{{ words.devices }}</a></p>{% endif %}
<p><a href="{{ url_for('docs.page') }}">{{ words.docs }}</a></p>
<p>{{ words.lead }}</p>
<table>
<tr><th align="left">{{ words.method }}</th><th align="left">{{ words.path }}</th></tr>
{%- for each in routes %}
<tr><td>{{ each.method }}</td><td><code>{{ each.path }}</code></td></tr>
{%- endfor %}
</table>
</main>
</body>
</html>
"""


class RouteResponse(msgspec.Struct, frozen=True):
    """One method of one path."""

    method: str
    path: str


class IndexResponse(msgspec.Struct, frozen=True):
    """What there is."""

    service: str
    routes: list[RouteResponse]


def make_index(tessera: Tessera[User]) -> Blueprint:
    """The blueprint with the route: JSON for a program, a page for a browser."""
    blueprint = Blueprint("index", __name__)

    @blueprint.get("/", endpoint="index")
    def index() -> Any:
        """What the service answers to."""
        routes = _routes()
        if request.accept_mimetypes.best_match(["application/json", "text/html"]) != "text/html":
            answer = tessera.runtime.responses.success(IndexResponse("flask-tessera", routes))
            answer.vary.update(["Accept", "Accept-Language"])
            return answer
        language = replace(tessera.runtime.responses, locale="auto").language()
        has_console = "tessera_console" in current_app_object().blueprints
        words = _WORDS[language]
        page = render_template_string(_PAGE, lang=language, words=words, routes=routes, has_console=has_console)
        return Response(page, content_type="text/html; charset=utf-8", headers=_HEADERS)

    row = Endpoint("index", "GET", "/", index, response=IndexResponse, media=(JSON, "text/html"))
    describe(index, Described(row, tessera.realm, uses_storage=False))
    return blueprint


def _routes() -> list[RouteResponse]:
    """Every route of the service but this one and files, by path; without HEAD and OPTIONS, which are everywhere."""
    app = current_app_object()
    found = {
        (rule.rule, method)
        for rule in app.url_map.iter_rules()
        if not is_static(app, rule.endpoint)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    return [RouteResponse(method, path) for path, method in sorted(found) if path != "/"]
