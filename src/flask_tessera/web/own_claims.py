"""Claims of the application's own, which its access tokens carry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..tokens.claims import Claims, encode_checked
from .current import call_host

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .app_state import Runtime

LARGEST: Final = 2048
"""Bytes of JSON: a token has 8 KiB at most, and a session keeps what it was begun with."""


def given_claims(claims: Mapping[str, Any] | None) -> str:
    """What `login(claims=…)` was given, as JSON; empty for none.

    Raises:
        ValueError: it is no mapping that a token can carry, a name begins with an underscore, or it is too large.
    """
    return _checked(dict(claims)).decode() if claims else ""


def loaded_claims(runtime: Runtime, user: Any) -> dict[str, Any]:
    """What the claims loader gives for a user object; errors as of `given_claims`."""
    load = runtime.hooks.claims_loader
    loaded = dict(call_host(load, user) or {}) if load is not None else {}
    if loaded:
        _checked(loaded)
    return loaded


def _checked(claims: dict[str, Any]) -> bytes:
    for name in map(str, claims):
        if name not in claims or name.startswith("_"):
            raise ValueError(f"names of claims are texts that do not begin with an underscore, not {name!r}")
    # Checked before a session is stored: afterwards it would be one that nobody has a token of.
    encode_checked(Claims(sub="user", sid="session", gen=0, ep=0, iat=0, exp=1, ext=claims))
    data = msgspec.json.encode(claims)
    if len(data) > LARGEST:
        raise ValueError(
            f"the claims have {len(data)} bytes as JSON, {LARGEST} are allowed: keep them in your database"
        )
    return data
