"""Which errors a guard, or the reading of a body, may answer with: slugs of `errors.REGISTRY`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..csrf import SAFE_METHODS
from ..endpoints.row import SESSION_ENDED

if TYPE_CHECKING:
    from ...config import Settings
    from ..described import Described
    from ..requirements import Requirements

BODY: Final = ("body_missing", "input_malformed", "body_too_large", "media_type_unsupported")
STORAGE: Final = ("storage_read_failed", "storage_write_failed")
_BAD_TOKEN: Final = ("token_invalid", "token_expired", "user_gone", *SESSION_ENDED)


def refusals_of_guard(wanted: Requirements, settings: Settings, method: str) -> tuple[str, ...]:
    """What a guard that asks for this answers to whom it does not let in."""
    is_forgeable = settings.COOKIES and "cookie" in wanted.transports and method not in SAFE_METHODS
    by_condition = {
        "token_missing": wanted.optional == "no",
        "scope_missing": bool(wanted.scopes or wanted.roles or wanted.permissions),
        "step_up_required": bool(wanted.fresh),
        "csrf_failed": is_forgeable,
        "ticket_invalid": bool(wanted.ticket) and method == "GET",
    }
    bad = () if wanted.optional == "invalid" else _BAD_TOKEN
    found = (slug for slug, may_be in by_condition.items() if may_be)
    # Too many requests: with API keys that do not exist.
    return ("token_ambiguous", *found, *bad, "too_many_requests", "storage_read_failed")


def refusals_of_endpoint(described: Described, settings: Settings) -> tuple[str, ...]:
    """What an endpoint answers besides success, but for its guard."""
    body = BODY if described.row.request is not None else ()
    storage = STORAGE if described.uses_storage else ()
    found = (*described.row.errors, *body, *storage)
    return found if settings.COOKIES else tuple(slug for slug in found if slug != "csrf_failed")
