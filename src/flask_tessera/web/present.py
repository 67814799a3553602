"""The application and the request at hand, as the objects themselves: a proxy looks them up at every access."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from flask import current_app, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask, Request

_app: Any = current_app
_request: Any = request
# What Flask's documentation tells extensions to call, its underscore notwithstanding.
present_app = cast("Callable[[], Flask]", _app._get_current_object)  # noqa: SLF001 - see above
"""The current application; RuntimeError outside one."""
present_request = cast("Callable[[], Request]", _request._get_current_object)  # noqa: SLF001 - see above
"""The present request; RuntimeError outside one."""
