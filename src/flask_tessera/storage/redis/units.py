"""What a unit of work reads, and what it writes, slot by slot."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Final

from ...errors import StorageUnavailableError
from ...sessions.ids import tag_in, tag_of
from ...sessions.model import SessionWithPrincipal
from ...sessions.revocations import ENDED_KEPT, RETENTION_MARGIN
from ...sessions.transitions import UserState
from .client import Call, scripted
from .records import pack_principal, pack_session, unpack_principal, unpack_session, version_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...sessions.model import Principal, Session
    from ...sessions.transitions import Changes
    from ..model import Wanted
    from .client import Client
    from .log import RedisLog
    from .records import Keys

    Versions = dict[bytes, bytes]
    Found = tuple[SessionWithPrincipal | None, Versions]

_LATEST_TRY: Final = 1.9
"""Seconds after which a unit of work is not tried again."""
_LONGEST_PAUSE: Final = 0.064
"""Seconds before the next try, at most."""
_ELSEWHERE: Final = b"elsewhere"


class Reader:
    """Reads in one round trip what lies together, and in another one what does not.

    Its methods raise StorageUnavailableError: something cannot be read.
    """

    def __init__(self, client: Client, keys: Keys, log: RedisLog) -> None:
        self._client = client
        self._keys = keys
        self._log = log

    def sessions(self, sids: Sequence[bytes], *, give_up_at: float | None = None) -> dict[bytes, Found]:
        """Sessions with their principals, and the versions of what a unit of work on them compares."""
        calls = [scripted("read", [self._keys.session(sid)], self._keys.prefix) for sid in sids]
        replies = dict(zip(sids, self._client.run(*calls, give_up_at=give_up_at), strict=True))
        apart = {sid: self._principal_call(sid, reply[0]) for sid, reply in replies.items() if reply and not reply[1:]}
        if apart:
            for sid, said in zip(apart, self._client.run(*apart.values(), give_up_at=give_up_at), strict=True):
                replies[sid] = said if apart[sid].script else [replies[sid][0], said]
        return {sid: self._found(sid, reply) for sid, reply in replies.items()}

    def _principal_call(self, sid: bytes, raw: bytes) -> Call:
        """How to read the principal of a session, which lies in another slot or is being moved to another server."""
        session = unpack_session(sid, raw)
        key = self._keys.user(session.realm, session.user_id).principal
        if tag_in(sid) == tag_of(session.realm, session.user_id):
            return scripted("read", [self._keys.session(sid), key], self._keys.prefix)
        return Call(key, ("GET", key))

    def _found(self, sid: bytes, reply: Sequence[bytes | None] | None) -> Found:
        key = self._keys.session(sid)
        if reply is None:
            return None, {key: b""}
        raw, said = reply
        session = unpack_session(sid, raw or b"")
        principal, versions = unpack_principal(session.realm, session.user_id, said), {key: version_of(raw)}
        if not self._keys.is_cluster or tag_in(sid) == tag_of(session.realm, session.user_id):
            versions[self._keys.user(session.realm, session.user_id).principal] = version_of(said)
        return SessionWithPrincipal(session, principal), versions

    def user(self, realm: str, user_id: str, wanted: Wanted) -> tuple[UserState, Versions, list[bytes]]:
        """A user, the versions of what was read, and sids in the index of which there is no session any more."""
        keys, since = self._keys.user(realm, user_id), wanted.checkpoint
        kept = ENDED_KEPT if wanted.surplus else 0
        call = scripted("user", keys, self._keys.prefix, int(wanted.sessions), wanted.most, wanted.sid, kept)
        (raw, is_taken, found, gone, surplus), *said = self._client.run(
            call, *(self._log.since(since.number) if since else ())
        )
        if since and call.server:
            # The user was read again, after the log: who ends all logs it before he writes that.
            said = self._client.run(*self._log.since(since.number))
        records = self._complete(dict(zip(found[::2], found[1::2], strict=True)))
        if is_taken == _ELSEWHERE:
            is_taken = self._client.command(self._keys.session(wanted.sid), "EXISTS", self._keys.session(wanted.sid))
        sessions = [unpack_session(sid, record) for sid, record in records.items() if record]
        state = UserState(
            unpack_principal(realm, user_id, raw),
            tuple(session for session in sessions if not session.ended_at),
            tuple(surplus),
            bool(is_taken),
            since is not None and self._log.was_revoked(since, realm, user_id, said),
        )
        versions = {self._keys.session(sid): version_of(record) for sid, record in records.items() if record}
        gone += [sid for sid, record in records.items() if not record]
        return state, versions | {keys.principal: version_of(raw)}, gone

    def _complete(self, records: dict[bytes, bytes | None]) -> dict[bytes, bytes | None]:
        """Records of sessions; those on other servers are read there."""
        keys = {sid: self._keys.session(sid) for sid, raw in records.items() if raw == _ELSEWHERE}
        return records | dict(zip(keys, self._client.get(keys.values()), strict=True))


class Batch:
    """What is written in one step, if the keys in `checks` have these versions still.

    All keys are named, in `others` those that no command does: while a slot moves, a server refuses a step of which it
    has not all, before it begins.
    """

    def __init__(self) -> None:
        self.checks: dict[bytes, bytes] = {}
        self.commands: list[tuple[bytes, bytes, *tuple[bytes | int, ...]]] = []
        self.others: Sequence[bytes] = ()

    def call(self, *, waits: bool = False) -> Call:
        """The step."""
        keys = dict.fromkeys((*self.checks, *(key for _, key, *_ in self.commands), *self.others))
        words = (word for command in self.commands for word in (len(command), *command))
        return scripted("commit", [*keys], len(self.checks), *self.checks.values(), *words, writes=True, waits=waits)


class Plan:
    """The changes of one unit of work as batches: on one server a single one, in a cluster one for each slot.

    The entries for the log are not among them, nor are the repeated sessions.

    Args:
        keys: names of keys.
        tag: where the decision is made: what lies there is written first, or nothing is.
        versions: of what was read, by key.
        changes: all of them.
        at: now, Unix seconds.
    """

    def __init__(self, keys: Keys, tag: bytes, versions: Mapping[bytes, bytes], changes: Changes, at: int) -> None:
        self._keys = keys
        self._tag = tag
        self._versions = versions
        self._at = at
        self.entries = changes.entries
        self.waits = bool(changes.entries or changes.repeated or any(each.ended_at for each in changes.sessions))
        """Whether a fail-over must not lose it."""
        self.first = Batch()
        self.others: dict[bytes, Batch] = {}
        self.elsewhere: dict[bytes, Session] = {}
        """Changed sessions under another tag than the principal that has changed too: each is decided again there."""
        for principal in changes.principals:
            self.put_principal(principal, at)
        if changes.added:
            self._set(changes.added, is_new=True)
        for session in changes.sessions:
            self.put(session)
        for sid in changes.removed:
            self._batch(tag_in(sid)).commands.append((b"DEL", keys.session(sid)))

    def put_principal(self, principal: Principal, until: int) -> None:
        """Write a principal; one of which there is nothing to keep for ever is kept until this Unix second."""
        key = self._keys.user(principal.realm, principal.user_id).principal
        lasts = principal.epoch or principal.suspended_until
        expiry = () if lasts else (b"EX", self._seconds(until))
        self.first.checks[key] = self._versions[key]
        self.first.commands.append((b"SET", key, pack_principal(principal), *expiry))

    def put(self, session: Session) -> None:
        """Write a session that was read."""
        if self._keys.is_cluster and tag_in(session.sid) != self._tag:
            self.elsewhere[session.sid] = session
        else:
            self._set(session)

    def forget(self, realm: str, user_id: str, sids: Sequence[bytes]) -> None:
        """Take sessions out of the indexes of their user."""
        user = self._keys.user(realm, user_id)
        if sids:
            self._batch(tag_of(realm, user_id)).commands += [(b"ZREM", user.live, *sids), (b"ZREM", user.ended, *sids)]

    def _set(self, session: Session, *, is_new: bool = False) -> None:
        batch, key = self._batch(tag_in(session.sid)), self._keys.session(session.sid)
        batch.checks[key] = self._versions.get(key, b"")
        batch.commands.append((b"SET", key, pack_session(session), b"EX", self._seconds(session.idle_until)))
        if not (is_new or session.ended_at):
            return
        owner = session.realm, session.user_id
        user, batch = self._keys.user(*owner), self._batch(tag_of(*owner))
        index, score, until = user.live, int.from_bytes(session.sid[:6], "big"), session.until
        if session.ended_at:
            batch.commands.append((b"ZREM", user.live, session.sid))
            index, score, until = user.ended, session.ended_at, session.idle_until
        batch.commands += [(b"ZADD", index, score, session.sid), (b"KEEP", index, self._seconds(until))]

    def _seconds(self, until: int) -> int:
        """For which the server keeps what may be removed at Unix second `until`, with a margin for unlike clocks."""
        return max(until - self._at, 0) + RETENTION_MARGIN

    def _batch(self, tag: bytes) -> Batch:
        if not self._keys.is_cluster or tag == self._tag:
            return self.first
        return self.others.setdefault(tag, Batch())


class Unit:
    """The tries of one unit of work."""

    def __init__(self) -> None:
        self.give_up_at = time.monotonic() + _LATEST_TRY
        self.logged: set[Any] = set()
        """Entries that were appended as intents by an earlier try."""

    def pause(self) -> None:
        """Wait before the next try; StorageUnavailableError if there is no time for one."""
        time.sleep(random.uniform(0.001, _LONGEST_PAUSE))  # noqa: S311 - only to part those that collide
        if time.monotonic() > self.give_up_at:
            raise StorageUnavailableError("Redis: others have changed the same records all the time", writing=True)
