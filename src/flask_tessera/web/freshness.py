"""How recent a login must be to end other devices and see their addresses: the setting `DEVICES_FRESH`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import StepUpRequiredError
from ..services.ports import CLOCKS_APART

if TYPE_CHECKING:
    from .app_state import Runtime


def is_recent_login(runtime: Runtime, logged_in_at: int) -> bool:
    """Whether a login at this Unix second is recent enough; always where the setting is 0."""
    longest = runtime.settings.DEVICES_FRESH
    return not longest or -CLOCKS_APART <= runtime.clock() - logged_in_at <= longest


def refuse_older_login(runtime: Runtime, logged_in_at: int, longest: int) -> None:
    """Ask for another login first, if the last one was more than `longest` seconds before now (RFC 9470).

    Raises:
        StepUpRequiredError: so it was, or no login stands behind the credential.
    """
    if not -CLOCKS_APART <= runtime.clock() - logged_in_at <= longest:
        raise StepUpRequiredError(f"the login is more than {longest} seconds old")


def refuse_stale_login(runtime: Runtime, logged_in_at: int) -> None:
    """Ask for another login first, if the last one was too long before now (SECURITY requirement S08).

    Args:
        runtime: of the realm.
        logged_in_at: Unix second of the last login.

    Raises:
        StepUpRequiredError: the login is older than `DEVICES_FRESH`.
    """
    if not is_recent_login(runtime, logged_in_at):
        raise StepUpRequiredError("the login is too old to end other devices")
