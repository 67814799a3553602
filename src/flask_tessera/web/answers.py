"""What goes out: envelope or plain form, texts, status, headers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
from flask import Response, has_request_context, request


if TYPE_CHECKING:
    from collections.abc import Callable

    from ..errors import ErrorRow, TesseraError

SUCCESS_TEXT: Final = {"zh": "成功", "en": "OK"}
_JSON: Final = "application/json"
_PROBLEM: Final = "application/problem+json"
_PROBLEM_TYPE: Final = "urn:flask-tessera:error:"
_encode = msgspec.json.Encoder(enc_hook=str).encode


@dataclass(frozen=True, slots=True)
class Answers:
    """Writes answers in one application's format.

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
            return self.hook(data)
        body = data if self.is_plain else {"code": 0, "msg": SUCCESS_TEXT[self.language()], "data": data}
        return _respond(body, status, _JSON)

    def error(self, error: TesseraError) -> Response:
        """The answer to a request that failed."""
        row = error.row
        status = 200 if self.always_200 else row.status
        language = self.language()
        if self.is_plain:
            response = _respond(_problem(row, language), status, _PROBLEM)
        else:
            response = _respond({"code": row.code, "msg": getattr(row, language), "error": row.slug}, status, _JSON)
        if status == 401:
            response.headers["WWW-Authenticate"] = challenge(row)
        if error.retry_after is not None:
            response.headers["Retry-After"] = str(error.retry_after)
        if self.locale == "auto":
            response.vary.add("Accept-Language")
        return response

    def language(self) -> str:
        """The language of this answer."""
        if self.locale != "auto":
            return self.locale
        if not has_request_context():
            return "zh"
        return request.accept_languages.best_match(("zh", "en", "zh-CN", "zh-TW", "en-US"), "zh")[:2]


def challenge(row: ErrorRow) -> str:
    """The WWW-Authenticate header of a 401 (RFC 6750 §3): no error code where no credentials were sent."""
    if row.slug == "token_missing" or not row.oauth:
        return "Bearer"
    code = row.oauth if row.oauth in _CHALLENGE_CODES else "invalid_token"
    return f'Bearer error="{code}", error_description="{row.en}"'


_CHALLENGE_CODES: Final = ("invalid_token", "invalid_request", "insufficient_scope", "insufficient_user_authentication")


def _problem(row: ErrorRow, language: str) -> dict[str, Any]:
    """Problem details (RFC 9457 §3.1)."""
    return {
        "type": _PROBLEM_TYPE + row.slug,
        "title": getattr(row, language),
        "status": row.status,
        "error": row.slug,
        "code": row.code,
    }


def _respond(body: Any, status: int, content_type: str) -> Response:
    response = Response(_encode(body), status, content_type=content_type)
    response.headers["Cache-Control"] = "no-store"
    return response


