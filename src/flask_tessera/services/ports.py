"""The clock, the random bytes and the listener that services are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..sessions.model import Session

Clock = Callable[[], int]
"""Gives now in Unix seconds."""

CLOCKS_APART: Final = 30
"""Seconds by which the clocks of two workers may differ, or one may step back unnoticed."""

RandomBytes = Callable[[int], bytes]
"""Gives so many random bytes, as `secrets.token_bytes` does."""


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """Who sent a request, as far as it shows; empty where unknown."""

    ip: str = ""
    user_agent: str = ""


UNKNOWN_CLIENT: Final = ClientInfo()
"""For what was not brought about by a request."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a session.

    `name` is one of `EVENTS`; `reason` is the end reason where a session ended; `caller` sent the request that
    brought it about. `last_at` is, where a session was refreshed, the Unix second of the refresh before that; 0 for
    none. `amr` says how the user has logged in, or has proved again who he is: words of RFC 8176, separated by blanks.
    """

    name: str
    session: Session
    reason: str = ""
    caller: ClientInfo = UNKNOWN_CLIENT
    last_at: int = 0
    amr: str = ""


@dataclass(frozen=True, slots=True)
class RevocationNotice:
    """A revocation that a worker has learned of.

    Of one session (`session_id`; or the id of an API key), or of all sessions of a user (`user_id`, in its text form,
    of `realm`) but `except_session_id`. `reason` is an end reason.
    """

    reason: str
    session_id: str = ""
    realm: str = ""
    user_id: str = ""
    except_session_id: str = ""


EVENTS = (
    *("session_started", "session_refreshed", "session_stepped_up", "session_ended", "token_reused", "store_behind"),
)
"""Names of events: begun, refreshed, proved again who he is, over, a spent refresh token came back, the storage has
forgotten writes."""

Listener = Callable[[Event], None]
