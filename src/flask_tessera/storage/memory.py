"""Records in dictionaries, for tests and for applications of one process that may forget."""

from __future__ import annotations

import hmac
import secrets
import threading
from operator import attrgetter
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..errors import AlreadyExistsError, LoginRefusedError
from ..fork import renew_in_children
from ..sessions import rotation
from ..sessions.limits import overflowing
from ..sessions.record import Principal, Session, Standing, first_sid, forget_at
from .contract import (
    LAST_SECOND,
    WORKER_FORGOTTEN,
    Added,
    Description,
    Ended,
    Page,
    Revocation,
    Revocations,
    Rotation,
    Wakeup,
    Worker,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..sessions.limits import Limits


class MemoryStorage:
    """All ports over one lock."""

    def __init__(self) -> None:
        self._records = _Records()
        self.sessions = MemorySessions(self._records)
        self.principals = MemoryPrincipals(self._records)
        self.revocations = MemoryRevocations(self._records)
        self.workers = MemoryWorkers(self._records)
        self.records = MemoryMoving(self._records)

    def describe(self) -> Description:
        warning = "forgets all sessions when the process ends, and each worker has its own"
        return Description("memory", "one process; nothing outlives it", (warning,))

    def check(self) -> None:
        pass

    def close(self) -> None:
        pass


class _Records:
    """The dictionaries behind the ports, and the steps they share. Methods need the lock held."""

    def __init__(self) -> None:
        self.log_id = secrets.token_hex(8)
        self.sessions: dict[bytes, Session] = {}
        self.users: dict[tuple[str, str], dict[bytes, None]] = {}
        self.principals: dict[tuple[str, str], Principal] = {}
        self.log: dict[int, Revocation] = {}
        self.last_entry = 0
        self.born_at: int | None = None
        self.era = 0
        self.workers: dict[str, Worker] = {}
        renew_in_children(self)

    def renew_locks(self) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)

    def principal(self, realm: str, user_id: str) -> Principal:
        return self.principals.get((realm, user_id)) or Principal(realm, user_id)

    def standing(self, sid: bytes) -> Standing | None:
        session = self.sessions.get(sid)
        return None if session is None else Standing(session, self.principal(session.realm, session.user_id))

    def live(self, realm: str, user_id: str, at: int) -> list[Session]:
        principal = self.principal(realm, user_id)
        mine = [self.sessions[sid] for sid in self.users.get((realm, user_id), ())]
        return [session for session in mine if not Standing(session, principal).refusal(at)]

    def end(self, session: Session, reason: str, at: int) -> Session:
        self.note(Revocation(forget_at(session, at), reason, session.sid))
        return self.end_silently(session, reason, at)

    def end_silently(self, session: Session, reason: str, at: int) -> Session:
        ended = replace(session, ended_at=at, end_reason=reason)
        self.sessions[session.sid] = ended
        return ended

    def end_all(
        self, realm: str, user_id: str, reason: str, at: int, except_sid: bytes, until: int, keep_until: int
    ) -> list[Session]:
        live = self.live(realm, user_id, at)
        principal = self.principal(realm, user_id)
        epoch = principal.epoch + 1
        self.principals[realm, user_id] = replace(
            principal, epoch=epoch, suspended_until=max(until, principal.suspended_until)
        )
        forget = max((forget_at(session, at) for session in live), default=at)
        self.note(Revocation(max(forget, keep_until), reason, b"", realm, user_id, epoch, except_sid))
        for session in live:
            if session.sid == except_sid:
                self.sessions[except_sid] = replace(session, epoch=epoch)
        return [self.end_silently(session, reason, at) for session in live if session.sid != except_sid]

    def note(self, entry: Revocation) -> None:
        self.last_entry += 1
        self.log[self.last_entry] = entry
        self.changed.notify_all()


