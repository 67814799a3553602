"""Flask-CORS: a view under `@cross_origin` has its preflights answered before its body is reached."""

from __future__ import annotations

from typing import Any

from flask import current_app


def answers_preflight(view: Any) -> bool:
    """Whether `view` is what `@cross_origin` made, and answers OPTIONS itself, as it does unless told otherwise.

    A guard may let OPTIONS through to it: the function that it guards is not called. Browsers send no credentials with
    a preflight (Fetch standard, CORS-preflight fetch).
    """
    return is_cross_origin(view) and bool(current_app.config.get("CORS_AUTOMATIC_OPTIONS", True))


def is_cross_origin(view: Any) -> bool:
    """Whether `view` is what `@cross_origin` made, with its own answer to OPTIONS."""
    module = getattr(view, "__globals__", {}).get("__name__")
    is_made = module == "flask_cors.decorator" and getattr(view, "provide_automatic_options", None) is False
    # The mark may be an inner one's, copied: what the decorator itself was told lies in its closure.
    told = [cell.cell_contents for cell in getattr(view, "__closure__", None) or ()] if is_made else []
    return is_made and not any(isinstance(each, dict) and each.get("automatic_options") is False for each in told)
