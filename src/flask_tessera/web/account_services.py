"""What a realm has for logging people in, beside the authenticator of an application that does it itself."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..services.codes import Codes

if TYPE_CHECKING:
    from ..services.keys import Keys
    from .hooks import Hooks
    from .host_users import HostUsers
    from .runtime import AppState


@dataclass(frozen=True, slots=True)
class AccountServices:
    """One service for each thing; `users` is None where the application has given none."""

    users: HostUsers | None
    codes: Codes = field(repr=False)


def build_accounts(shared: AppState, realm: str, keys: Keys, hooks: Hooks) -> AccountServices:
    """Wire them for one realm."""
    values, clock = shared.storage.values, shared.clock
    return AccountServices(
        users=hooks.users,
        codes=Codes(values, keys.code, realm=realm, clock=clock, random_bytes=secrets.token_bytes),
    )
