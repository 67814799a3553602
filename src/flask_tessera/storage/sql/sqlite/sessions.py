"""`SessionStorage` in SQLite."""

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
from ..rows import COLUMNS, row_of, session_of
from ..tags import tag_of
from . import steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.pool import PoolProxiedConnection

    from ....sessions.limits import Limits
    from ....sessions.record import Session, Standing
    from ...contract import Outcome
    from .database import Database
    from .revocations import SQLiteRevocations

_INSERT: Final = f"INSERT INTO tessera_sessions ({COLUMNS}) VALUES ({steps.PLACES}) ON CONFLICT (sid) DO NOTHING"  # noqa: S608 - constants
# The common case of a refresh in one statement: the token is the current one and nothing speaks against it.
_ROTATE: Final = f"""
UPDATE tessera_sessions
   SET gen = gen + 1, predecessor = gen, rotated_at = ?, confirmed = 0,
       last_seen_at = CASE WHEN last_seen_at > ? THEN last_seen_at ELSE ? END,
       idle_until = CASE WHEN until < ? THEN until WHEN idle_until > ? THEN idle_until ELSE ? END
 WHERE sid = ? AND gen = ? AND ended_at = 0 AND idle_until > ? AND until > ?
   AND NOT EXISTS (SELECT 1 FROM tessera_principals AS principal
                    WHERE principal.user_id = tessera_sessions.user_id AND principal.realm = tessera_sessions.realm
                      AND (principal.epoch > tessera_sessions.epoch OR principal.suspended_until > ?))
RETURNING {COLUMNS}"""  # noqa: S608 - constants
_PUT_ROTATION: Final = """
UPDATE tessera_sessions
   SET gen = ?, predecessor = ?, rotated_at = ?, confirmed = ?, last_seen_at = ?, idle_until = ?
 WHERE sid = ?"""
_CONFIRM: Final = (
    "UPDATE tessera_sessions SET confirmed = 1 WHERE sid = ? AND gen = ? AND ended_at = 0 AND confirmed = 0"
)
_BURNT: Final = f"""
SELECT {COLUMNS} FROM tessera_sessions
 WHERE sid = ? AND ended_at = 0 AND predecessor < ? AND gen > ?"""  # noqa: S608 - constants
_SEEN: Final = "UPDATE tessera_sessions SET last_seen_at = ? WHERE sid = ? AND last_seen_at < ?"
_NEWEST: Final = "SELECT created_at FROM tessera_sessions WHERE sid < ? ORDER BY sid DESC LIMIT 1"
_DEAD: Final = "SELECT sid FROM tessera_sessions WHERE sid > ? AND sid <= ? AND idle_until <= ? ORDER BY sid"
_PURGE: Final = "DELETE FROM tessera_sessions WHERE sid = ? AND idle_until <= ?"
_FEW: Final = 100
"""Sessions that one transaction of a purge removes: a few ms."""


