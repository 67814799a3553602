"""`SessionStore` in a SQL database: reads under locks, and writes what was decided in the same transaction."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ...sessions.ids import first_sid
from ...sessions.model import Principal
from ...sessions.revocations import ENDED_KEPT
from ...sessions.transitions import NOTHING, UserState
from . import paging
from .expired import SCANNED, ExpiredSessionScan, ScanBatch
from .log import LOG, append, log_name
from .rows import CHANGING, COLUMNS, NAMES, PLACES, changes_of, places, row_of, session_of, with_principal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...sessions.model import Session, SessionWithPrincipal
    from ...sessions.transitions import Changes
    from ..contract import Page, Wanted
    from .dialect import Database, Rows, Statement, Transaction

    Decide = Callable[[bytes, SessionWithPrincipal | None], tuple[Changes, "Result"]]

Result = TypeVar("Result")
_FIND: Final = f"""
SELECT {", ".join(f"s.{name}" for name in NAMES)}, p.epoch, p.suspended_until
  FROM tessera_sessions AS s
  LEFT JOIN tessera_principals AS p ON p.user_id = s.user_id AND p.realm = s.realm
 WHERE s.sid """  # noqa: S608 - constants, as below
_PRINCIPAL: Final = "SELECT epoch, suspended_until FROM tessera_principals WHERE user_id = ? AND realm = ?"
_UNENDED: Final = f"""
SELECT {COLUMNS} FROM tessera_sessions WHERE user_id = ? AND realm = ? AND ended_at = 0 ORDER BY sid DESC"""  # noqa: S608
_MINE: Final = f"SELECT {COLUMNS} FROM tessera_sessions WHERE sid = ? AND user_id = ? AND realm = ? AND ended_at = 0"  # noqa: S608
_TAKEN: Final = "SELECT 1 FROM tessera_sessions WHERE sid = ?"
_SURPLUS: Final = f"""
SELECT sid FROM tessera_sessions WHERE user_id = ? AND realm = ? AND ended_at > 0
 ORDER BY ended_at DESC, sid DESC LIMIT 20 OFFSET {ENDED_KEPT}"""  # noqa: S608
_REVOKED: Final = """
SELECT 1 FROM tessera_entries WHERE number > ? AND user_id = ? AND realm = ? AND epoch > 0 LIMIT 1"""
_INSERT: Final = f"INSERT INTO tessera_sessions ({COLUMNS}) VALUES ({PLACES})"  # noqa: S608
_UPDATE: Final = f"UPDATE tessera_sessions SET {', '.join(f'{name} = ?' for name in CHANGING)} WHERE sid = ?"  # noqa: S608
_REMOVE: Final = "DELETE FROM tessera_sessions WHERE sid = ?"
_NEWEST: Final = "SELECT created_at FROM tessera_sessions WHERE sid < ? ORDER BY sid DESC LIMIT 1"
_LAST: Final = "SELECT max(sid) FROM (SELECT sid FROM tessera_sessions WHERE sid > ? ORDER BY sid LIMIT ?) AS few"
_EXPIRED: Final = "SELECT sid FROM tessera_sessions WHERE sid > ? AND sid <= ? AND idle_until <= ? ORDER BY sid"
_PURGE: Final = "DELETE FROM tessera_sessions WHERE sid = ? AND idle_until <= ?"
_FEW: Final = 100
"""Sessions that one transaction of a purge removes: a few ms."""
_MANY: Final = 500
"""Sessions in one unit of work."""


class SQLSessions:
    """Sessions and principals in two tables.

    Args:
        database: where they are.
        announce: called after a commit that has written entries to the log.
    """

    def __init__(self, database: Database, announce: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._sql = database.dialect.sql
        self._lock = database.dialect.lock
        self._announce = announce
        self._scan = ExpiredSessionScan()

    def find(self, sid: bytes) -> SessionWithPrincipal | None:
        ((rows,), _) = self._database.read((self._sql(f"{_FIND} = ?"), (sid,)))
        return with_principal(rows[0]) if rows else None

    def user(self, realm: str, user_id: str, *, sessions: bool) -> UserState:
        owner = (user_id, realm)
        statements = [(self._sql(_PRINCIPAL), owner), *([(self._sql(_UNENDED), owner)] if sessions else [])]
        (principal, *unended), _ = self._database.read(*statements)
        return UserState(_principal(realm, user_id, principal), tuple(map(session_of, unended[0] if unended else ())))

    def change_user(
        self,
        realm: str,
        user_id: str,
        decide: Callable[[UserState], tuple[Changes, Result]],
        *,
        wanted: Wanted,
        at: int,
    ) -> Result:
        def work(transaction: Transaction) -> tuple[Changes, Result]:
            changes, result = decide(self._read_user(transaction, realm, user_id, wanted))
            self._write(transaction, changes, at)
            return changes, result

        changes, result = self._database.transact(work)
        self._tell(changes)
        return result

    def change_sessions(
        self,
        sids: Sequence[bytes],
        decide: Decide[Result],
        *,
        at: int,
        mostly_unchanged: bool = False,
    ) -> list[Result]:
        results: dict[bytes, Result] = {}
        for begin in range(0, len(sids), _MANY):
            some = sids[begin : begin + _MANY]
            if mostly_unchanged:
                some = self._decide_without_lock(some, decide, results)
            if some:
                step = partial(self._change_some, some, decide, at, results)
                for changes in self._database.transact(step, again=True):
                    self._tell(changes)
        return [results[sid] for sid in sids]

    def change_principals(
        self, owners: Sequence[tuple[str, str]], decide: Callable[[Principal], Changes], *, at: int
    ) -> None:
        def work(transaction: Transaction) -> None:
            for realm, user_id in sorted(owners):
                rows = transaction.read(*self._lock_principal(realm, user_id))[-1]
                self._write(transaction, decide(_principal(realm, user_id, rows)), at)

        self._database.transact(work, again=True)

    def newest(self, *, before: int) -> int:
        ((rows,), _) = self._database.read((self._sql(_NEWEST), (first_sid(before),)))
        return int(rows[0][0]) if rows else 0

    def purge(self, *, at: int, most: int) -> int:
        while expired := self._scan.following(partial(self._look_for_expired, at), most):
            # They may have been removed by others meanwhile, or have come to life: that is not the end.
            batches = [expired[begin : begin + _FEW] for begin in range(0, len(expired), _FEW)]
            rows = ([(sid, at) for sid in reversed(batch)] for batch in batches)
            if removed := sum(self._database.remove(self._sql(_PURGE), batch) for batch in rows):
                return removed
        return 0

    def read(self, cursor: str, *, most: int) -> Page:
        position = paging.parse(cursor)
        ((rows,), _) = self._database.read((self._sql(position.statement), (*position.values, most)))
        return position.page(rows, most)

    def _decide_without_lock(
        self, sids: Sequence[bytes], decide: Decide[Result], results: dict[bytes, Result]
    ) -> list[bytes]:
        """Those that need a lock, since something would change; for the others the result is known."""
        ((rows,), _) = self._database.read(self._find_many(sids))
        found = _by_sid(rows)
        changing = []
        for sid in sids:
            changes, results[sid] = decide(sid, found.get(sid))
            if not changes.is_nothing:
                changing.append(sid)
        return changing

    def _change_some(
        self, sids: Sequence[bytes], decide: Decide[Result], at: int, results: dict[bytes, Result], tx: Transaction
    ) -> list[Changes]:
        *_, rows = tx.read(*self._lock_sessions(sids), self._find_many(sids))
        found = _by_sid(rows)
        done = []
        for sid in sids:
            changes, results[sid] = decide(sid, found.get(sid))
            done.append(changes)
        for changes in done:
            self._write(tx, changes, at)
        return done

    def _lock_sessions(self, sids: Sequence[bytes]) -> list[Statement]:
        # Locked by a statement of its own, so that the next one sees the principals as they are once it has waited.
        if not self._lock:
            return []
        locking = f"SELECT 1 FROM tessera_sessions WHERE sid IN ({places(sids)}) ORDER BY sid DESC{self._lock}"  # noqa: S608
        return [(self._sql(locking), sids)]

    def _find_many(self, sids: Sequence[bytes]) -> Statement:
        return self._sql(f"{_FIND} IN ({places(sids)})"), sids

    def _lock_principal(self, realm: str, user_id: str) -> list[Statement]:
        return [(self._sql(each), (user_id, realm)) for each in self._database.dialect.lock_principal]

    def _read_user(self, transaction: Transaction, realm: str, user_id: str, wanted: Wanted) -> UserState:
        owner = (user_id, realm)
        statements = self._lock_principal(realm, user_id)
        where = {"principal": len(statements) - 1}

        def want(name: str, statement: str, values: Sequence[Any]) -> None:
            where[name] = len(statements)
            statements.append((self._sql(statement), values))

        if wanted.sessions:
            limit = f" LIMIT {wanted.most}" if wanted.most else ""
            want("sessions", f"{_UNENDED}{limit}{self._lock}", owner)
        if wanted.sid:
            want("taken", _TAKEN, (wanted.sid,))
        if wanted.most and wanted.sid:
            want("mine", f"{_MINE}{self._lock}", (wanted.sid, *owner))
        if wanted.checkpoint:
            want("log", LOG, ())
            want("revoked", _REVOKED, (wanted.checkpoint.number, *owner))
        if wanted.surplus:
            want("surplus", _SURPLUS, owner)
        results = transaction.read(*statements)
        read = {name: results[place] for name, place in where.items()}
        return _state(realm, user_id, wanted, read, transaction.identity)

    def _write(self, transaction: Transaction, changes: Changes, at: int) -> None:
        if changes is NOTHING:
            return
        sql = self._sql
        if changes.added:
            transaction.write(sql(_INSERT), [row_of(changes.added)])
        if changes.sessions:
            transaction.write(sql(_UPDATE), [changes_of(session) for session in changes.sessions])
        if changes.removed:
            transaction.write(sql(_REMOVE), [(sid,) for sid in changes.removed])
        if changes.principals:
            rows = [(each.user_id, each.realm, each.epoch, each.suspended_until) for each in changes.principals]
            transaction.write(sql(self._database.dialect.put_principal), rows)
        if changes.entries:
            append(transaction, self._database.dialect, changes.entries, at=at)

    def _tell(self, changes: Changes) -> None:
        # Also of one that had ended before: who ended it may have died before it could tell.
        if changes.entries or changes.repeated:
            self._announce()

    def _look_for_expired(self, at: int, after: bytes) -> ScanBatch:
        ((rows,), _) = self._database.read((self._sql(_LAST), (after, SCANNED)))
        last = rows[0][0] if rows else None
        if last is None:
            return ScanBatch([], None)
        ((rows,), _) = self._database.read((self._sql(_EXPIRED), (after, last, at)))
        return ScanBatch([sid for (sid,) in rows], last)


def _state(realm: str, user_id: str, wanted: Wanted, read: dict[str, Rows], identity: str) -> UserState:
    sessions: dict[bytes, Session] = {
        session.sid: session for session in map(session_of, (*read.get("sessions", ()), *read.get("mine", ())))
    }
    was_revoked = False
    if wanted.checkpoint:
        was_revoked = log_name(read["log"], identity) != wanted.checkpoint.log_id or bool(read["revoked"])
    return UserState(
        _principal(realm, user_id, read["principal"]),
        tuple(sessions.values()),
        tuple(sid for (sid,) in read.get("surplus", ())),
        bool(read.get("taken")),
        was_revoked,
    )


def _principal(realm: str, user_id: str, rows: Rows) -> Principal:
    return Principal(realm, user_id, *(rows[0] if rows else ()))


def _by_sid(rows: Rows) -> dict[bytes, SessionWithPrincipal]:
    return {found.session.sid: found for found in map(with_principal, rows)}
