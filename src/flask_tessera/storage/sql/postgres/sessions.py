"""`SessionStorage` in PostgreSQL."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from ....errors import AlreadyExistsError, LoginRefusedError
from ....sessions import rotation
from ....sessions.limits import overflowing
from ....sessions.record import first_sid
from ...contract import LAST_SECOND, Added, Ended, Rotation
from ..dead import STRETCH, DeadSessions, Stretch
from ..rows import COLUMNS, NAMES, row_of, session_of, standing_of
from ..tags import tag_of
from . import steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ....sessions.limits import Limits
    from ....sessions.record import Session, Standing
    from .connection import Connection
    from .database import Database
    from .notifier import Notifier

_PLACES: Final = ", ".join("%s" for _ in NAMES)
_INSERT: Final = f"INSERT INTO tessera_sessions ({COLUMNS}) VALUES ({_PLACES}) ON CONFLICT (sid) DO NOTHING"  # noqa: S608 - constants
_STANDING: Final = f"""
SELECT {steps.SESSION_COLUMNS}, principal.epoch, principal.suspended_until
  FROM tessera_sessions AS session
  LEFT JOIN tessera_principals AS principal
    ON principal.user_id = session.user_id AND principal.realm = session.realm
 WHERE session.sid = %s"""  # noqa: S608 - constants
# A principal is read as it was when the statement began. One whose epoch was raised since then has had this row ended,
# or carried over: both are seen, since the row is read anew once its lock is there.
_LOCK_STANDING: Final = f"{_STANDING} FOR NO KEY UPDATE OF session"
# The common case of a refresh in one statement: the token is the current one and nothing speaks against it.
# Where `end` or `end_user` holds the row, it waits, and then finds `ended_at` set and nothing to do.
_ROTATE: Final = f"""
UPDATE tessera_sessions AS session
   SET gen = gen + 1, predecessor = gen, rotated_at = %(at)s, confirmed = 0,
       last_seen_at = greatest(last_seen_at, %(at)s),
       idle_until = greatest(idle_until, least(%(limit)s, until))
 WHERE sid = %(sid)s AND gen = %(presented)s AND ended_at = 0 AND idle_until > %(at)s AND until > %(at)s
   AND NOT EXISTS (SELECT 1 FROM tessera_principals AS principal
                    WHERE principal.user_id = session.user_id AND principal.realm = session.realm
                      AND (principal.epoch > session.epoch OR principal.suspended_until > %(at)s))
