"""For who has lost the second factors: an administrator takes all of them away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..services.ports import UNKNOWN_CLIENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..services.ports import ClientInfo
    from ..sessions.model import Session
    from .runtime import Runtime

_GONE: Final = "user_gone"
"""The end reason at which the services forget all factors of a user; this one stays."""


def reset_factors(
    runtime: Runtime, user_id: str, *, account: str = "", caller: ClientInfo = UNKNOWN_CLIENT
) -> Sequence[Session]:
    """Forget all second factors and trusted devices of a user, and end all sessions; gives those.

    Args:
        runtime: of the realm.
        user_id: in its text form.
        account: as the user is called in the audit trail.
        caller: who asks for it.

    Raises:
        StorageUnavailableError: try again; it may be half done.
    """
    runtime.accounts.second_factors.owner_ended(user_id, _GONE)
    runtime.accounts.passkeys.owner_ended(user_id, _GONE)
    ended = runtime.sessions.end_user(user_id, "kick", caller)
    runtime.record("factors_reset", user_id=user_id, account=account)
    return ended
