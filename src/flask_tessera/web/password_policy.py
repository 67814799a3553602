"""The policy for new passwords of a realm: the application's settings, its name, and its hook."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from .current import call_host

if TYPE_CHECKING:
    from ..accounts.password_policy import PasswordPolicy
    from .runtime import Runtime


def password_policy(runtime: Runtime) -> PasswordPolicy:
    """What checks new passwords of a realm.

    Raises:
        ConfigError: the extra `accounts` is not installed.
    """
    from ..accounts.password_policy import PasswordPolicy

    hook = runtime.hooks.password_check
    is_breached = None if hook is None else partial(call_host, hook)
    return PasswordPolicy(runtime.settings.PASSWORD_MIN_LENGTH, is_breached, (runtime.shared.app.name,))