RETURNING {COLUMNS}"""  # noqa: S608 - constants
_PUT_ROTATION: Final = """
UPDATE tessera_sessions
   SET gen = %s, predecessor = %s, rotated_at = %s, confirmed = %s, last_seen_at = %s, idle_until = %s
 WHERE sid = %s"""
# Only what a mark changes is locked: most are of generations that were confirmed long ago.
_LOCK_MARKED: Final = f"""
SELECT {COLUMNS} FROM tessera_sessions
 WHERE sid IN (SELECT session.sid FROM tessera_sessions AS session
                 JOIN unnest(%s::bytea[], %s::bigint[]) AS mark (sid, used) ON mark.sid = session.sid
                WHERE session.ended_at = 0
                  AND (used = gen AND confirmed = 0 OR used > predecessor AND used < gen))
   AND ended_at = 0
 ORDER BY sid FOR NO KEY UPDATE"""  # noqa: S608 - constants
_CONFIRM: Final = "UPDATE tessera_sessions SET confirmed = 1 WHERE sid = ANY(%s::bytea[])"
_SEEN: Final = """
WITH chosen AS (
    SELECT session.sid, given.at
      FROM tessera_sessions AS session
      JOIN unnest(%s::bytea[], %s::bigint[]) AS given (sid, at) ON given.sid = session.sid
     WHERE session.last_seen_at < given.at
     ORDER BY session.sid FOR NO KEY UPDATE OF session
)
UPDATE tessera_sessions AS session SET last_seen_at = greatest(session.last_seen_at, chosen.at)
  FROM chosen WHERE session.sid = chosen.sid"""
_NEWEST: Final = "SELECT created_at FROM tessera_sessions WHERE sid < %s ORDER BY sid DESC LIMIT 1"
_STRETCH: Final = """
SELECT max(sid) FROM (SELECT sid FROM tessera_sessions WHERE sid > %s ORDER BY sid LIMIT %s) AS few"""
_DEAD: Final = "SELECT sid FROM tessera_sessions WHERE sid > %s AND sid <= %s AND idle_until <= %s ORDER BY sid"
# Rows that somebody holds are left for the next time: nobody waits for a purge, nor it for anybody.
_PURGE: Final = """
DELETE FROM tessera_sessions
 WHERE sid IN (SELECT sid FROM tessera_sessions WHERE sid = ANY(%s::bytea[]) AND idle_until <= %s
                ORDER BY sid FOR UPDATE SKIP LOCKED)"""


class PostgresSessions:
    """Each method is one statement, or one transaction."""

    def __init__(self, database: Database, notifier: Notifier) -> None:
        self._database = database
        self._notifier = notifier
        self._dead = DeadSessions()

    def tag(self, realm: str, user_id: str, *, seed: bytes) -> bytes:
        return tag_of(realm, user_id, seed)

    def add(self, session: Session, *, limits: Limits, at: int) -> Added:
        added = self._database.transact(partial(_add, session, limits, at))
        if added.ended:
            self._notifier.notify()
        return added

    def find(self, sid: bytes) -> Standing | None:
        row = self._database.read(lambda connection: connection.one(_STANDING, (sid,)))
        return None if row is None else standing_of(row)

    def rotate(self, sid: bytes, presented: int, *, at: int, leeway: int, idle: int) -> Rotation | None:
        values = {"sid": sid, "presented": presented, "at": at, "limit": at + idle}
        # Twice does no harm: the second time the first one's token is answered again.
        row = self._database.write(lambda connection: connection.one(_ROTATE, values), again=True)
        if row is not None:
            return Rotation("rotated", session_of(row))
        result = self._database.transact(partial(_decide, sid, presented, at, leeway, idle), again=True)
        if result is not None and result.session.ended_at:
            self._notifier.notify()
        return result

    def mark(self, marks: Sequence[tuple[bytes, int]], *, at: int) -> list[Session]:
        if not marks:
            return []
        ended = self._database.transact(partial(_mark, marks, at))
        if ended:
            self._notifier.notify()
        return ended

    def seen(self, times: Iterable[tuple[bytes, int]]) -> None:
        latest: dict[bytes, int] = {}
        for sid, at in times:
            latest[sid] = max(at, latest.get(sid, at))
        if latest:
            values = (list(latest), list(latest.values()))
            self._database.write(lambda connection: connection.run(_SEEN, values), again=True)

    def end(self, sid: bytes, reason: str, *, at: int) -> Ended | None:
        values = {"sid": sid, "reason": reason, "at": at}
        while True:
            row = self._database.write(lambda connection: connection.one(steps.END, values), again=True)
            if row is None:
                return None
            session, by_this_call = session_of(row[:-1]), row[-1]
            # Neither: another ending was committed after this statement had begun. The next one sees it.
            if session.ended_at:
                break
        # Also for one already ended: who ended it may have died before it could tell.
        self._notifier.notify()
        return Ended(session, by_this_call=by_this_call)

    def end_user(
        self, realm: str, user_id: str, reason: str, *, at: int, except_sid: bytes = b"", keep_until: int = 0
    ) -> list[Session]:
        step = partial(_end_user, realm, user_id, reason, at, except_sid, keep_until)
        ended = self._database.transact(step)
        self._notifier.notify()
        return ended

    def list(self, realm: str, user_id: str, *, at: int) -> list[Session]:
        values = {"realm": realm, "user_id": user_id, "at": at}
        return [*map(session_of, self._database.read(lambda connection: connection.all(steps.LIVE, values)))]

    def newest(self, *, before: int = LAST_SECOND) -> int:
        row = self._database.read(lambda connection: connection.one(_NEWEST, (first_sid(before),)))
        return row[0] if row else 0

    def purge(self, *, at: int, most: int) -> int:
        look = partial(_look_for_dead, at)
        while dead := self._dead.following(lambda after: self._database.read(partial(look, after)), most):
            # They may have been removed by others meanwhile, or are held: that is not the end.
            if removed := self._database.write(partial(_purge, dead, at)):
                return removed
        return 0


def _add(session: Session, limits: Limits, at: int, connection: Connection) -> Added:
    """Under the principal's lock, so that logins of one user count one after the other."""
    principal = steps.lock_principal(connection, session.realm, session.user_id)
    if principal.suspended_until > at:
        raise LoginRefusedError("the user is suspended")
    ended: tuple[Session, ...] = ()
    if limits.are_set:
        values = {"realm": session.realm, "user_id": session.user_id, "at": at}
        live = [each for each in map(session_of, connection.all(steps.LIVE, values)) if each.era >= session.era]
        ended = steps.end_many(connection, overflowing(live, session.device_type, limits), at)
    written = replace(session, epoch=principal.epoch)
    if not connection.run(_INSERT, row_of(written)).rowcount:
        raise AlreadyExistsError("a session of this sid")
    return Added(written, ended)