class MemorySessions:
    """`SessionStorage` over dictionaries."""

    def __init__(self, records: _Records) -> None:
        self._records = records

    def tag(self, realm: str, user_id: str, *, seed: bytes) -> bytes:
        return hmac.digest(seed, f"{realm}\0{user_id}".encode(), "sha256")[:2]

    def add(self, session: Session, *, limits: Limits, at: int) -> Added:
        records = self._records
        with records.lock:
            principal = records.principal(session.realm, session.user_id)
            if principal.suspended_until > at:
                raise LoginRefusedError("the user is suspended")
            live = [each for each in records.live(session.realm, session.user_id, at) if each.era >= session.era]
            leaving = overflowing(live, session.device_type, limits)
            if session.sid in records.sessions:
                raise AlreadyExistsError("a session of this sid")
            ended = tuple(records.end(records.sessions[sid], reason, at) for sid, reason in leaving)
            written = replace(session, epoch=principal.epoch)
            records.sessions[session.sid] = written
            records.users.setdefault((session.realm, session.user_id), {})[session.sid] = None
            return Added(written, ended)

    def find(self, sid: bytes) -> Standing | None:
        with self._records.lock:
            return self._records.standing(sid)

    def rotate(self, sid: bytes, presented: int, *, at: int, leeway: int, idle: int) -> Rotation | None:
        records = self._records
        with records.lock:
            standing = records.standing(sid)
            if standing is None:
                return None
            session = standing.session
            if reason := standing.refusal(at):
                return Rotation("refused", session, reason)
            decision = rotation.decide(session.rotation, presented, at=at, leeway=leeway)
            if decision.outcome == "reuse":
                return Rotation("reuse", records.end(session, "reuse", at), "reuse")
            if decision.outcome != "same":
                session = records.sessions[sid] = session.with_rotation(decision.state, at=at, idle=idle)
            return Rotation(decision.outcome, session)

    def mark(self, marks: Sequence[tuple[bytes, int]], *, at: int) -> list[Session]:
        records = self._records
        ended = []
        with records.lock:
            for sid, used in marks:
                session = records.sessions.get(sid)
                if session is None or session.ended_at:
                    continue
                state = rotation.mark(session.rotation, used)
                if state is None:
                    ended.append(records.end(session, "reuse", at))
                else:
                    records.sessions[sid] = replace(session, confirmed=state.confirmed)
        return ended

    def seen(self, times: Iterable[tuple[bytes, int]]) -> None:
        with self._records.lock:
            for sid, at in times:
                session = self._records.sessions.get(sid)
                if session is not None and session.last_seen_at < at:
                    self._records.sessions[sid] = replace(session, last_seen_at=at)

    def end(self, sid: bytes, reason: str, *, at: int) -> Ended | None:
        with self._records.lock:
            session = self._records.sessions.get(sid)
            if session is None:
                return None
            if session.ended_at:
                return Ended(session, by_this_call=False)
            return Ended(self._records.end(session, reason, at), by_this_call=True)

    def end_user(
        self, realm: str, user_id: str, reason: str, *, at: int, except_sid: bytes = b"", keep_until: int = 0
    ) -> list[Session]:
        with self._records.lock:
            return self._records.end_all(realm, user_id, reason, at, except_sid, 0, keep_until)

    def list(self, realm: str, user_id: str, *, at: int) -> list[Session]:
        with self._records.lock:
            return sorted(self._records.live(realm, user_id, at), key=lambda session: session.sid)

    def newest(self, *, before: int = LAST_SECOND) -> int:
        end = first_sid(before)
        with self._records.lock:
            sids = [sid for sid in self._records.sessions if sid < end]
            return self._records.sessions[max(sids)].created_at if sids else 0

    def purge(self, *, at: int, most: int) -> int:
        records = self._records
        with records.lock:
            dead = [sid for sid, session in records.sessions.items() if session.idle_until <= at][:most]
            for sid in dead:
                session = records.sessions.pop(sid)
                records.users[session.realm, session.user_id].pop(sid, None)
            return len(dead)


class MemoryPrincipals:
    """`PrincipalStorage` over dictionaries."""

    def __init__(self, records: _Records) -> None:
        self._records = records

    def find(self, realm: str, user_id: str) -> Principal:
        with self._records.lock:
            return self._records.principal(realm, user_id)

    def suspend(self, realm: str, user_id: str, *, until: int, at: int, keep_until: int = 0) -> list[Session]:
        with self._records.lock:
            return self._records.end_all(realm, user_id, "suspension", at, b"", until, keep_until)

    def unsuspend(self, realm: str, user_id: str) -> None:
        with self._records.lock:
            principal = self._records.principal(realm, user_id)
            self._records.principals[realm, user_id] = replace(principal, suspended_until=0)


