"""POST /refresh: a refresh token to the next pair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..http_errors import answering
from .body import read

if TYPE_CHECKING:
    from flask import Blueprint

    from ..extension import Tessera


class RefreshRequest(msgspec.Struct, frozen=True):
    """Body of the request."""

    refresh_token: str


_decoder: Final = msgspec.json.Decoder(RefreshRequest)


def add(blueprint: Blueprint, tessera: Tessera[Any]) -> None:
    """Add the route."""

    @blueprint.post("/refresh", endpoint="refresh")
    def refresh() -> Any:
        with answering(tessera.runtime.answers):
            token = read(_decoder).refresh_token
        return tessera.refresh(token).to_response()