def _decide(sid: bytes, presented: int, at: int, leeway: int, idle: int, connection: Connection) -> Rotation | None:
    """The whole table, with the row locked: for all that `_ROTATE` passed over."""
    row = connection.one(_LOCK_STANDING, (sid,))
    if row is None:
        return None
    standing = standing_of(row)
    session = standing.session
    if reason := standing.refusal(at):
        return Rotation("refused", session, reason)
    decision = rotation.decide(session.rotation, presented, at=at, leeway=leeway)
    if decision.outcome == "reuse":
        (session,) = steps.end_many(connection, [(sid, "reuse")], at)
        return Rotation("reuse", session, "reuse")
    if decision.outcome != "same":
        session = session.with_rotation(decision.state, at=at, idle=idle)
        connection.run(_PUT_ROTATION, _rotation_values(session))
    return Rotation(decision.outcome, session)


def _rotation_values(session: Session) -> tuple[Any, ...]:
    return (
        session.gen,
        session.predecessor,
        session.rotated_at,
        int(session.confirmed),
        session.last_seen_at,
        session.idle_until,
        session.sid,
    )


def _mark(marks: Sequence[tuple[bytes, int]], at: int, connection: Connection) -> list[Session]:
    """With the rows locked by sid: a session that ends meanwhile is passed over, as its row is read anew."""
    sids, used = zip(*marks, strict=True)
    rows = connection.all(_LOCK_MARKED, (list(sids), list(used)))
    states = {session.sid: session.rotation for session in map(session_of, rows)}
    burnt: list[tuple[bytes, str]] = []
    confirmed: list[bytes] = []
    for sid, generation in marks:
        if sid not in states:
            continue
        state = rotation.mark(states[sid], generation)
        if state is None:
            del states[sid]
            burnt.append((sid, "reuse"))
        elif state != states[sid]:
            states[sid] = state
            confirmed.append(sid)
    if confirmed:
        connection.run(_CONFIRM, (confirmed,))
    return [*steps.end_many(connection, burnt, at)]


def _end_user(
    realm: str, user_id: str, reason: str, at: int, except_sid: bytes, keep_until: int, connection: Connection
) -> list[Session]:
    return steps.end_all(connection, realm, user_id, reason, at, except_sid=except_sid, keep_until=keep_until)


def _look_for_dead(at: int, after: bytes, connection: Connection) -> Stretch:
    row = connection.one(_STRETCH, (after, STRETCH))
    last = row[0] if row else None
    return Stretch([sid for (sid,) in connection.all(_DEAD, (after, last, at))], last)


def _purge(dead: list[bytes], at: int, connection: Connection) -> int:
    return connection.run(_PURGE, (dead, at)).rowcount
