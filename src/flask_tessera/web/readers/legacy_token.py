"""Tokens that the old application issued, while the setting `LEGACY` lets them in."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ...errors import TokenInvalidError
from ..identity import Identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...services.legacy import LegacyLogins


class LegacyTokenReader:
    """Reads whatever no reader before it knows as a token of the old application.

    Args:
        legacy: reads them.
        realm: whose users they speak for.
        user_id_of: the application's user id of its text form; TokenInvalidError where there is none.
    """

    def __init__(self, legacy: LegacyLogins, realm: str, *, user_id_of: Callable[[str], Any]) -> None:
        self._legacy = legacy
        self._realm = realm
        self._user_id_of = user_id_of

    def identify(self, text: str, *, at: int, strict: bool) -> Identity[Any] | None:  # noqa: ARG002 - asks always
        claims = self._legacy.verify(text, at=at)
        name = str(claims.user_id)
        user_id = self._user_id_of(name)
        if str(user_id) != name:
            # Another spelling would be another principal, which ending the user's sessions would not reach.
            raise TokenInvalidError
        return Identity(
            user_id,
            "",
            self._realm,
            frozenset(),
            (),
            claims.issued_at,
            claims.issued_at,
            claims.expires_at,
            MappingProxyType({}),
            credential="legacy",
        )
