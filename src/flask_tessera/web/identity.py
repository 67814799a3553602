"""Who a verified credential speaks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

UserId = TypeVar("UserId")


class Identity(msgspec.Struct, Generic[UserId], frozen=True):
    """A verified credential, as views see it. Times are Unix seconds.

    `session_id` is empty for a legacy token that was not exchanged, and for an API key. `scopes` are what the token
    allows, `amr` how the user logged in (RFC 8176), `claims` the application's own. `user_stamp` is the digest of what
    `Tessera(user_stamp=…)` gave at login, empty where nothing was kept. `credential` says what was presented: "access",
    "legacy", "api_key" or "ticket"; `ticket_data` is what a ticket was issued with.
    """

    user_id: UserId
    session_id: str
    realm: str
    scopes: frozenset[str]
    amr: tuple[str, ...]
    authenticated_at: int
    issued_at: int
    expires_at: int
    claims: Mapping[str, Any]
    user_stamp: str = ""
    credential: str = "access"
    ticket_data: Any = None

    def __hash__(self) -> int:
        return hash((self.realm, self.session_id, self.user_id, self.issued_at))

    def __reduce__(self) -> tuple[Any, ...]:
        # The claims are a read-only view, which cannot be pickled itself.
        fields = [getattr(self, name) for name in self.__struct_fields__]
        fields[self.__struct_fields__.index("claims")] = dict(self.claims)
        return type(self), tuple(fields)
