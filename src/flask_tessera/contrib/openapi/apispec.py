"""apispec, and what is made of it, flask-smorest and APIFlask: a plugin that adds guards to the operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apispec import BasePlugin

from ...web.openapi.guarded import GuardedOperation, guarded_operations, schemes_of

if TYPE_CHECKING:
    from flask import Flask

    from ...web.extension import Tessera


class GuardPlugin(BasePlugin):  # type: ignore[misc]  # apispec is none of our dependencies
    """Adds security requirements and refusals to each operation whose path is that of a guarded view.

    It goes into `APISpec(plugins=[…])`, into flask-smorest's `Api(app, spec_kwargs={"extra_plugins": […]})`, or with
    `append` into APIFlask's `app.spec_plugins`. What an operation says itself stays.

    Args:
        app: the application.
        tessera: whose guards are told; its `init_app` was called.
    """

    def __init__(self, app: Flask, tessera: Tessera[Any]) -> None:
        self._app = app
        self._realm = tessera.realm

    def init_spec(self, spec: Any) -> None:
        """Keep the document that is written."""
        self._spec = spec

    def operation_helper(self, path: str | None = None, operations: dict[str, Any] | None = None, **_: Any) -> None:
        """Complete the operations of one path."""
        version = str(self._spec.openapi_version)
        for found in guarded_operations(self._app, self._realm, version=version):
            if found.path == path and found.method in (operations or {}):
                found.complete((operations or {})[found.method])
                self._declare_schemes(found, version)

    def _declare_schemes(self, found: GuardedOperation, version: str) -> None:
        components = self._spec.components
        for name, scheme in schemes_of([found], self._app, self._realm, version=version).items():
            if name not in components.security_schemes:
                components.security_scheme(name, scheme)
