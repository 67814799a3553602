"""Records in dictionaries, for tests and for applications of one process that may forget."""

from __future__ import annotations

import secrets
import threading
from bisect import bisect_right
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from ..errors import AlreadyExistsError
from ..fork import renew_in_children
from ..sessions.ids import first_sid
from ..sessions.model import Principal, Session, SessionWithPrincipal
from ..sessions.revocations import ENDED_KEPT, Revocation
from ..sessions.transitions import Changes, UserState
from .contract import ANY_VERSION, Counter, Description, Increment, LogPage, Page, Value, Wanted
from .engine import Storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .contract import Checkpoint

Result = TypeVar("Result")


class MemoryStorage(Storage):
    """All ports over one lock."""

    def __init__(self) -> None:
        records = _Records()
        super().__init__(MemorySessions(records), MemoryLog(records), MemoryValues(records))

    def describe(self) -> Description:
        warning = "forgets all sessions when the process ends, and each worker has its own"
        return Description("memory", "one process; nothing outlives it", (warning,))

    def check(self) -> None:
        pass

    def close(self) -> None:
        pass


class _Records:
    """The dictionaries behind the ports."""

    def __init__(self) -> None:
        self.sessions: dict[bytes, Session] = {}
        self.users: dict[tuple[str, str], dict[bytes, None]] = {}
        self.principals: dict[tuple[str, str], Principal] = {}
        self.values: dict[tuple[str, bytes], Value] = {}
        self.log: dict[int, Revocation] = {}
        self.last_entry = 0
        self.log_id = secrets.token_hex(8)
        self.log_created_at: int | None = None
        self.valid_from = 0
        renew_in_children(self)

    def renew_locks(self) -> None:
        self.lock = threading.RLock()

    def principal(self, realm: str, user_id: str) -> Principal:
        return self.principals.get((realm, user_id)) or Principal(realm, user_id)

    def commit(self, changes: Changes) -> None:
        """Write; the lock is held since what was decided on was read."""
        if changes.added and changes.added.sid in self.sessions:
            raise AlreadyExistsError("a session of this sid")
        for session in (*changes.sessions, *((changes.added,) if changes.added else ())):
            self.sessions[session.sid] = session
            self.users.setdefault((session.realm, session.user_id), {})[session.sid] = None
        for principal in changes.principals:
            self.principals[principal.realm, principal.user_id] = principal
        for sid in changes.removed:
            self.remove(sid)
        self.append(changes.entries)

    def append(self, entries: Iterable[Revocation]) -> None:
        for entry in entries:
            self.last_entry += 1
            self.log[self.last_entry] = entry

    def remove(self, sid: bytes) -> None:
        session = self.sessions.pop(sid)
        self.users[session.realm, session.user_id].pop(sid, None)


class MemorySessions:
    """`SessionStore` over dictionaries."""

    def __init__(self, records: _Records) -> None:
        self._records = records

    def find(self, sid: bytes) -> SessionWithPrincipal | None:
        records = self._records
        with records.lock:
            session = records.sessions.get(sid)
            if session is None:
                return None
            return SessionWithPrincipal(session, records.principal(session.realm, session.user_id))

    def user(self, realm: str, user_id: str, *, sessions: bool) -> UserState:
        return self._state(realm, user_id, Wanted(sessions=sessions))

    def change_user(
        self,
        realm: str,
        user_id: str,
        decide: Callable[[UserState], tuple[Changes, Result]],
        *,
        wanted: Wanted,
        at: int,  # noqa: ARG002 - nothing expires by itself here
    ) -> Result:
        with self._records.lock:
            changes, result = decide(self._state(realm, user_id, wanted))
            self._records.commit(changes)
            return result

    def change_sessions(
        self,
        sids: Sequence[bytes],
        decide: Callable[[bytes, SessionWithPrincipal | None], tuple[Changes, Result]],
        *,
        at: int,  # noqa: ARG002 - as above
        mostly_unchanged: bool = False,  # noqa: ARG002 - one lock is all there is
    ) -> list[Result]:
        results = []
        with self._records.lock:
            for sid in sids:
                changes, result = decide(sid, self.find(sid))
                self._records.commit(changes)
                results.append(result)
        return results

    def change_principals(
        self,
        owners: Sequence[tuple[str, str]],
        decide: Callable[[Principal], Changes],
        *,
        at: int,  # noqa: ARG002 - as above
    ) -> None:
        with self._records.lock:
            for realm, user_id in owners:
                self._records.commit(decide(self._records.principal(realm, user_id)))

    def newest(self, *, before: int) -> int:
        end = first_sid(before)
        with self._records.lock:
            sids = [sid for sid in self._records.sessions if sid < end]
            return self._records.sessions[max(sids)].created_at if sids else 0

    def purge(self, *, at: int, most: int) -> int:
        with self._records.lock:
            dead = [sid for sid, session in self._records.sessions.items() if session.idle_until <= at][:most]
            for sid in dead:
                self._records.remove(sid)
            return len(dead)

    def read(self, cursor: str, *, most: int) -> Page:
        begin, records = int(cursor or 0), self._records
        with records.lock:
            sessions = tuple(islice(records.sessions.values(), begin, begin + most))
            principals = () if begin else tuple(records.principals.values())
            is_last = begin + most >= len(records.sessions)
            return Page(sessions, principals, cursor="" if is_last else str(begin + most))

    def _state(self, realm: str, user_id: str, wanted: Wanted) -> UserState:
        records = self._records
        with records.lock:
            mine = [records.sessions[sid] for sid in records.users.get((realm, user_id), ())]
            unended = [each for each in mine if not each.ended_at] if wanted.sessions else []
            unended.sort(key=lambda each: (each.sid == wanted.sid, each.sid), reverse=True)
            return UserState(
                records.principal(realm, user_id),
                tuple(unended[: wanted.most] if wanted.most else unended),
                _surplus(mine) if wanted.surplus else (),
                wanted.sid in records.sessions,
                self._was_revoked(realm, user_id, wanted.checkpoint),
            )

    def _was_revoked(self, realm: str, user_id: str, checkpoint: Checkpoint | None) -> bool:
        if checkpoint is None:
            return False
        return checkpoint.log_id != self._records.log_id or any(
            number > checkpoint.number and entry.epoch and (entry.realm, entry.user_id) == (realm, user_id)
            for number, entry in self._records.log.items()
        )


