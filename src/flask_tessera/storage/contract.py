"""The ports: all that the layers above know of a storage.

Each method is one atomic step. Times are Unix seconds, given by the caller: a storage reads no clock.
The only error of a driver that leaves a storage is `StorageUnavailableError`; every method may raise it.
What a method has returned is durable, and seen by every process that shares the storage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol

import msgspec

from ..sessions.record import Principal, Session, Standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..sessions.limits import Limits

Outcome = Literal["rotated", "same", "replaced", "adopted", "reuse", "refused"]
LAST_SECOND: Final = (1 << 48) // 1000
"""Unix second: the last one that a sid can begin with."""
BEAT_EVERY: Final = 6
"""Seconds between two beats of a worker."""
WORKER_OVERDUE: Final = 20
"""Seconds after its last beat from which a worker counts as stuck: it has missed three."""
WORKER_FORGOTTEN: Final = 900
"""Seconds after its last beat for which a worker is listed. One that ends in good order removes itself at once."""


CHECK_WRITES_EVERY: Final = 10
"""Seconds between two writes of `Storage.check` in one process."""


class Added(msgspec.Struct, frozen=True):
    """A session as it was written, and those that ended to make room for it."""

    session: Session
    ended: tuple[Session, ...] = ()


class Rotation(msgspec.Struct, frozen=True):
    """What became of a presented refresh token.

    `session` is as it is stored now; `reason` is set when the outcome is "refused" or "reuse".
    """

    outcome: Outcome
    session: Session
    reason: str = ""


class Ended(msgspec.Struct, frozen=True):
    """A session that is over; `by_this_call` tells whether it was live before."""

    session: Session
    by_this_call: bool


class Revocation(msgspec.Struct, frozen=True):
    """An ending that live tokens could still contradict.

    Of one session (`sid`), or of a user: of every token with an epoch below `epoch`, but for those of
    session `except_sid`. It may be forgotten at Unix second `forget_at`.
    """

    forget_at: int
    reason: str
    sid: bytes = b""
    realm: str = ""
    user_id: str = ""
    epoch: int = 0
    except_sid: bytes = b""


class Revocations(msgspec.Struct, frozen=True):
    """A stretch of the revocation log.

    `log_id` names the log: another one is another log, of which all must be read from cursor 0. Of tokens issued
    up to `born_at` (Unix seconds) it knows nothing. Sessions of an era before `era` are over: the storage was put
    back from a backup, and has forgotten which of them had ended. Where `is_whole` is False there are more entries
    after `cursor`. `last` is the number of the newest entry, where `tail` was asked: none that is begun later has a
    lower one.
    """

    entries: tuple[Revocation, ...]
    cursor: int
    log_id: str
    born_at: int
    era: int = 0
    is_whole: bool = True
    last: int = 0


class Wakeup(msgspec.Struct, frozen=True):
    """Why `RevocationLog.wait` has returned.

    `entries` are a hint: they may be incomplete, repeated or stale, and `after` is authoritative. `is_unchanged` is
    True where the storage itself has answered, when the wait was over, that there was nothing after the cursor: that
    counts like a read.
    """

    entries: tuple[Revocation, ...] = ()
    is_unchanged: bool = False


class Worker(msgspec.Struct, frozen=True):
    """What a process that follows the revocation log says of itself. Times are Unix seconds of its own clock.

    It beats only after it has read the log to its end: at `beat_at` it knew of all that had been revoked.
    """

    name: str
    started_at: int
    beat_at: int


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


class Page(msgspec.Struct, frozen=True):
    """Some of all records; `cursor` leads to the next ones, and is empty at the end.

    `revocations` are entries of the log, which is read with `RevocationLog.after`: only `Records.write` looks at them.
    """

    sessions: tuple[Session, ...] = ()
    principals: tuple[Principal, ...] = ()
    cursor: str = ""
    revocations: tuple[Revocation, ...] = ()


class SessionStorage(Protocol):
    """Sessions, each belonging to a principal."""

    def tag(self, realm: str, user_id: str, *, seed: bytes) -> bytes:
        """Two bytes to stand behind the six of the time in this user's sids, so that all of a user lie together.

        They stay the same when `seed` changes, where the place of a record depends on them. A session of a sid with
        other bytes there is kept all the same, but found more slowly.

        Args:
            realm: of the user.
            user_id: whose sids they are for.
            seed: 32 secret bytes, from which the tags are made in a storage that has none yet.
        """
        ...

    def add(self, session: Session, *, limits: Limits, at: int) -> Added:
        """Write a new session under its principal's present epoch, ending others as `limits` says.

        Sessions of an era before this one's are over: they neither count nor end.

        Raises:
            SessionLimitError: there are as many as allowed and the newcomer is to be refused.
            LoginRefusedError: the principal is suspended at `at`.
            AlreadyExistsError: there is a session of this sid.
        """
        ...

    def find(self, sid: bytes) -> Standing | None:
        """The session with its principal; None if it is not known (any more)."""
        ...

    def rotate(self, sid: bytes, presented: int, *, at: int, leeway: int, idle: int) -> Rotation | None:
        """Decide a refresh by the table of `sessions.rotation` and write what it says, in one step.

        An outcome "reuse" has ended the session. None if the session is not known.

        Args:
            sid: the session.
            presented: the generation of the token.
            at: now, Unix seconds.
            leeway: seconds in which a predecessor is answered like its successor.
            idle: seconds by which the idle limit is moved.
        """
        ...

    def mark(self, marks: Sequence[tuple[bytes, int]], *, at: int) -> list[Session]:
        """Note that generations (session, generation) were used; gives the sessions that this has ended.

        A mark for a burnt generation is a reuse. Unknown and ended sessions are passed over.
        """
        ...

    def seen(self, times: Iterable[tuple[bytes, int]]) -> None:
        """Move last-seen times (session, Unix second) forward; never back."""
        ...

    def end(self, sid: bytes, reason: str, *, at: int) -> Ended | None:
        """End one session; None if it is not known. An ended one keeps its reason."""
        ...

    def end_user(
        self, realm: str, user_id: str, reason: str, *, at: int, except_sid: bytes = b"", keep_until: int = 0
    ) -> list[Session]:
        """Raise the user's epoch and end all sessions but `except_sid`, which is carried over.

        Before Unix second `keep_until` its entry in the log may not be forgotten: there may be live tokens of sessions
        that the storage does not know.
        """
        ...

    def list(self, realm: str, user_id: str, *, at: int) -> list[Session]:
        """The user's live sessions, oldest first."""
        ...

    def newest(self, *, before: int = LAST_SECOND) -> int:
        """When the newest session was begun, Unix seconds; 0 if there is none.

        Of those that were begun before Unix second `before`, as their sids tell.
        """
        ...

    def purge(self, *, at: int, most: int) -> int:
        """Remove at most `most` sessions whose tokens are all dead at `at`; gives how many it removed."""
        ...


