"""Flask-RESTX: guards in the Swagger document of an `Api`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...web.openapi.guarded import guarded_operations, schemes_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask

    from ...web.extension import Tessera
    from ...web.openapi.guarded import GuardedOperation

_VERSION = "2.0"


def describe_guards(api: Any, app: Flask, tessera: Tessera[Any]) -> None:
    """Add security requirements and refusals to the resources of `api`. What they say themselves stays.

    Args:
        api: a `flask_restx.Api`, with all its resources.
        app: the application that it belongs to.
        tessera: whose guards are told; its `init_app` was called.
    """
    resources = {each[0] for namespace in api.namespaces for each in namespace.resources}
    operations = list(guarded_operations(app, tessera.realm, version=_VERSION))
    for found in operations:
        resource: Any = getattr(app.view_functions[found.endpoint], "view_class", None)
        # What is hidden has False there; what is said of a method itself counts for more than this anyway.
        said = getattr(resource, "__apidoc__", {})
        if resource in resources and said is not False and said.get(found.method) is not False:
            api.doc(**{found.method: _told(found, resource, said)})(resource)
    schemes = schemes_of(operations, app, tessera.realm, version=_VERSION)
    api.authorizations = {**schemes, **(api.authorizations or {})}


def _told(found: GuardedOperation, resource: Any, said: Mapping[str, Any]) -> dict[str, Any]:
    """In the words of `api.doc`."""
    own = said.get(found.method, {})
    security = own.get("security", said.get("security", found.security))
    vendor = {"required-scopes": found.scopes} if found.scopes else {}
    function = getattr(getattr(resource, found.method), "__apidoc__", None) or {}
    answers = {**said.get("responses", {}), **own.get("responses", {}), **function.get("responses", {})}
    # What stands in a document where nobody has said anything.
    usual = {} if answers else {"200": "Success"}
    refusals = {status: text for status, text in found.refusals.items() if status not in answers}
    return {"security": security, "responses": {**usual, **refusals}, "vendor": vendor}
