"""What the ports of a storage take and give. Times are Unix seconds."""

from __future__ import annotations

from typing import Final

import msgspec

from ..sessions.model import Principal, Session
from ..sessions.revocations import Revocation

LAST_SECOND: Final = (1 << 48) // 1000
"""Unix second: the last one that a sid can begin with."""
ANY_VERSION: Final = -1
"""In place of an expected version: write whatever is there."""


class Checkpoint(msgspec.Struct, frozen=True):
    """The end of the revocation log at a moment: which log it was, and the number of its newest entry."""

    log_id: str
    number: int


class Wanted(msgspec.Struct, frozen=True):
    """What of a user is to be read beside the principal.

    Attributes:
        sessions: whether those that have not ended are; at most the newest `most` of them, 0 for all.
        sid: whether this sid is in use; where `most` bounds the sessions this one is among them in any case. Empty
            asks nothing.
        checkpoint: whether all of the user's sessions were ended since, or the log is another one by now.
        surplus: whether the sids of ended sessions beyond the newest `ENDED_KEPT` are, some of them at least.
    """

    sessions: bool = True
    most: int = 0
    sid: bytes = b""
    checkpoint: Checkpoint | None = None
    surplus: bool = False


class LogPage(msgspec.Struct, frozen=True):
    """Some of the revocation log.

    `log_id` names the log: another one is another log, of which all must be read from cursor 0. Of tokens issued
    up to `created_at` (Unix seconds) it knows nothing. Sessions that began before Unix second `valid_from` are over:
    the storage was restored from a backup, and has forgotten which of them had ended. Where `is_whole` is False there
    are more entries after `cursor`. `number` is that of the newest entry of the log, if it was asked for its head.
    `delay` says for how many milliseconds the oldest of these entries had been in the log, by the clock of the storage
    itself; 0 where the log was read from its beginning, or nothing was new.
    """

    entries: tuple[Revocation, ...]
    cursor: int
    log_id: str
    created_at: int
    valid_from: int = 0
    is_whole: bool = True
    number: int = 0
    delay: int = 0

    @property
    def checkpoint(self) -> Checkpoint:
        """Where the log ended when its head was read."""
        return Checkpoint(self.log_id, self.number)


class Wakeup(msgspec.Struct, frozen=True):
    """Why `WaitingLog.wait` has returned.

    `entries` are a hint: they may be incomplete, repeated or stale, and `after` is authoritative. `is_unchanged` is
    True where the storage itself has answered, when the wait was over, that there was nothing after the cursor: that
    counts like a read.
    """

    entries: tuple[Revocation, ...] = ()
    is_unchanged: bool = False


class Description(msgspec.Struct, frozen=True):
    """What a storage is, for people: `durability` says what outlives which fault; `warnings` what should be changed."""

    engine: str
    durability: str
    warnings: tuple[str, ...] = ()


class SchemaState(msgspec.Struct, frozen=True):
    """Of which version the tables of an SQL storage are, in `words`; whether this package can work with them.

    `is_new`: there are none yet; they are made at first use.
    """

    words: str
    is_usable: bool
    is_new: bool = False


class Value(msgspec.Struct, frozen=True):
    """A small value that expires.

    Attributes:
        kind: what it is for.
        key: names it within its kind; its first two bytes are the tag of its owner, or of a hash.
        value: of 64 KiB at most; empty for a counter.
        version: random, chosen by who wrote it; the count of a counter.
        expires_at: first Unix second in which it is gone.
        owner: whose it is, as `key_value.owner_key` writes it; empty for nobody's.
    """

    kind: str
    key: bytes
    value: bytes
    version: int
    expires_at: int
    owner: bytes = b""


class Increment(msgspec.Struct, frozen=True):
    """One step of a counter.

    A counter that is not there, or has expired, begins at 0 and ends at `ends_at`; with `only_running` only one that
    ends then is changed.
    """

    kind: str
    key: bytes
    amount: int
    ends_at: int
    only_running: bool = False


class Counter(msgspec.Struct, frozen=True):
    """A counter after a step; 0 and 0 where there was none to be changed. `ends_at` is a Unix second."""

    count: int
    ends_at: int


class Page(msgspec.Struct, frozen=True):
    """Some of all records; `cursor` leads to the next ones, and is empty at the end."""

    sessions: tuple[Session, ...] = ()
    principals: tuple[Principal, ...] = ()
    values: tuple[Value, ...] = ()
    cursor: str = ""
