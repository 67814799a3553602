"""Flask's routing rules as paths of OpenAPI, and their converters as parameters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from werkzeug.routing import AnyConverter, FloatConverter, IntegerConverter, UUIDConverter

if TYPE_CHECKING:
    from werkzeug.routing import BaseConverter, Rule

METHODS: Final = ("DELETE", "GET", "PATCH", "POST", "PUT", "TRACE")
"""Those that are described: HEAD and OPTIONS are everywhere, and OpenAPI 3.1 knows no others."""
_PART: Final = re.compile(r"<(?:[^:<>]+:)?([^<>:]+)>")


def path_of(rule: str) -> str:
    """`/sessions/<sid>` as `/sessions/{sid}`."""
    return _PART.sub(r"{\1}", rule)


def parameters_of(rule: Rule) -> list[dict[str, Any]]:
    """One Parameter Object for each part of a rule's path that varies."""
    # As others do who describe Flask's rules: Werkzeug has no public name for them.
    converters: dict[str, BaseConverter] = getattr(rule, "_converters", {})
    return [
        {"name": name, "in": "path", "required": True, "schema": _schema_of(converters.get(name))}
        for name in _PART.findall(rule.rule)
    ]


def _schema_of(converter: BaseConverter | None) -> dict[str, Any]:
    match converter:
        case IntegerConverter() | FloatConverter():
            return _number(converter)
        case UUIDConverter():
            return {"type": "string", "format": "uuid"}
        case AnyConverter():
            return {"type": "string", "enum": sorted(converter.items)}
    return {"type": "string"}


def _number(converter: IntegerConverter | FloatConverter) -> dict[str, Any]:
    least = converter.min if converter.signed else max(converter.min or 0, 0)
    bounds = {"minimum": least, "maximum": converter.max}
    kind = "integer" if isinstance(converter, IntegerConverter) else "number"
    return {"type": kind, **{name: value for name, value in bounds.items() if value is not None}}
