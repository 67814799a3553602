"""The password hashing of an application: one pool of hash slots for all of its realms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ConfigError, missing_extra

if TYPE_CHECKING:
    from ..accounts.passwords import Passwords
    from .app_state import States


def password_hashing(states: States) -> Passwords:
    """What hashes passwords in an application.

    Raises:
        ConfigError: the extra `accounts` is not installed.
    """
    if states.passwords is None:
        try:
            from ..accounts.hash_slots import HashSlots
            from ..accounts.passwords import Passwords
        except (ModuleNotFoundError, ConfigError) as error:
            raise missing_extra("hashing passwords needs the module argon2", "accounts") from error
        states.passwords = Passwords(HashSlots(states.settings.HASH_SLOTS))
    return states.passwords
