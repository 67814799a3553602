"""flask-openapi3: guards in the document of an `OpenAPI` application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_openapi3.models import Response

from ...web.openapi.guarded import guarded_operations, schemes_of

if TYPE_CHECKING:
    from ...web.extension import Tessera


def describe_guards(app: Any, tessera: Tessera[Any]) -> None:
    """Add security requirements and refusals to the operations of `app`. What they say themselves stays.

    Args:
        app: a `flask_openapi3.OpenAPI`, with all its routes.
        tessera: whose guards are told; its `init_app` was called.
    """
    operations = list(guarded_operations(app, tessera.realm, version=app.openapi_version))
    for found in operations:
        operation: Any = getattr(app.paths.get(found.path), found.method, None)
        if operation is None:
            continue
        operation.security = operation.security or found.security
        told = {status: Response(description=text) for status, text in found.refusals.items()}
        operation.responses = {**told, **(operation.responses or {})}
    app.security_schemes = {**schemes_of(operations, app, tessera.realm), **(app.security_schemes or {})}
    # Made anew when it is asked for.
    app.spec_json = {}
