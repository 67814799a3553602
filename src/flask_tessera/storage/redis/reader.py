"""Sessions and users as a unit of work reads them, wherever they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...sessions.ids import tag_in, tag_of
from ...sessions.model import SessionWithPrincipal
from ...sessions.revocations import ENDED_KEPT
from ...sessions.transitions import UserState
from .calls import Call, reading
from .log import MOST_SINCE
from .records import pairs_of, unpack_principal, unpack_session, version_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...sessions.model import Session
    from ..contract import Wanted
    from .client import Client
    from .log import RedisLog
    from .records import Keys

    Versions = dict[bytes, bytes]
    Found = tuple[SessionWithPrincipal | None, Versions]

_ELSEWHERE: Final = b"elsewhere"


class Reader:
    """Reads in one round trip what lies together, and in another one what does not.

    Args:
        client: to the servers.
        keys: names of keys.
        log: the revocation log.
        is_cluster: whether what lies in two slots is not compared in one step.
    """

    def __init__(self, client: Client, keys: Keys, log: RedisLog, *, is_cluster: bool) -> None:
        self._client = client
        self._keys = keys
        self._log = log
        self._is_cluster = is_cluster

    def sessions(self, sids: Sequence[bytes], *, give_up_at: float | None = None) -> dict[bytes, Found]:
        """Sessions with their principals, and the versions of what a unit of work on them compares.

        Raises:
            StorageUnavailableError: they cannot be read, or not by `give_up_at` of the monotonic clock.
        """
        prefix = self._keys.prefix
        calls = [reading("read", [self._keys.session(sid)], prefix) for sid in sids]
        replies = dict(zip(sids, self._client.run(*calls, give_up_at=give_up_at), strict=True))
        apart = {sid: self._principal_call(sid, reply[0]) for sid, reply in replies.items() if reply and not reply[1:]}
        for sid, said in zip(apart, self._client.run(*apart.values(), give_up_at=give_up_at), strict=True):
            replies[sid] = said if apart[sid].script else [replies[sid][0], said]
        return {sid: self._found(sid, reply) for sid, reply in replies.items()}

    def _principal_call(self, sid: bytes, raw: bytes) -> Call:
        """How to read the principal of a session, which lies in another slot or is being moved to another server."""
        session = unpack_session(sid, raw)
        key = self._keys.user(session.realm, session.user_id).principal
        if tag_in(sid) == tag_of(session.realm, session.user_id):
            return reading("read", [self._keys.session(sid), key], self._keys.prefix)
        return Call(key, ("GET", key))

    def _found(self, sid: bytes, reply: Sequence[bytes | None] | None) -> Found:
        key = self._keys.session(sid)
        if reply is None:
            return None, {key: b""}
        raw, said = reply[0] or b"", reply[1] or b""
        session = unpack_session(sid, raw)
        principal, versions = unpack_principal(session.realm, session.user_id, said), {key: version_of(raw)}
        if not self._is_cluster or tag_in(sid) == tag_of(session.realm, session.user_id):
            versions[self._keys.user(session.realm, session.user_id).principal] = version_of(said)
        return SessionWithPrincipal(session, principal), versions

    def user(self, realm: str, user_id: str, wanted: Wanted) -> tuple[UserState, Versions, list[bytes]]:
        """A user, the versions of what was read, and sids in the index of which there is no session any more.

        Raises:
            StorageUnavailableError: they cannot be read.
        """
        keys, since = self._keys.user(realm, user_id), wanted.checkpoint
        log = b"" if self._is_cluster or since is None else self._keys.log
        kept, number = ENDED_KEPT if wanted.surplus else 0, since.number if since else 0
        asked = (int(wanted.sessions), wanted.most, wanted.sid, kept, log, number, MOST_SINCE)
        reply = self._client.run(reading("user", keys, self._keys.prefix, *asked))[0]
        raw, is_taken, found, gone, surplus, said = reply
        sessions = self._complete(pairs_of(found), gone)
        if is_taken == _ELSEWHERE:
            is_taken = self._client.command(self._keys.session(wanted.sid), "EXISTS", self._keys.session(wanted.sid))
        state = UserState(
            unpack_principal(realm, user_id, raw),
            tuple(session for session, _ in sessions if not session.ended_at),
            tuple(surplus),
            bool(is_taken),
            # Read after the principal: who ends all logs it before he writes that.
            since is not None and self._log.was_revoked(since, realm, user_id, said=said or None),
        )
        versions = {self._keys.session(session.sid): version for session, version in sessions}
        return state, versions | {keys.principal: version_of(raw)}, gone

    def _complete(self, pairs: Sequence[tuple[bytes, bytes]], gone: list[bytes]) -> list[tuple[Session, bytes]]:
        """Sessions and their versions; those on other servers are read there, and added to `gone` if they are."""
        missing = [sid for sid, raw in pairs if raw == _ELSEWHERE]
        keys = [self._keys.session(sid) for sid in missing]
        read = dict(zip(missing, self._client.run(*(Call(key, ("GET", key)) for key in keys)), strict=True))
        gone += [sid for sid, raw in read.items() if raw is None]
        records = ((sid, read.get(sid, raw)) for sid, raw in pairs)
        return [(unpack_session(sid, raw), version_of(raw)) for sid, raw in records if raw is not None]
