"""The ports: what a storage implements. `engine.py` makes of them what the layers above use.

Each method is one atomic step. Times are Unix seconds, given by the caller: a storage reads no clock but to protect
itself from a wrong one. The only error of a driver that leaves a storage is `StorageUnavailableError`; every method may
raise it. What a method has returned is durable, and seen by every process that shares the storage.

A storage knows no rule about sessions. `SessionStore` reads what a rule looks at, lets the caller decide, and writes
what was decided, together with the entries for the revocation log, in one step; it calls `decide` again with what is
there then, where somebody else was faster. What `decide` raises leaves the method, and nothing was written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Sequence

    from ..sessions.model import Principal, SessionWithPrincipal
    from ..sessions.revocations import Revocation
    from ..sessions.transitions import Changes, UserState
    from .model import Counter, Increment, LogPage, Page, Value, Wakeup, Wanted

Result = TypeVar("Result")
CHECK_WRITES_EVERY: Final = 10
"""Seconds between two writes of `Storage.check` in one process."""


class SessionStore(Protocol):
    """Sessions, each belonging to a principal."""

    def find(self, sid: bytes) -> SessionWithPrincipal | None:
        """The session with its principal, read in one step; None if it is not known (any more)."""
        ...

    def user(self, realm: str, user_id: str, *, sessions: bool) -> UserState:
        """The principal, a new one of epoch 0 where nothing is kept; with `sessions` those that have not ended."""
        ...

    def change_user(
        self,
        realm: str,
        user_id: str,
        decide: Callable[[UserState], tuple[Changes, Result]],
        *,
        wanted: Wanted,
        at: int,
    ) -> Result:
        """A unit of work on a principal and its sessions: nobody else changes what was read before it is over.

        Raises:
            AlreadyExistsError: the sid of `Changes.added` is in use, by anybody.
        """
        ...

    def change_sessions(
        self,
        sids: Sequence[bytes],
        decide: Callable[[bytes, SessionWithPrincipal | None], tuple[Changes, Result]],
        *,
        at: int,
        mostly_unchanged: bool = False,
        mostly_alone: bool = False,
    ) -> list[Result]:
        """A unit of work for each of these sessions; they may be written together, or one after another.

        The principals are read with the sessions, and not changed.

        Args:
            sids: of sessions, known or not; no two alike.
            decide: is given a sid, and what is known of it.
            at: now.
            mostly_unchanged: whether most will stay as they are, so that locking all of them would be a waste.
            mostly_alone: whether most often nothing but the session changes, so that to write it only where it is as it
                was read may take fewer steps than a lock.
        """
        ...

    def change_principals(
        self, owners: Sequence[tuple[str, str]], decide: Callable[[Principal], Changes], *, at: int
    ) -> None:
        """A unit of work for each of these principals (realm, user id), as `change_sessions`."""
        ...

    def newest(self, *, before: int) -> int:
        """When the newest session began, Unix seconds; 0 if there is none.

        Of those that began before Unix second `before`, as their sids tell.
        """
        ...

    def purge(self, *, at: int, most: int) -> int:
        """Remove at most `most` sessions whose `idle_until` has passed; gives how many it removed."""
        ...

    def read(self, cursor: str, *, most: int) -> Page:
        """About `most` sessions and principals after `cursor`, from an empty text on.

        It is not one step. A record may come twice, none that is there all the time is passed over.
        """
        ...


class RevocationLog(Protocol):
    """The ordered list of endings that live tokens could still contradict; entries are appended by units of work."""

    @property
    def bound(self) -> int:
        """Least seconds within which a worker learns of an ending; 0: with the next request.

        Where it is 0 the log is a `ChangingLog`, elsewhere a `WaitingLog`.
        """
        ...

    def after(self, cursor: int, *, at: int) -> LogPage:
        """Entries after `cursor`, 0 for all; a log that was never read begins at `at`.

        An entry may come again where the storage cannot tell whether it was given, but none is ever passed over that
        may not be forgotten at `at`.
        A cursor of which the storage knows nothing (it was restored, a fail-over has cut off its end) gives all. Very
        many entries are given in several calls, each of which takes no longer than any other step.
        """
        ...

    def head(self, *, at: int) -> LogPage:
        """What is known of the log and where it ends, without entries and cursor; one never read begins at `at`."""
        ...

    def append(self, entries: Sequence[Revocation], *, at: int) -> None:
        """Append entries as they are; workers learn of them as of any other."""
        ...

    def restart(self, *, at: int, valid_from: int) -> None:
        """Begin a new log at Unix second `at`; sessions that began before `valid_from` are over, 0 ends none."""
        ...

    def drop_expired(self, *, at: int, most: int, is_sure: bool) -> int:
        """Drop at most `most` entries that may be forgotten at `at`; gives how many there were.

        Unless the caller is sure of the time, the storage's own clock must agree, where it has one.
        """
        ...


@runtime_checkable
class ChangingLog(RevocationLog, Protocol):
    """A log that tells cheaply whether it may have changed."""

    def stamp(self) -> object:
        """A value that differs from an earlier one if there may be new entries, or another log."""
        ...


@runtime_checkable
class WaitingLog(RevocationLog, Protocol):
    """A log that can be waited for."""

    def wait(self, cursor: int, *, longest: float) -> Wakeup:
        """Block until there may be something after `cursor`, at most `longest` seconds (about, never twice that).

        It may return early. One thread of a process calls it.
        """
        ...

    def interrupt(self) -> None:
        """Let a `wait` that another thread of this process is in return soon."""
        ...


class ValueStore(Protocol):
    """Small values that expire; `key_value.KeyValue` checks and completes what it is given."""

    def get(self, names: Sequence[tuple[str, bytes]], *, at: int) -> list[Value | None]:
        """The values of these kinds and keys; None where there is none, or it has expired at `at`."""
        ...

    def put(self, value: Value, *, expected: int, at: int) -> bool:
        """Write a value if the present version is `expected`: 0 for none, `ANY_VERSION` for any; tells whether it was.

        One that has expired at `at` counts as none.
        """
        ...

    def take(self, kind: str, key: bytes, *, at: int) -> Value | None:
        """Get and delete a value: of many callers one gets it."""
        ...

    def increment(self, steps: Sequence[Increment], *, at: int) -> list[Counter]:
        """Carry out steps of counters, each atomic by itself; no two of one counter."""
        ...

    def list(self, kind: str, owner: bytes, *, at: int) -> list[Value]:
        """The values of one kind that belong to somebody, in the order of their keys."""
        ...

    def newest(self, kind: str, owner: bytes, *, before: bytes, most: int, at: int) -> builtins.list[Value]:
        """The last `most` values of one kind that belong to somebody, in descending order of their keys.

        Only those with keys below `before`; empty for all.
        """
        ...

    def put_many(self, values: Sequence[Value], *, at: int) -> None:
        """Write values, whatever is there; where one fails, some may have been written."""
        ...

    def trim(self, kind: str, owner: bytes, *, keep: int) -> int:
        """Remove the first of somebody's values of one kind, some hundreds at a time, until `keep` are left.

        Gives how many are removed; one that has expired counts as long as it is there.
        """
        ...

    def delete(self, kind: str, key: bytes) -> None:
        """Remove a value; one that is not there is gone already."""
        ...

    def delete_owner(self, owner: bytes) -> None:
        """Remove all values that belong to somebody."""
        ...

    def purge(self, *, at: int, most: int) -> int:
        """Remove at most `most` values that have expired at `at`; gives how many."""
        ...

    def read(self, cursor: str, *, most: int) -> Page:
        """About `most` values after `cursor`, from an empty text on; as `SessionStore.read`."""
        ...
