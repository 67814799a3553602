"""`SessionStore` in a SQL database: reads under locks, and writes what was decided in the same transaction."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ...sessions.model import Principal
from ...sessions.revocations import ENDED_KEPT
from ...sessions.transitions import NOTHING, Changes, UserState
from .log import LOG, append, log_name
from .rows import CHANGING, COLUMNS, NAMES, changes_of, places, row_of, session_of, with_principal
from .walking import AllSessions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...sessions.model import SessionWithPrincipal
    from ..model import Wanted
    from .database import Database
    from .transaction import Rows, Statement, Transaction

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
_INSERT: Final = f"INSERT INTO tessera_sessions ({COLUMNS}) VALUES ({places(NAMES)})"  # noqa: S608
_UPDATE: Final = f"UPDATE tessera_sessions SET {', '.join(f'{name} = ?' for name in CHANGING)} WHERE sid = ?"  # noqa: S608
_COMPARE_AND_SET: Final = " AND ".join([_UPDATE, *(f"{name} = ?" for name in CHANGING)])
_REMOVE: Final = "DELETE FROM tessera_sessions WHERE sid = ?"
_MANY: Final = 500
"""Sessions in one unit of work."""


class SQLSessions(AllSessions):
    """Sessions and principals in two tables.

    Args:
        database: where they are.
        announce: called after a commit that has written entries to the log.
    """

    def __init__(self, database: Database[Any], announce: Callable[[], None]) -> None:
        super().__init__(database)
        self._dialect = database.dialect
        self._announce = announce

    def find(self, sid: bytes) -> SessionWithPrincipal | None:
        (rows,) = self._database.read((f"{_FIND} = ?", (sid,)))
        return with_principal(rows[0]) if rows else None

    def user(self, realm: str, user_id: str, *, sessions: bool) -> UserState:
        owner = (user_id, realm)
        principal, *unended = self._database.read((_PRINCIPAL, owner), *([(_UNENDED, owner)] if sessions else []))
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
        mostly_alone: bool = False,
    ) -> list[Result]:
        results: dict[bytes, Result] = {}
        for begin in range(0, len(sids), _MANY):
            some = sids[begin : begin + _MANY]
            if mostly_unchanged or (mostly_alone and self._dialect.lock):
                some = self._change_without_lock(some, decide, results)
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

    def _change_without_lock(
        self, sids: Sequence[bytes], decide: Decide[Result], results: dict[bytes, Result]
    ) -> list[bytes]:
        """Those that need a lock, since more would change than one session; for the others the result is known."""
        (rows,) = self._database.read(_find_many(sids))
        found = _by_sid(rows)
        changing = []
        for sid in sids:
            changes, results[sid] = decide(sid, found.get(sid))
            if not (changes.is_nothing or (len(sids) == 1 and self._compare_and_set(found.get(sid), changes))):
                changing.append(sid)
        return changing

    def _compare_and_set(self, found: SessionWithPrincipal | None, changes: Changes) -> bool:
        """Write what was decided without a lock, if it is one session and nothing else, which is still as it was."""
        if found is None or changes != Changes(sessions=changes.sessions):
            return False
        (session,) = changes.sessions
        *before, _ = changes_of(found.session)
        return self._database.change(_COMPARE_AND_SET, (*changes_of(session), *before))

    def _change_some(
        self, sids: Sequence[bytes], decide: Decide[Result], at: int, results: dict[bytes, Result], tx: Transaction
    ) -> list[Changes]:
        *_, rows = tx.read(*self._lock_sessions(sids), _find_many(sids))
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
        if not self._dialect.lock:
            return []
        among = f"sid IN ({places(sids)})"
        return [(f"SELECT 1 FROM tessera_sessions WHERE {among} ORDER BY sid DESC{self._dialect.lock}", sids)]  # noqa: S608

    def _lock_principal(self, realm: str, user_id: str) -> list[Statement]:
        statements = (self._dialect.new_principal, _PRINCIPAL + self._dialect.lock)
        return [(statement, (user_id, realm)) for statement in statements if statement]

    def _read_user(self, transaction: Transaction, realm: str, user_id: str, wanted: Wanted) -> UserState:
        lock, owner = self._dialect.lock, (user_id, realm)
        *new, principal = self._lock_principal(realm, user_id)
        asked = {"principal": principal}
        if wanted.sessions:
            limit = f" LIMIT {wanted.most}" if wanted.most else ""
            asked["sessions"] = f"{_UNENDED}{limit}{lock}", owner
        if wanted.sid:
            asked["taken"] = _TAKEN, (wanted.sid,)
        if wanted.most and wanted.sid:
            asked["mine"] = f"{_MINE}{lock}", (wanted.sid, *owner)
        if wanted.checkpoint:
            asked["log"] = LOG, ()
            asked["revoked"] = _REVOKED, (wanted.checkpoint.number, *owner)
        if wanted.surplus:
            asked["surplus"] = _SURPLUS, owner
        results = transaction.read(*new, *asked.values())
        read = dict(zip(asked, results[len(new) :], strict=True))
        return _state(realm, user_id, wanted, read, transaction.identity)

    def _write(self, transaction: Transaction, changes: Changes, at: int) -> None:
        if changes is NOTHING:
            return
        if changes.added:
            transaction.write(_INSERT, [row_of(changes.added)])
        transaction.write(_UPDATE, [changes_of(session) for session in changes.sessions])
        transaction.write(_REMOVE, [(sid,) for sid in changes.removed])
        rows = [(each.user_id, each.realm, each.epoch, each.suspended_until) for each in changes.principals]
        transaction.write(self._dialect.put_principal, rows)
        if changes.entries:
            append(transaction, self._dialect, changes.entries, at=at)

    def _tell(self, changes: Changes) -> None:
        # Also of one that had ended before: who ended it may have died before it could tell.
        if changes.entries or changes.repeated:
            self._announce()


def _state(realm: str, user_id: str, wanted: Wanted, read: dict[str, Rows], identity: str) -> UserState:
    unended = map(session_of, (*read.get("sessions", ()), *read.get("mine", ())))
    was_revoked = False
    if wanted.checkpoint:
        was_revoked = log_name(read["log"], identity) != wanted.checkpoint.log_id or bool(read["revoked"])
    return UserState(
        _principal(realm, user_id, read["principal"]),
        tuple({each.sid: each for each in unended}.values()),
        tuple(sid for (sid,) in read.get("surplus", ())),
        bool(read.get("taken")),
        was_revoked,
    )


def _find_many(sids: Sequence[bytes]) -> Statement:
    return f"{_FIND} IN ({places(sids)})", sids


def _principal(realm: str, user_id: str, rows: Rows) -> Principal:
    return Principal(realm, user_id, *(rows[0] if rows else ()))


def _by_sid(rows: Rows) -> dict[bytes, SessionWithPrincipal]:
    return {found.session.sid: found for found in map(with_principal, rows)}
