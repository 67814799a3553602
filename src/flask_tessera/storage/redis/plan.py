"""What is to be written of one unit of work, slot by slot, and how often it is tried."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Final

from ...errors import StorageUnavailableError
from ...sessions.ids import tag_in, tag_of
from ...sessions.revocations import RETENTION_MARGIN
from .calls import writing
from .records import pack_principal, pack_session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...sessions.model import Principal, Session
    from ...sessions.transitions import Changes
    from .calls import Call
    from .records import Keys

    Command = tuple[bytes, bytes, *tuple[bytes | int, ...]]
    Row = tuple[bytes, int, int, int]
    """An entry for the log: its bytes, a nonce, when it may be forgotten, and in how many seconds."""


_LATEST_TRY: Final = 1.9
"""Seconds after which a unit of work is not tried again."""
_LONGEST_PAUSE: Final = 0.064
"""Seconds before the next try, at most."""


class Batch:
    """What is written in one step, if the keys in `checks` have these versions still."""

    def __init__(self) -> None:
        self.checks: dict[bytes, bytes] = {}
        self.commands: list[Command] = []

    def call(self, *, log: Sequence[bytes] = (), entries: Sequence[Row] = (), waits: bool = False) -> Call:
        """The step; entries are appended to the log with these keys.

        All keys are named: while a slot moves, a server refuses a step of which it has not all, before it begins.
        """
        keys = dict.fromkeys((*self.checks, *(key for _, key, *_ in self.commands), *log))
        arguments: list[bytes | int | str] = [len(self.checks), *self.checks.values()]
        arguments += [log[0].removesuffix(b"meta") if log else b"", len(entries)]
        arguments += [value for row in entries for value in row]
        arguments += [word for command in self.commands for word in (len(command), *command)]
        return writing("commit", [*keys], *arguments, waits=waits)


class Plan:
    """The changes of one unit of work as batches: on one server a single one, in a cluster one for each slot.

    Args:
        keys: names of keys.
        tag: where the decision is made: what lies there is written first, or nothing is.
        versions: of what was read, by key.
        is_cluster: whether what lies under another tag is another step.
        at: now, Unix seconds.
    """

    def __init__(self, keys: Keys, tag: bytes, versions: Mapping[bytes, bytes], *, is_cluster: bool, at: int) -> None:
        self._keys = keys
        self._tag = tag
        self._versions = versions
        self._is_cluster = is_cluster
        self._at = at
        self.first = Batch()
        self.others: dict[bytes, Batch] = {}
        self.elsewhere: dict[bytes, Session] = {}
        """Changed sessions under another tag than the principal that has changed too: each is decided again there."""

    def fill(self, changes: Changes) -> None:
        """Add all changes but the entries for the log and the repeated sessions."""
        for principal in changes.principals:
            self.put_principal(principal, self._at)
        if changes.added:
            self._add(changes.added)
        for session in changes.sessions:
            self.put(session)
        for sid in changes.removed:
            self._batch(tag_in(sid)).commands.append((b"DEL", self._keys.session(sid)))

    def put_principal(self, principal: Principal, until: int) -> None:
        """Write a principal; one of which there is nothing to keep for ever is kept until this Unix second."""
        key = self._keys.user(principal.realm, principal.user_id).principal
        lasts = principal.epoch or principal.suspended_until
        expiry = () if lasts else (b"EX", self._seconds(until))
        self.first.checks[key] = self._versions[key]
        self.first.commands.append((b"SET", key, pack_principal(principal), *expiry))

    def put(self, session: Session) -> None:
        """Write a session that was read."""
        key = self._keys.session(session.sid)
        if self._is_cluster and tag_in(session.sid) != self._tag:
            self.elsewhere[session.sid] = session
            return
        self._set(session, self._versions[key])
        if session.ended_at:
            self._index_ended(session)

    def forget(self, realm: str, user_id: str, sids: Sequence[bytes]) -> None:
        """Take sessions out of the indexes of their user."""
        user = self._keys.user(realm, user_id)
        if sids:
            self._batch(tag_of(realm, user_id)).commands += [(b"ZREM", user.live, *sids), (b"ZREM", user.ended, *sids)]

    def _add(self, session: Session) -> None:
        self._set(session, self._versions.get(self._keys.session(session.sid), b""))
        user = self._keys.user(session.realm, session.user_id)
        if session.ended_at:
            self._index_ended(session)
            return
        began = int.from_bytes(session.sid[:6], "big")
        self._batch(tag_of(session.realm, session.user_id)).commands += [
            (b"ZADD", user.live, began, session.sid),
            (b"KEEP", user.live, self._seconds(session.until)),
        ]

    def _set(self, session: Session, version: bytes) -> None:
        batch, key = self._batch(tag_in(session.sid)), self._keys.session(session.sid)
        batch.checks[key] = version
        batch.commands.append((b"SET", key, pack_session(session), b"EX", self._seconds(session.idle_until)))

    def _index_ended(self, session: Session) -> None:
        user = self._keys.user(session.realm, session.user_id)
        self._batch(tag_of(session.realm, session.user_id)).commands += [
            (b"ZREM", user.live, session.sid),
            (b"ZADD", user.ended, session.ended_at, session.sid),
            (b"KEEP", user.ended, self._seconds(session.idle_until)),
        ]

    def _seconds(self, until: int) -> int:
        """For which the server keeps what may be removed at Unix second `until`, with a margin for unlike clocks."""
        return max(until - self._at, 0) + RETENTION_MARGIN

    def _batch(self, tag: bytes) -> Batch:
        if not self._is_cluster or tag == self._tag:
            return self.first
        return self.others.setdefault(tag, Batch())


class Unit:
    """The tries of one unit of work."""

    def __init__(self) -> None:
        self.give_up_at = time.monotonic() + _LATEST_TRY
        self.logged: set[Any] = set()
        """Entries that were appended as intents by an earlier try."""

    def pause(self) -> None:
        """Wait before the next try.

        Raises:
            StorageUnavailableError: there is no time for one.
        """
        time.sleep(random.uniform(0.001, _LONGEST_PAUSE))  # noqa: S311 - only to part those that collide
        if time.monotonic() > self.give_up_at:
            raise StorageUnavailableError("Redis: others have changed the same records all the time", writing=True)
