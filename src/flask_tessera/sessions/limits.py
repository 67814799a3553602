"""Which sessions go when there are too many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from flask_tessera.errors import SessionLimitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LimitReason = Literal["replaced", "limit"]
"""The end reason of a session that makes room: of its device type (顶人下线), or in all."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many live sessions one user may have.

    Attributes:
        most: in all; 0 means no limit.
        per_device_type: of one device type (同端互斥); 0 means no limit.
        overflow: whether the least recently used session makes room, or the newcomer is refused.
    """

    most: int
    per_device_type: int
    overflow: Literal["evict", "refuse"]

    @property
    def are_set(self) -> bool:
        """Whether there is any limit at all, so that the live sessions need to be counted."""
        return bool(self.most or self.per_device_type)


class LiveSession(Protocol):
    """As much of a live session as a limit looks at; times are Unix seconds.

    A client that does not say its device type has the empty one, which is a type like any other: else
    leaving it out would evade the limit.
    """

    @property
    def sid(self) -> bytes:
        """The session's name."""

    @property
    def device_type(self) -> str:
        """What kind of device it lives on."""

    @property
    def last_seen_at(self) -> int:
        """When it was last used."""

    @property
    def created_at(self) -> int:
        """When it began."""


def overflowing(
    live: Iterable[LiveSession], newcomer_device_type: str, limits: Limits
) -> list[tuple[bytes, LimitReason]]:
    """Say which sessions must end before one more may begin.

    First its own device type makes room, then all of them; the least recently used goes first, at a
    tie the one that began first.

    Args:
        live: the user's live sessions, without the newcomer, in any order.
        newcomer_device_type: the device type of the session that is to begin.
        limits: how many there may be, the newcomer included.

    Returns:
        The sessions to end, each with its end reason; empty if there is room.

    Raises:
        SessionLimitError: there is no room, and the limits say to refuse.
    """
    oldest_first = sorted(live, key=_by_last_use)
    alike = [session for session in oldest_first if session.device_type == newcomer_device_type]
    replaced = _surplus(alike, limits.per_device_type)
    leaving = {session.sid for session in replaced}
    staying = [session for session in oldest_first if session.sid not in leaving]
    evicted = _surplus(staying, limits.most)
    if limits.overflow == "refuse" and (replaced or evicted):
        raise SessionLimitError("this user has as many sessions as TESSERA_SESSION_OVERFLOW = 'refuse' admits")
    ended: list[tuple[bytes, LimitReason]] = [(session.sid, "replaced") for session in replaced]
    return ended + [(session.sid, "limit") for session in evicted]


def _by_last_use(session: LiveSession) -> tuple[int, int, bytes]:
    return session.last_seen_at, session.created_at, session.sid


def _surplus(oldest_first: Sequence[LiveSession], limit: int) -> Sequence[LiveSession]:
    """Give those that must go so that one more fits; `limit` 0 means no limit."""
    return oldest_first[: max(0, len(oldest_first) + 1 - limit)] if limit else ()
