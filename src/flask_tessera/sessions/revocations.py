"""What the revocation log says, and how long it and ended sessions are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from .model import Session

RETENTION_MARGIN: Final = 120
"""Seconds by which an entry of the revocation log outlives the last token it could contradict."""
REASON_KEPT: Final = 86_400
"""Seconds for which the holder of a refresh token can still learn why its session ended."""
ENDED_KEPT: Final = 100
"""Ended sessions of one user that are kept, the newest."""


class Revocation(msgspec.Struct, frozen=True):
    """An ending that live tokens could still contradict.

    Of one session (`sid`), or of a user: of every token with an epoch below `epoch`, but for those of
    session `except_sid`. It may be forgotten at Unix second `forget_at`. An intent (`is_intent`) says that this ending
    was about to be written: whether it was, only the storage can tell.
    """

    forget_at: int
    reason: str
    sid: bytes = b""
    realm: str = ""
    user_id: str = ""
    epoch: int = 0
    except_sid: bytes = b""
    is_intent: bool = False


def forget_at(session: Session, at: int) -> int:
    """First second in which no access token of `session`, ended at `at`, can live any more, with a margin.

    After a clock has stepped back, tokens are about that were issued later than `at`.
    """
    return min(session.until, max(at, session.last_seen_at) + session.access_lifetime) + RETENTION_MARGIN


def kept_until(session: Session, at: int) -> int:
    """First second in which the record of `session`, ended at `at`, may be removed.

    Until then the reason can be read: by access tokens as long as one may live, by refresh tokens for a day. What is
    not known is refused as well, only without a reason.
    """
    return max(forget_at(session, at), min(session.idle_until, at + REASON_KEPT))