class PrincipalStorage(Protocol):
    """What is kept of users."""

    def find(self, realm: str, user_id: str) -> Principal:
        """The principal; a new one of epoch 0 where nothing is kept."""
        ...

    def suspend(self, realm: str, user_id: str, *, until: int, at: int, keep_until: int = 0) -> list[Session]:
        """Let no session live or be born until Unix second `until`; gives the sessions this has ended.

        `keep_until` is as for `end_user`.
        """
        ...

    def unsuspend(self, realm: str, user_id: str) -> None:
        """Let the user log in again. Ended sessions stay ended."""
        ...


class RevocationLog(Protocol):
    """The ordered list of endings that live tokens could still contradict."""

    @property
    def bound(self) -> int:
        """Least seconds within which a worker that listens has heard of an ending; 0: with the next request.

        Where it is 0 a worker compares stamps on every request; elsewhere it listens with `wait` and `after`.
        """
        ...

    def stamp(self) -> object:
        """A value that differs from an earlier one if there may be new entries. Cheap where `bound` is 0."""
        ...

    def after(self, cursor: int, *, at: int) -> Revocations:
        """Entries after `cursor`, 0 for all; a log that was never read was born at `at`.

        An entry may come again where the storage cannot tell whether it was given, but none is ever passed over that
        may not be forgotten at `at`.
        A cursor of which the storage knows nothing (it was put back, a fail-over has cut off its end) gives all. Very
        many entries are given in several calls, each of which takes no longer than any other step.
        """
        ...

    def tail(self, *, at: int) -> Revocations:
        """What is known of the log and where it ends, without its entries; one that was never read was born at `at`.

        It gives no cursor (that is 0).
        """
        ...

    def ended_all(self, realm: str, user_id: str, *, after: int) -> bool:
        """Whether an entry later than number `after` has ended all of a user's sessions."""
        ...

    def wait(self, cursor: int, *, longest: float) -> Wakeup:
        """Block until there may be something after `cursor`, at most `longest` seconds (about, never twice that).

        It may return early. One thread of a process calls it.
        """
        ...

    def interrupt(self) -> None:
        """Let a `wait` that another thread of this process is in return at once."""
        ...

    def restore(self, *, at: int) -> int:
        """After a backup was put back: begin a new log, born at `at`, in the next era; gives that era."""
        ...

    def purge(self, *, at: int) -> None:
        """Drop entries that may be forgotten at `at`."""
        ...


class WorkerRegistry(Protocol):
    """Which processes follow the revocation log, and when each was last seen to have read it."""

    def beat(self, worker: Worker) -> None:
        """Keep what a worker says of itself; nobody is woken by it. It may also drop entries that nobody needs."""
        ...

    def remove(self, name: str) -> None:
        """Forget a worker that ends."""
        ...

    def list(self, *, at: int) -> list[Worker]:
        """The workers whose last beat is less than `WORKER_FORGOTTEN` seconds before `at`, by name."""
        ...


class Records(Protocol):
    """All records, for moving them to another storage. Not one step: nobody else may write meanwhile."""

    def read(self, cursor: str, *, most: int) -> Page:
        """About `most` records after `cursor`, from an empty text on; one may come twice, none is passed over."""
        ...

    def write(self, page: Page, *, at: int) -> None:
        """Put sessions and principals as they are, epochs included, at Unix second `at`.

        What is there already is never turned back: of two sessions of one sid an ended one stays, else the higher
        generation, of one generation the higher epoch; of two principals the higher epoch and the longer suspension.
        Sessions get the storage's era.
        Entries of the revocation log are appended as they are, after the records were written.
        """
        ...


class Storage(Protocol):
    """One place where records live."""

    @property
    def sessions(self) -> SessionStorage:
        """Sessions, each belonging to a principal."""
        ...

    @property
    def principals(self) -> PrincipalStorage:
        """What is kept of users."""
        ...

    @property
    def revocations(self) -> RevocationLog:
        """The ordered list of endings."""
        ...

    @property
    def workers(self) -> WorkerRegistry:
        """Which processes follow it."""
        ...

    @property
    def records(self) -> Records:
        """All of it, for moving."""
        ...

    def describe(self) -> Description:
        """What it is, and what it promises with the settings that its server has now."""
        ...

    def check(self) -> None:
        """Read something, and write something unless this was done within `CHECK_WRITES_EVERY` seconds.

        So a storage that cannot is found at start, and whoever may ask for `/healthz` causes no flood of writes.
        """
        ...

    def close(self) -> None:
        """Let go of connections; the next call opens them again."""
        ...