class MemoryRevocations:
    """`RevocationLog` over a dictionary."""

    bound = 0

    def __init__(self, records: _Records) -> None:
        self._records = records

    def stamp(self) -> object:
        return self._records.last_entry

    def after(self, cursor: int, *, at: int) -> Revocations:
        records = self._records
        with records.lock:
            fresh = tuple(entry for number, entry in records.log.items() if number > cursor)
            return replace(self.tail(at=at), entries=fresh, cursor=records.last_entry, last=0)

    def tail(self, *, at: int) -> Revocations:
        records = self._records
        with records.lock:
            if records.born_at is None:
                records.born_at = at
            last = records.last_entry
            return Revocations((), 0, records.log_id, records.born_at, records.era, last=last)

    def ended_all(self, realm: str, user_id: str, *, after: int) -> bool:
        with self._records.lock:
            return any(
                number > after and entry.epoch and (entry.realm, entry.user_id) == (realm, user_id)
                for number, entry in self._records.log.items()
            )

    def wait(self, cursor: int, *, longest: float) -> Wakeup:
        records = self._records
        with records.lock:
            if records.last_entry <= cursor:
                records.changed.wait(longest)
            return Wakeup(is_unchanged=records.last_entry <= cursor)

    def interrupt(self) -> None:
        with self._records.lock:
            self._records.changed.notify_all()

    def restore(self, *, at: int) -> int:
        records = self._records
        with records.lock:
            records.log_id, records.born_at = secrets.token_hex(8), at
            records.era += 1
            # A number of no entry: it makes the stamp another one.
            records.last_entry += 1
            return records.era

    def purge(self, *, at: int) -> None:
        with self._records.lock:
            for number in [number for number, entry in self._records.log.items() if entry.forget_at <= at]:
                del self._records.log[number]


class MemoryWorkers:
    """`WorkerRegistry` over a dictionary."""

    def __init__(self, records: _Records) -> None:
        self._records = records

    def beat(self, worker: Worker) -> None:
        with self._records.lock:
            self._records.workers[worker.name] = worker

    def remove(self, name: str) -> None:
        with self._records.lock:
            self._records.workers.pop(name, None)

    def list(self, *, at: int) -> list[Worker]:
        with self._records.lock:
            listed = [each for each in self._records.workers.values() if at - each.beat_at < WORKER_FORGOTTEN]
            return sorted(listed, key=attrgetter("name"))


class MemoryMoving:
    """`Records` over dictionaries."""

    def __init__(self, records: _Records) -> None:
        self._records = records

    def read(self, cursor: str, *, most: int) -> Page:
        records = self._records
        with records.lock:
            begin = int(cursor or 0)
            sessions = tuple(records.sessions.values())[begin : begin + most]
            principals = () if begin else tuple(records.principals.values())
            following = begin + most
            return Page(sessions, principals, str(following) if following < len(records.sessions) else "")

    def write(self, page: Page, *, at: int) -> None:  # noqa: ARG002 - nothing expires by itself here
        records = self._records
        with records.lock:
            for principal in page.principals:
                key = principal.realm, principal.user_id
                records.principals[key] = _furthest(principal, records.principal(*key))
            for session in page.sessions:
                present = records.sessions.get(session.sid)
                if present is None or (not present.ended_at and (session.ended_at or _is_further(session, present))):
                    records.sessions[session.sid] = replace(session, era=records.era)
                    records.users.setdefault((session.realm, session.user_id), {})[session.sid] = None
            for entry in page.revocations:
                records.note(entry)


def _is_further(session: Session, present: Session) -> bool:
    return (session.gen, session.epoch) > (present.gen, present.epoch)


def _furthest(first: Principal, second: Principal) -> Principal:
    return replace(
        first,
        epoch=max(first.epoch, second.epoch),
        suspended_until=max(first.suspended_until, second.suspended_until),
    )
