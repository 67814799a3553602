"""What the layers above use of a storage: the rules of `sessions.transitions` run in its units of work.

A storage is a subclass of `Storage` that gives three ports (`contract.py`): a session store, the revocation log, and a
store of small values. The rules are decided here, once, for all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Final

from ..sessions import transitions
from ..sessions.transitions import NOTHING
from .key_value import KeyValue
from .model import LAST_SECOND, Wanted
from .records import Records

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterable, Sequence

    from ..sessions.limits import Limits
    from ..sessions.model import Principal, Session, SessionWithPrincipal
    from ..sessions.transitions import Added, Changes, Ended, Rotation
    from .contract import RevocationLog, SessionStore, ValueStore
    from .model import Checkpoint, Description

MOST_ENDED: Final = 1000
"""Sessions of one user that `end_user` marks as ended, the newest; the new epoch ends any number of them."""


class Storage(ABC):
    """One place where records live.

    Args:
        sessions: where sessions and principals are.
        log: the revocation log.
        values: where small values are.
    """

    another_place = "another storage"
    """How a URL names a place of one's own beside this one, in words."""

    def __init__(self, sessions: SessionStore, log: RevocationLog, values: ValueStore) -> None:
        self.sessions = Sessions(sessions)
        """Sessions, each belonging to a principal."""
        self.revocations = log
        """The ordered list of endings."""
        self.values = KeyValue(values)
        """Small values that expire."""
        self.records = Records(sessions, log, self.values)
        """All of it, for moving."""

    @abstractmethod
    def describe(self) -> Description:
        """What it is, and what it promises with the settings that its server has now."""

    @abstractmethod
    def check(self) -> None:
        """Read something, and write something unless this was done within `CHECK_WRITES_EVERY` seconds.

        So a storage that cannot is found at start, and whoever may ask for `/healthz` causes no flood of writes.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of connections; the next call opens them again."""


