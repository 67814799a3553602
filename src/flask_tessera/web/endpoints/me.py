"""GET /me: the current user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import guards
from ..http_errors import answering

if TYPE_CHECKING:
    from flask import Blueprint

    from ..extension import Tessera


def add(blueprint: Blueprint, tessera: Tessera[Any]) -> None:
    """Add the route; the user view decides what is shown."""

    @blueprint.get("/me", endpoint="me")
    @tessera.login_required
    def me() -> Any:
        caller = guards.caller_of(tessera.realm)
        runtime = caller.runtime
        with answering(runtime.answers):
            user = runtime.load_user(caller)
        return runtime.answers.success(runtime.app.ensure_sync(runtime.user_view)(user))