class SQLiteSessions:
    """Each method is one transaction of our own."""

    def __init__(self, database: Database, revocations: SQLiteRevocations) -> None:
        self._database = database
        self._revocations = revocations
        self._dead = DeadSessions()

    def tag(self, realm: str, user_id: str, *, seed: bytes) -> bytes:
        return tag_of(realm, user_id, seed)

    def add(self, session: Session, *, limits: Limits, at: int) -> Added:
        with self._database.writing() as connection:
            principal = steps.principal(connection, session.realm, session.user_id)
            if principal.suspended_until > at:
                raise LoginRefusedError("the user is suspended")
            live = steps.live(connection, session.realm, session.user_id, at) if limits.are_set else []
            by_sid = {each.sid: each for each in live if each.era >= session.era}
            leaving = overflowing(by_sid.values(), session.device_type, limits)
            ended = tuple(steps.end(connection, by_sid[sid], reason, at) for sid, reason in leaving)
            written = replace(session, epoch=principal.epoch)
            if not connection.cursor().execute(_INSERT, row_of(written)).rowcount:
                raise AlreadyExistsError("a session of this sid")
        if ended:
            self._revocations.announce()
        return Added(written, ended)

    def find(self, sid: bytes) -> Standing | None:
        with self._database.reading() as connection:
            return steps.standing(connection, sid)

    def rotate(self, sid: bytes, presented: int, *, at: int, leeway: int, idle: int) -> Rotation | None:
        limit = at + idle
        with self._database.writing() as connection:
            values = (at, at, at, limit, limit, limit, sid, presented, at, at, at)
            row = connection.cursor().execute(_ROTATE, values).fetchone()
            if row is not None:
                return Rotation("rotated", session_of(row))
            result = _decide(connection, sid, presented, at, leeway, idle)
        if result is not None and result.session.ended_at:
            self._revocations.announce()
        return result

    def mark(self, marks: Sequence[tuple[bytes, int]], *, at: int) -> list[Session]:
        ended = []
        with self._database.writing() as connection:
            cursor = connection.cursor()
            cursor.executemany(_CONFIRM, marks)
            for sid, used in marks:
                row = cursor.execute(_BURNT, (sid, used, used)).fetchone()
                if row is not None:
                    ended.append(steps.end(connection, session_of(row), "reuse", at))
        if ended:
            self._revocations.announce()
        return ended

    def seen(self, times: Iterable[tuple[bytes, int]]) -> None:
        with self._database.writing() as connection:
            connection.cursor().executemany(_SEEN, [(at, sid, at) for sid, at in times])

    def end(self, sid: bytes, reason: str, *, at: int) -> Ended | None:
        with self._database.writing() as connection:
            standing = steps.standing(connection, sid)
            if standing is None:
                return None
            session = standing.session
            was_live = not session.ended_at
            if was_live:
                session = steps.end(connection, session, reason, at)
        # Also for one already ended: who ended it may have died before it could tell.
        self._revocations.announce()
        return Ended(session, by_this_call=was_live)

    def end_user(
        self, realm: str, user_id: str, reason: str, *, at: int, except_sid: bytes = b"", keep_until: int = 0
    ) -> list[Session]:
        with self._database.writing() as connection:
            ended = steps.end_all(connection, realm, user_id, reason, at, except_sid=except_sid, keep_until=keep_until)
        self._revocations.announce()
        return ended

    def list(self, realm: str, user_id: str, *, at: int) -> list[Session]:
        with self._database.reading() as connection:
            return steps.live(connection, realm, user_id, at)

    def newest(self, *, before: int = LAST_SECOND) -> int:
        with self._database.reading() as connection:
            row = connection.cursor().execute(_NEWEST, (first_sid(before),)).fetchone()
        return row[0] if row else 0

    def purge(self, *, at: int, most: int) -> int:
        while dead := self._dead.following(partial(self._look_for_dead, at), most):
            # They may have been removed by others meanwhile, or have come to life: that is not the end.
            if removed := sum(self._remove(dead[begin : begin + _FEW], at) for begin in range(0, len(dead), _FEW)):
                return removed
        return 0

    def _look_for_dead(self, at: int, after: bytes) -> Stretch:
        with self._database.reading() as connection:
            last = steps.stretch(connection, after, STRETCH)
            rows = connection.cursor().execute(_DEAD, (after, last, at)).fetchall()
        return Stretch([sid for (sid,) in rows], last)

    def _remove(self, dead: Sequence[bytes], at: int) -> int:
        with self._database.removing() as connection:
            removed: int = connection.cursor().executemany(_PURGE, [(sid, at) for sid in dead]).rowcount
        return removed


def _decide(
    connection: PoolProxiedConnection, sid: bytes, presented: int, at: int, leeway: int, idle: int
) -> Rotation | None:
    """The whole table, under the write lock: for all that `_ROTATE` passed over."""
    standing = steps.standing(connection, sid)
    if standing is None:
        return None
    session = standing.session
    if reason := standing.refusal(at):
        return Rotation("refused", session, reason)
    decision = rotation.decide(session.rotation, presented, at=at, leeway=leeway)
    outcome: Outcome = decision.outcome
    if outcome == "reuse":
        return Rotation("reuse", steps.end(connection, session, "reuse", at), "reuse")
    if outcome != "same":
        session = session.with_rotation(decision.state, at=at, idle=idle)
        connection.cursor().execute(_PUT_ROTATION, _rotation_values(session))
    return Rotation(outcome, session)


def _rotation_values(session: Session) -> tuple[Any, ...]:
    return (
        session.gen,
        session.predecessor,
        session.rotated_at,
        session.confirmed,
        session.last_seen_at,
        session.idle_until,
        session.sid,
    )