def _surplus(mine: Iterable[Session]) -> tuple[bytes, ...]:
    ended = sorted((each for each in mine if each.ended_at), key=lambda each: (each.ended_at, each.sid), reverse=True)
    return tuple(each.sid for each in ended[ENDED_KEPT:])


class MemoryLog:
    """`ChangingLog` over a dictionary."""

    bound = 0

    def __init__(self, records: _Records) -> None:
        self._records = records

    def stamp(self) -> object:
        return self._records.last_entry, self._records.log_id

    def after(self, cursor: int, *, at: int) -> LogPage:
        records = self._records
        with records.lock:
            fresh = tuple(entry for number, entry in records.log.items() if number > cursor)
            return replace(self.head(at=at), entries=fresh, cursor=records.last_entry, number=0)

    def head(self, *, at: int) -> LogPage:
        records = self._records
        with records.lock:
            if records.log_created_at is None:
                records.log_created_at = at
            return LogPage((), 0, records.log_id, records.log_created_at, records.valid_from, number=records.last_entry)

    def append(self, entries: Sequence[Revocation], *, at: int) -> None:  # noqa: ARG002 - kept until dropped
        with self._records.lock:
            self._records.append(entries)

    def restart(self, *, at: int, valid_from: int) -> None:
        records = self._records
        with records.lock:
            records.log_id, records.log_created_at = secrets.token_hex(8), at
            records.valid_from = max(records.valid_from, valid_from)

    def drop_expired(self, *, at: int, most: int, is_sure: bool) -> int:  # noqa: ARG002 - there is no other clock
        with self._records.lock:
            expired = [number for number, entry in self._records.log.items() if entry.forget_at <= at][:most]
            for number in expired:
                del self._records.log[number]
            return len(expired)


class MemoryValues:
    """`ValueStore` over a dictionary."""

    def __init__(self, records: _Records) -> None:
        self._records = records

    def get(self, names: Sequence[tuple[str, bytes]], *, at: int) -> list[Value | None]:
        with self._records.lock:
            return [self._live(name, at) for name in names]

    def put(self, value: Value, *, expected: int, at: int) -> bool:
        with self._records.lock:
            present = self._live((value.kind, value.key), at)
            if expected not in (ANY_VERSION, present.version if present else 0):
                return False
            self._records.values[value.kind, value.key] = value
            return True

    def take(self, kind: str, key: bytes, *, at: int) -> Value | None:
        with self._records.lock:
            present = self._live((kind, key), at)
            if present is not None:
                del self._records.values[kind, key]
            return present

    def increment(self, steps: Sequence[Increment], *, at: int) -> list[Counter]:
        with self._records.lock:
            return [self._count(step, at) for step in steps]

    def list(self, kind: str, owner: bytes, *, at: int) -> list[Value]:
        with self._records.lock:
            mine = [each for each in self._records.values.values() if (each.kind, each.owner) == (kind, owner)]
        return sorted((each for each in mine if each.expires_at > at), key=lambda each: each.key)

    def delete(self, kind: str, key: bytes) -> None:
        with self._records.lock:
            self._records.values.pop((kind, key), None)

    def delete_owner(self, owner: bytes) -> None:
        with self._records.lock:
            for name in [name for name, value in self._records.values.items() if value.owner == owner]:
                del self._records.values[name]

    def purge(self, *, at: int, most: int) -> int:
        with self._records.lock:
            expired = [name for name, value in self._records.values.items() if value.expires_at <= at][:most]
            for name in expired:
                del self._records.values[name]
            return len(expired)

    def read(self, cursor: str, *, most: int) -> Page:
        with self._records.lock:
            names = sorted(self._records.values)
            begin = bisect_right(names, _name_of(cursor)) if cursor else 0
            page = names[begin : begin + most]
            values = tuple(self._records.values[name] for name in page)
        return Page(values=values, cursor=_cursor_of(page[-1]) if begin + most < len(names) else "")

    def _live(self, name: tuple[str, bytes], at: int) -> Value | None:
        value = self._records.values.get(name)
        return value if value is not None and value.expires_at > at else None

    def _count(self, step: Increment, at: int) -> Counter:
        present = self._live((step.kind, step.key), at)
        if step.only_running and (present is None or present.expires_at != step.ends_at):
            return Counter(0, 0)
        count = (present.version if present else 0) + step.amount
        ends_at = present.expires_at if present else step.ends_at
        self._records.values[step.kind, step.key] = Value(step.kind, step.key, b"", count, ends_at)
        return Counter(count, ends_at)


def _cursor_of(name: tuple[str, bytes]) -> str:
    return f"{name[0]}:{name[1].hex()}"


def _name_of(cursor: str) -> tuple[str, bytes]:
    kind, _, key = cursor.partition(":")
    return kind, bytes.fromhex(key)
