"""The application's challenge: what it asks of a client before a code is sent or a login checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ChallengeError
from .current import call_host

if TYPE_CHECKING:
    from .extension import Tessera


def ask_challenge(tessera: Tessera[Any], action: str) -> None:
    """Go on if the application lets the present request; always where it has registered no challenge.

    Args:
        tessera: of the realm.
        action: what is about to be done: "code", "link", "register" or "login".

    Raises:
        ChallengeError: it does not.
    """
    challenge = tessera.runtime.hooks.challenge
    if challenge is not None and not call_host(challenge, action):
        raise ChallengeError(f"the challenge for {action!r} was not answered")
