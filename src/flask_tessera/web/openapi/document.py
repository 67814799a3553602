"""The OpenAPI 3.1 document of one Tessera in one application."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import msgspec
from flask import has_request_context, request

from ...config import read_settings
from ...sessions.model import Device
from ..app_state import states_of
from ..cookies import CookiePairResponse
from ..policies import responses_of
from ..requirements import TRANSPORTS
from ..responses import JSON
from ..token_pair import PairResponse
from .answers import ERROR_SCHEMAS, answers, success
from .credentials import credentials_body
from .refusals import refusals_of_endpoint, refusals_of_guard
from .routes import routes_of
from .security import security_of, security_schemes
from .texts import texts_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Flask

    from ...config import Settings
    from ..endpoints.row import Endpoint
    from ..hooks import Hooks
    from ..responses import Responses
    from .answers import Content
    from .routes import Route

VERSION: Final = "3.1.0"
_REFERENCE: Final = "#/components/schemas/{name}"


@dataclass(frozen=True, slots=True)
class _Source:
    """What a document is made from; `schemas` are those of the types that the rows name: they refer to `components`."""

    realm: str
    settings: Settings
    hooks: Hooks
    responses: Responses
    schemas: dict[Any, dict[str, Any]]
    components: dict[str, Any]


def build_document(app: Flask, realm: str, *, title: str = "", version: str = "1") -> dict[str, Any]:
    """The document; nothing is connected to.

    Args:
        app: the application.
        realm: whose endpoints and guards are described.
        title: of the API; by default the application's name, and the realm.
        version: of the API.

    Raises:
        ConfigError: the application has no Tessera of this realm, or a setting is wrong.
    """
    routes = list(routes_of(app, realm))
    source = _source_of(app, realm, routes)
    paths = _paths(routes, source)
    return {
        "openapi": VERSION,
        "info": {"title": title or title_of(app, realm), "version": version},
        **servers(),
        "paths": paths,
        "components": {
            "schemas": {**source.components, **ERROR_SCHEMAS},
            "securitySchemes": _schemes(paths, source),
        },
    }


def title_of(app: Flask, realm: str) -> str:
    """What a document is called that was given no title."""
    return " ".join(filter(None, (app.name, realm)))


def settings_of(app: Flask, realm: str) -> Settings:
    """The settings that are in force, or will be at the first request; errors as of `build_document`."""
    running = states_of(app).running.get(realm)
    return read_settings(app.config) if running is None else running.settings


def _source_of(app: Flask, realm: str, routes: Iterable[Route]) -> _Source:
    states = states_of(app)
    hooks, running = states.hooks_of(realm), states.running.get(realm)
    settings = settings_of(app, realm)
    responses = replace(responses_of(settings), hook=hooks.answer)
    if running is not None:
        hooks, responses = running.hooks, running.responses
    types = list(_types_of(routes, settings))
    # As JSON has it: defaults may be tuples.
    told = msgspec.json.encode(msgspec.json.schema_components(types, ref_template=_REFERENCE))
    schemas, components = msgspec.json.decode(told)
    return _Source(realm, settings, hooks, responses, dict(zip(types, schemas, strict=True)), components)


def servers() -> dict[str, Any]:
    """The part of a document that the request decides: where the application is mounted below a path, that path."""
    is_below = has_request_context() and request.script_root
    return {"servers": [{"url": request.script_root}]} if is_below else {}


def _types_of(routes: Iterable[Route], settings: Settings) -> dict[Any, None]:
    """The types of what is sent and answered, each once."""
    types: dict[Any, None] = {}
    for row in (route.described.row for route in routes if route.described is not None):
        types.update(dict.fromkeys((row.request, *_answered(row, settings))))
        if row.request is dict:
            types[Device] = None
    return types


def _answered(row: Endpoint, settings: Settings) -> tuple[Any, ...]:
    """The types of what an endpoint may answer; what is a pair may come in cookies."""
    types = row.response if isinstance(row.response, tuple) else (row.response,)
    is_pair = any(isinstance(each, type) and issubclass(each, PairResponse) for each in types)
    return (*types, CookiePairResponse) if is_pair and settings.COOKIES else types


def _paths(routes: Iterable[Route], source: _Source) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    taken: set[str] = set()
    for route in routes:
        operation = _operation(route, source)
        name, count = route.operation_id, 2
        while name in taken:
            name, count = f"{route.operation_id}_{count}", count + 1
        taken.add(name)
        # Of two rules for one path the first one is asked first.
        paths.setdefault(route.path, {}).setdefault(route.method.lower(), {"operationId": name, **operation})
    return paths


def _schemes(paths: dict[str, Any], source: _Source) -> dict[str, Any]:
    """The security schemes that an operation names."""
    operations = (operation for path in paths.values() for operation in path.values())
    named = {name for each in operations for either in each.get("security", ()) for name in either}
    return {name: each for name, each in security_schemes(source.settings, source.realm).items() if name in named}


def _operation(route: Route, source: _Source) -> dict[str, Any]:
    described = route.described
    form = source.responses if described is None else described.form(source.responses)
    slugs = [each for wanted in route.guards for each in refusals_of_guard(wanted, source.settings, route.method)]
    content: Content | None = None
    if described is not None:
        slugs += refusals_of_endpoint(described, source.settings)
        content = _content(described.row, form, source)
    parts = {
        "tags": route.tags,
        **_texts(route),
        "parameters": [*route.parameters, *(() if described is None else _query(described.row))],
        "requestBody": None if described is None else _body(described.row, source),
        "security": route.guards and security_of(route.guards, source.settings, source.realm, route.method),
        "x-required-scopes": route.scopes,
        "responses": answers(slugs, form, content, status=200 if described is None else described.row.status),
    }
    return {name: part for name, part in parts.items() if part}


def _texts(route: Route) -> dict[str, str]:
    """What the docstring says, and what is asked for besides a login."""
    texts = texts_of(route.function)
    asked = [str(wanted) for wanted in route.guards if wanted.needs_checks or wanted.transports != TRANSPORTS]
    told = [texts.get("description", ""), *(f"Needs {each}." for each in asked)]
    return {**texts, "description": "\n\n".join(filter(None, told))}


def _content(row: Endpoint, form: Responses, source: _Source) -> Content:
    if row.status == 204:
        return {}
    data = success(_data(row, source), form) if JSON in row.media else {}
    return {**data, **{media: {"schema": {"type": "string"}} for media in row.media if media != JSON}}


def _query(row: Endpoint) -> list[dict[str, Any]]:
    """One Parameter Object for each member that the query may hold."""
    if row.query is None:
        return []
    (schema,) = msgspec.json.schema_components([row.query])[1].values()
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": each}
        for name, each in schema["properties"].items()
    ]


def _data(row: Endpoint, source: _Source) -> dict[str, Any]:
    schemas = [source.schemas[each] for each in _answered(row, source.settings)]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _body(row: Endpoint, source: _Source) -> dict[str, Any] | None:
    if row.request is None:
        return None
    if row.request is dict:
        media = credentials_body(source.hooks, source.schemas[Device], has_cookies=source.settings.COOKIES)
    else:
        media = {"schema": source.schemas[row.request]}
    return {"required": not row.may_be_empty, "content": {JSON: media}}
