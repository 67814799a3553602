"""What goes out: envelope or plain form, texts, status, headers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
from flask import Response, has_request_context, request

from ..errors import REGISTRY
from .current import call_host, current_app_object

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..errors import ErrorRow, TesseraError

SUCCESS_TEXT: Final = {"zh": "成功", "en": "OK"}
JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
_PROBLEM_TYPE: Final = "urn:flask-tessera:error:"
_CHALLENGES: Final = ("invalid_token", "invalid_request", "insufficient_scope", "insufficient_user_authentication")
"""Error codes that a challenge may carry (RFC 6750 §3.1, RFC 9470 §3)."""
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Responses:
    """Writes the answers of one application in its format.

    Args:
        is_plain: OAuth-shaped bodies and problem details instead of the envelope.
        always_200: the status says nothing, `code` all.
        locale: "zh", "en", or "auto" for what the request prefers.
        hook: the host's own form for successes; given the data, gives a response.
    """

    is_plain: bool = False
    always_200: bool = False
    locale: str = "zh"
    hook: Callable[[Any], Any] | None = None

    def success(self, data: Any, *, status: int = 200) -> Any:
        """The answer that carries `data`; never to be cached, since it may hold a token (RFC 6749 §5.1)."""
        if self.hook is not None:
            plain = msgspec.json.decode(data) if isinstance(data, msgspec.Raw) else msgspec.to_builtins(data)
            answer = call_host(self.hook, plain)
            return _forbid_storing(current_app_object().make_response(answer)) if has_request_context() else answer
        if self.is_plain:
            return _respond(data, status, JSON)
        return self._negotiated(_respond({"code": 0, "msg": SUCCESS_TEXT[self.language()], "data": data}, status, JSON))

    def error(self, error: TesseraError) -> Response:
        """The answer to a request that failed."""
        row = error.row
        status = 200 if self.always_200 else row.status
        language = self.language()
        text = getattr(row, language)
        more = {} if error.next_step is None else {"next": error.next_step}
        if self.is_plain:
            problem = _problem(row, getattr(REGISTRY[row.slug], language), text)
            response = _respond({**problem, **more}, status, PROBLEM)
        else:
            response = _respond({"code": row.code, "msg": text, "error": row.slug, **more}, status, JSON)
        return self._negotiated(self.complete(response, error))

    def complete(self, response: Response, error: TesseraError) -> Response:
        """Add the headers that belong to an error, where the answer has none of its own."""
        if response.status_code in (401, 403) and response.status_code == error.row.status:
            for value in challenges(error.row):
                response.headers.setdefault("WWW-Authenticate", value)
        if error.retry_after is not None:
            response.headers.setdefault("Retry-After", str(error.retry_after))
        return _forbid_storing(response)

    def language(self) -> str:
        """The language of this answer."""
        if self.locale != "auto":
            return self.locale
        if not has_request_context():
            return "zh"
        wanted = (tag.lower().partition("-")[0] for tag, quality in request.accept_languages if quality > 0)
        return next((language for language in wanted if language in SUCCESS_TEXT), "zh")

    def _negotiated(self, response: Response) -> Response:
        if self.locale == "auto":
            response.vary.add("Accept-Language")
        return response


def challenges(row: ErrorRow) -> tuple[str, ...]:
    """What WWW-Authenticate says of an error, if anything (RFC 6750 §3): no code where no token was sent."""
    if row.oauth in _CHALLENGES and (row.status == 401 or row.oauth == "insufficient_scope"):
        return (f'Bearer error="{row.oauth}", error_description="{row.en}"',)
    return ("Bearer",) if row.status == 401 else ()


def _problem(row: ErrorRow, title: str, text: str) -> dict[str, Any]:
    """Problem details (RFC 9457 §3.1): of one type all have the same title, and what one has of its own is detail."""
    problem = {
        "type": _PROBLEM_TYPE + row.slug,
        "title": title,
        "status": row.status,
        "error": row.slug,
        "code": row.code,
    }
    return problem if text == title else {**problem, "detail": text}


def _respond(body: Any, status: int, content_type: str) -> Response:
    return _forbid_storing(Response(_encode(body), status, content_type=content_type))


def _forbid_storing(response: Response) -> Response:
    response.headers.setdefault("Cache-Control", "no-store")
    return response


class CachePolicy:
    """Marks the answers of guarded views, unless the view has its own say (RFC 9111 §3.5, RFC 6749 §5.1).

    Args:
        headers: those that may carry a token; an answer varies by them.
    """

    def __init__(self, headers: Sequence[str]) -> None:
        self._headers = tuple(headers)

    def apply(self, response: Response) -> Response:
        """Forbid to store `response`, or where the view lets it be stored, to serve it to somebody else."""
        headers = response.headers
        # Cheaper than asking for it: an absent header costs an exception.
        for name, _ in headers:
            if name.lower() == "cache-control":
                response.vary.update(self._headers)
                return response
        headers.add("Cache-Control", "no-store")
        return response
