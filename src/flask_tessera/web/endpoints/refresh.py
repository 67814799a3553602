"""POST /refresh: a refresh token to the next pair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..token_pair import PairResponse
from .row import Endpoint

if TYPE_CHECKING:
    from ..extension import Tessera


class RefreshRequest(msgspec.Struct, frozen=True):
    """Body of the request."""

    refresh_token: str


def refresh(tessera: Tessera[Any], body: RefreshRequest) -> dict[str, Any]:
    """The next pair."""
    return tessera.refresh(body.refresh_token).to_dict()


ROWS: Final = (
    Endpoint(
        "refresh",
        "POST",
        "/refresh",
        refresh,
        request=RefreshRequest,
        response=PairResponse,
        errors=("token_invalid", "session_expiry", "session_reuse", "user_gone"),
    ),
)
