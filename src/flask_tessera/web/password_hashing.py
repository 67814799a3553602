"""The password hashing of an application: one pool of hash slots for all of its realms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ConfigError, missing_extra
from .app_state import states_of
from .current import current_app_object

if TYPE_CHECKING:
    from ..accounts.passwords import Passwords


def password_hashing() -> Passwords:
    """What hashes passwords in the current application.

    Raises:
        ConfigError: the extra `accounts` is not installed.
    """
    states = states_of(current_app_object())
    if states.passwords is None:
        try:
            from ..accounts.hash_slots import HashSlots
            from ..accounts.passwords import Passwords
        except (ModuleNotFoundError, ConfigError) as error:
            raise missing_extra("hashing passwords needs the module argon2", "accounts") from error
        states.passwords = Passwords(HashSlots(states.settings.HASH_SLOTS))
    return states.passwords
