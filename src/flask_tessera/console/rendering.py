"""A template to an answer, with the headers of every page (requirement B07)."""

from __future__ import annotations

from typing import Any, Final

from flask import Response

from ..web.app_state import states_of
from ..web.current import current_app_object
from ..web.templating import environment_of
from .words import WORDS

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    # With "no-referrer" Chromium sends `Origin: null` with the page's own forms.
    "Referrer-Policy": "same-origin",
}


def render(template: str, *, status: int = 200, **values: Any) -> Response:
    """A page: the application's own `tessera/<template>`, if it has one, else that of this package."""
    app, language = current_app_object(), _language()
    context = {"words": WORDS[language], "language": language, **values}
    app.update_template_context(context)
    page = environment_of(app).get_template(f"tessera/{template}").render(context)
    return Response(page, status, content_type="text/html; charset=utf-8")


def word(name: str) -> str:
    """One of `WORDS`, in the language of the answer."""
    return WORDS[_language()][name]


def _language() -> str:
    return states_of(current_app_object()).responses.language()


def add_headers(response: Response) -> Response:
    """For `after_request` of the blueprint."""
    response.headers.update(_HEADERS)
    if response.mimetype == "text/html" or response.status_code in (302, 303):
        response.headers["Cache-Control"] = "no-store"
        response.vary.update(["Cookie", "Accept-Language"])
    return response
