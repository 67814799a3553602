"""What a route answers, by status: its data in the application's form, and its errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...errors import REGISTRY
from ..responses import JSON, PROBLEM, challenges

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ...errors import ErrorRow
    from ..responses import Responses

Schema = dict[str, Any]
Content = dict[str, Any]
"""A map of media types (OpenAPI 3.1 §4.8.14)."""
_TEXT: Final[Schema] = {"type": "string"}
_INTEGER: Final[Schema] = {"type": "integer"}
_NAMES: Final = {False: "Error", True: "Problem"}
ERROR_SCHEMAS: Final[dict[str, Schema]] = {
    "Error": {
        "description": "What went wrong, in the envelope of all answers.",
        "type": "object",
        "required": ["code", "msg", "error"],
        "properties": {"code": _INTEGER, "msg": _TEXT, "error": _TEXT},
    },
    "Problem": {
        "description": "What went wrong, as problem details (RFC 9457).",
        "type": "object",
        "required": ["type", "title", "status", "error", "code"],
        "properties": {
            "type": _TEXT,
            "title": _TEXT,
            "detail": _TEXT,
            "status": _INTEGER,
            "error": _TEXT,
            "code": _INTEGER,
        },
    },
}
"""The form of an error, by its name among the components."""


def success(schema: Schema, responses: Responses) -> Content:
    """What carries data of this schema."""
    if responses.hook is not None:
        # The host's own form, of which nothing is known.
        return {}
    if not responses.is_plain:
        envelope = {"code": {"const": 0}, "msg": _TEXT, "data": schema}
        schema = {"type": "object", "required": list(envelope), "properties": envelope}
    return {JSON: {"schema": schema}}


def answers(
    slugs: Iterable[str], responses: Responses, content: Content | None, *, status: int = 200
) -> dict[str, Any]:
    """The Responses Object (OpenAPI 3.1 §4.8.16).

    Args:
        slugs: the errors.
        responses: writes the answers.
        content: of success; None for a view of the application's own, of which nothing is known.
        status: of success.
    """
    found = rows_by_status(slugs)
    if responses.always_200:
        found = {200: [row for rows in found.values() for row in rows]}
    good = {"default": {"description": "What the view answers."}} if content is None else {str(status): _good(content)}
    errors = {str(each): _refusal(rows, responses) for each, rows in found.items()}
    if "200" in errors:
        errors["200"] = _either(errors["200"], content)
    return {**good, **errors}


def rows_by_status(slugs: Iterable[str]) -> dict[int, list[ErrorRow]]:
    """Errors by their HTTP status, the lowest first."""
    found: dict[int, list[ErrorRow]] = {}
    for row in sorted((REGISTRY[slug] for slug in dict.fromkeys(slugs)), key=lambda row: row.status):
        found.setdefault(row.status, []).append(row)
    return found


def text_of(rows: Iterable[ErrorRow]) -> str:
    """A list of errors in Markdown, with what a client is told."""
    return "\n".join(f"- `{row.slug}` ({row.code}): {row.en} {row.zh}" for row in rows)


def _good(content: Content) -> dict[str, Any]:
    return {"description": "Success.", **({"content": content} if content else {})}


def _either(refusal: dict[str, Any], content: Content | None) -> dict[str, Any]:
    """Success or an error, both with status 200: `code` tells which."""
    told = f"Success, with `code` 0, or one of:\n\n{refusal['description']}"
    if not content:
        return {"description": told}
    forms = [media["schema"] for media in (content.get(JSON), refusal["content"][JSON]) if media]
    return {"description": told, "content": {**content, JSON: {"schema": {"anyOf": forms}}}}


def _refusal(rows: Sequence[ErrorRow], responses: Responses) -> dict[str, Any]:
    told = text_of(rows)
    alternatives = {
        "error": {"enum": [row.slug for row in rows]},
        "code": {"enum": sorted({row.code for row in rows})},
    }
    form: Schema = {"$ref": f"#/components/schemas/{_NAMES[responses.is_plain]}"}
    schema = {"allOf": [form, {"properties": alternatives}]}
    media = PROBLEM if responses.is_plain else JSON
    headers = {} if responses.always_200 else _headers(rows)
    return {"description": told, **({"headers": headers} if headers else {}), "content": {media: {"schema": schema}}}


def _headers(rows: Iterable[ErrorRow]) -> dict[str, Any]:
    """Those that belong to all or some of these errors."""
    statuses = {row.status for row in rows}
    challenge = {"WWW-Authenticate": {"schema": _TEXT}} if any(challenges(row) for row in rows) else {}
    wait = {"Retry-After": {"description": "Seconds.", "schema": _INTEGER}} if statuses & {429, 503} else {}
    return {**challenge, **wait}
