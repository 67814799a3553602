"""GET /me: the current user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import ConfigError
from .. import guards

if TYPE_CHECKING:
    from flask import Blueprint

    from ..extension import Tessera


def add(blueprint: Blueprint, tessera: Tessera[Any]) -> None:
    """Add the route; the user view decides what is shown."""

    @blueprint.get("/me", endpoint="me")
    @tessera.login_required
    def me() -> Any:
        runtime = tessera.runtime
        if runtime.user_view is None:
            raise ConfigError("the endpoint me needs @tessera.user_view")
        user = guards.load_current_user(tessera.realm)
        return runtime.answers.success(runtime.app.ensure_sync(runtime.user_view)(user))
