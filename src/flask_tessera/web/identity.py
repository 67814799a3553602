"""Who a verified token speaks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

UserId = TypeVar("UserId")


class Identity(msgspec.Struct, Generic[UserId], frozen=True):
    """A verified token, as views see it. Times are Unix seconds.

    `session_id` is empty for a legacy token that was not exchanged. `scopes` are what the token allows,
    `amr` how the user logged in, `extra` the application's own claims.
    """

    user_id: UserId
    session_id: str
    realm: str
    scopes: frozenset[str]
    amr: tuple[str, ...]
    authenticated_at: int
    issued_at: int
    expires_at: int
    extra: Mapping[str, Any]