class Sessions:
    """The life of sessions. Every method may raise StorageUnavailableError; times are Unix seconds."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    def add(
        self, session: Session, *, limits: Limits, at: int, valid_from: int = 0, checkpoint: Checkpoint | None = None
    ) -> Added:
        """Write a new session under its principal's present epoch, ending others as `limits` says.

        Args:
            session: that begins.
            limits: how many the user may have.
            at: now.
            valid_from: sessions that began before it are over: they neither count nor end.
            checkpoint: the end of the log before the credentials were read.

        Raises:
            CredentialsError: all of the user's sessions were ended after `checkpoint`, or the log is another one.
            SessionLimitError: there are as many as allowed and the newcomer is to be refused.
            LoginRefusedError: the principal is suspended at `at`.
            AlreadyExistsError: there is a session of this sid.
        """
        wanted = Wanted(sessions=limits.are_set, sid=session.sid, checkpoint=checkpoint, surplus=True)
        decide = partial(transitions.add, session=session, limits=limits, at=at, valid_from=valid_from)
        return self._store.change_user(session.realm, session.user_id, decide, wanted=wanted, at=at)

    def find(self, sid: bytes) -> SessionWithPrincipal | None:
        """The session with its principal; None if it is not known (any more)."""
        return self._store.find(sid)

    def rotate(
        self, sid: bytes, presented: int, *, at: int, leeway: int, idle: int, valid_from: int = 0, issued_for: str = ""
    ) -> Rotation | None:
        """Decide a refresh by the table of `sessions.rotation` and write what it says, in one step.

        An outcome "reuse" has ended the session. None if the session is not known; arguments as of
        `transitions.rotate`.
        """
        decide = partial(
            transitions.rotate,
            presented=presented,
            at=at,
            leeway=leeway,
            idle=idle,
            valid_from=valid_from,
            issued_for=issued_for,
        )
        return self._renew(sid, decide, at)

    def authenticate_again(
        self,
        sid: bytes,
        used: int,
        amr: tuple[str, ...],
        *,
        at: int,
        leeway: int,
        idle: int,
        valid_from: int = 0,
        issued_for: str = "",
    ) -> Rotation | None:
        """Note that a session's user has proved again who he is, and go on to a new generation, in one step.

        An outcome "reuse" has ended the session. None if the session is not known; arguments as of
        `transitions.authenticate_again`.
        """
        decide = partial(
            transitions.authenticate_again,
            used=used,
            amr=amr,
            at=at,
            leeway=leeway,
            idle=idle,
            valid_from=valid_from,
            issued_for=issued_for,
        )
        return self._renew(sid, decide, at)

    def confirm(self, generations: Sequence[tuple[bytes, int]], *, at: int) -> list[Session]:
        """Note that generations (session, generation) were used; gives the sessions that this has ended.

        The use of a superseded generation is a reuse. Unknown and ended sessions are passed over.
        """
        used: dict[bytes, list[int]] = {}
        for sid, generation in generations:
            used.setdefault(sid, []).append(generation)

        def decide(sid: bytes, found: SessionWithPrincipal | None) -> tuple[Changes, Session | None]:
            if found is None:
                return NOTHING, None
            # The lowest one last: one that is superseded decides over one that is current.
            results = [transitions.confirm(found.session, generation, at=at) for generation in used[sid]]
            return max(results, key=lambda result: (result[1] is not None, not result[0].is_nothing))

        ended = self._store.change_sessions(list(used), decide, at=at, mostly_unchanged=True)
        return [session for session in ended if session is not None]

    def touch(self, times: Iterable[tuple[bytes, int]], *, at: int) -> None:
        """Move last-seen times (session, Unix second) forward; never back."""
        latest: dict[bytes, int] = {}
        for sid, seen_at in times:
            latest[sid] = max(seen_at, latest.get(sid, seen_at))

        def decide(sid: bytes, found: SessionWithPrincipal | None) -> tuple[Changes, None]:
            return NOTHING if found is None else transitions.touch(found.session, latest[sid]), None

        self._store.change_sessions(list(latest), decide, at=at, mostly_unchanged=True)

    def end(self, sid: bytes, reason: str, *, at: int) -> Ended | None:
        """End one session; None if it is not known. An ended one keeps its reason."""

        def decide(_: bytes, found: SessionWithPrincipal | None) -> tuple[Changes, Ended | None]:
            return (NOTHING, None) if found is None else transitions.end(found.session, reason, at=at)

        return self._store.change_sessions([sid], decide, at=at)[0]

    def end_user(
        self, realm: str, user_id: str, reason: str, *, at: int, except_sid: bytes = b"", keep_until: int = 0
    ) -> list[Session]:
        """Raise the user's epoch and end all sessions but `except_sid`, which is carried over.

        Gives those ended, the newest `MOST_ENDED` of them. Before Unix second `keep_until` its entry in the log may not
        be forgotten: there may be live tokens of sessions that the storage does not know.
        """
        return self._end_user(realm, user_id, reason, at, except_sid, 0, keep_until)

    def principal(self, realm: str, user_id: str) -> Principal:
        """The principal; a new one of epoch 0 where nothing is kept."""
        return self._store.user(realm, user_id, sessions=False).principal

    def suspend(self, realm: str, user_id: str, *, until: int, at: int, keep_until: int = 0) -> list[Session]:
        """Let no session live or begin until Unix second `until`; gives the sessions this has ended.

        `keep_until` is as for `end_user`.
        """
        return self._end_user(realm, user_id, "suspension", at, b"", until, keep_until)

    def unsuspend(self, realm: str, user_id: str, *, at: int) -> None:
        """Let the user log in again. Ended sessions stay ended."""
        self._store.change_principals([(realm, user_id)], transitions.unsuspend, at=at)

    def list(self, realm: str, user_id: str, *, at: int, valid_from: int = 0) -> list[Session]:
        """The user's live sessions, oldest first."""
        state = self._store.user(realm, user_id, sessions=True)
        return transitions.live_sessions(state, at=at, valid_from=valid_from)

    def newest(self, *, before: int = LAST_SECOND) -> int:
        """When the newest session that began before Unix second `before` did; 0 if there is none."""
        return self._store.newest(before=before)

    def purge(self, *, at: int, most: int) -> int:
        """Remove at most `most` sessions that nobody needs to know of at `at`; gives how many it removed."""
        return self._store.purge(at=at, most=most)

    def _renew(
        self, sid: bytes, decide: Callable[[SessionWithPrincipal], tuple[Changes, Rotation]], at: int
    ) -> Rotation | None:
        def decide_known(_: bytes, found: SessionWithPrincipal | None) -> tuple[Changes, Rotation | None]:
            return (NOTHING, None) if found is None else decide(found)

        return self._store.change_sessions([sid], decide_known, at=at, mostly_alone=True)[0]

    def _end_user(
        self, realm: str, user_id: str, reason: str, at: int, except_sid: bytes, until: int, keep_until: int
    ) -> builtins.list[Session]:
        decide = partial(
            transitions.end_user,
            reason=reason,
            at=at,
            except_sid=except_sid,
            suspended_until=until,
            keep_until=keep_until,
        )
        wanted = Wanted(most=MOST_ENDED, sid=except_sid)
        return self._store.change_user(realm, user_id, decide, wanted=wanted, at=at)
