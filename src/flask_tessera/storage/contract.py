"""The ports: all that the layers above know of a storage.

Each method is one atomic step. Times are Unix seconds, given by the caller: a storage reads no clock.
The only error of a driver that leaves a storage is `StorageUnavailableError`; every method may raise it.
What a method has returned is durable, and seen by every process that shares the storage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from ..sessions.record import Principal, Session, Standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..sessions.limits import Limits

Outcome = Literal["rotated", "same", "replaced", "adopted", "reuse", "refused"]


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
    up to `born_at` it knows nothing.
    """

    entries: tuple[Revocation, ...]
    cursor: int
    log_id: str
    born_at: int


class SessionStorage(Protocol):
    """Sessions, each belonging to a principal."""

    def add(self, session: Session, *, limits: Limits, at: int) -> Added:
        """Write a new session under its principal's present epoch, ending others as `limits` says.

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

    def end_user(self, realm: str, user_id: str, reason: str, *, at: int, except_sid: bytes = b"") -> list[Session]:
        """Raise the user's epoch and end all sessions but `except_sid`, which is carried over."""
        ...

    def list(self, realm: str, user_id: str, *, at: int) -> list[Session]:
        """The user's live sessions, oldest first."""
        ...

    def newest(self) -> int:
        """When the newest session was begun, Unix seconds; 0 if there is none."""
        ...

    def purge(self, *, at: int, most: int) -> int:
        """Remove at most `most` sessions whose tokens are all dead at `at`; gives how many it removed."""
        ...


class PrincipalStorage(Protocol):
    """What is kept of users."""

    def find(self, realm: str, user_id: str) -> Principal:
        """The principal; a new one of epoch 0 where nothing is kept."""
        ...

    def suspend(self, realm: str, user_id: str, *, until: int, at: int) -> list[Session]:
        """Let no session live or be born until Unix second `until`; gives the sessions this has ended."""
        ...

    def unsuspend(self, realm: str, user_id: str) -> None:
        """Let the user log in again. Ended sessions stay ended."""
        ...


class RevocationLog(Protocol):
    """The ordered list of endings that live tokens could still contradict."""

    @property
    def bound(self) -> int:
        """Seconds after which every worker has heard of an ending; 0: with the next request."""
        ...

    def stamp(self) -> object:
        """A value that differs from an earlier one if there may be new entries. Cheap: asked on every request."""
        ...

    def after(self, cursor: int, *, at: int) -> Revocations:
        """Entries after `cursor`, 0 for all; a log that was never read was born at `at`."""
        ...

    def purge(self, *, at: int) -> None:
        """Drop entries that may be forgotten at `at`."""
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

    def check(self) -> None:
        """Write and read something, so that a storage that cannot is found at start."""
        ...

    def close(self) -> None:
        """Let go of connections; the next call opens them again."""
        ...
