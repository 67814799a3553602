"""Another phone number or e-mail address of a user, of which those that he had are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .logins import users_of
from .notices import Happening, reached_at, tell
from .request_auth import auth_of

if TYPE_CHECKING:
    from ..accounts.recipients import Recipient
    from .extension import Tessera


def bind_recipient(tessera: Tessera[Any], user: Any, recipient: Recipient) -> Any:
    """Give a user a recipient that was verified, in place of the one of its kind; gives the user as he is now.

    The recipient whose place it takes is told, or where it takes none, as the user was reached before.

    Raises:
        AlreadyExistsError: somebody else has it.
    """
    users = users_of(tessera.runtime.accounts)
    before: list[Recipient] = users.recipients(user)
    bound = users.bind(user, recipient)
    if recipient not in before:
        replaced = [each for each in before if each.kind == recipient.kind]
        _tell(tessera, tessera.id_of(bound), replaced or reached_at(before))
    return bound


def _tell(tessera: Tessera[Any], user_id: str, recipients: list[Recipient]) -> None:
    identity = auth_of(tessera.realm).identity
    session_id = identity.session_id if identity is not None else ""
    tessera.runtime.record("recipient_changed", user_id=user_id, session_id=session_id)
    caller = tessera.client_info()
    tell(tessera, Happening("recipient_changed", user_id, caller, session_id=session_id), recipients)
