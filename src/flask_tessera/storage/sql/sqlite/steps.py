"""Steps that several ports take inside one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from ....sessions.record import Principal, Session, Standing, forget_at
from ..rows import COLUMNS, NAMES, session_of, standing_of

if TYPE_CHECKING:
    from sqlalchemy.pool import PoolProxiedConnection

PLACES: Final = ", ".join("?" for _ in NAMES)
_STANDING: Final = f"""
SELECT {", ".join(f"s.{name}" for name in NAMES)}, p.epoch, p.suspended_until
  FROM tessera_sessions AS s
  LEFT JOIN tessera_principals AS p ON p.user_id = s.user_id AND p.realm = s.realm
 WHERE s.sid = ?"""  # noqa: S608 - constants
_LIVE: Final = f"""
SELECT {COLUMNS} FROM tessera_sessions
 WHERE user_id = ? AND realm = ? AND ended_at = 0 AND idle_until > ? AND until > ?
 ORDER BY sid"""  # noqa: S608 - constants
_PRINCIPAL: Final = "SELECT epoch, suspended_until FROM tessera_principals WHERE user_id = ? AND realm = ?"
_END: Final = "UPDATE tessera_sessions SET ended_at = ?, end_reason = ? WHERE sid = ?"
NOTE: Final = """
INSERT INTO tessera_revocations (forget_at, reason, sid, realm, user_id, epoch, except_sid)
VALUES (?, ?, ?, ?, ?, ?, ?)"""
_RAISE_EPOCH: Final = """
INSERT INTO tessera_principals (user_id, realm, epoch, suspended_until) VALUES (?, ?, 1, ?)
ON CONFLICT (user_id, realm) DO UPDATE
   SET epoch = tessera_principals.epoch + 1,
       suspended_until = CASE WHEN excluded.suspended_until > tessera_principals.suspended_until
                              THEN excluded.suspended_until ELSE tessera_principals.suspended_until END
RETURNING epoch"""
_CARRY_OVER: Final = "UPDATE tessera_sessions SET epoch = ? WHERE sid = ?"
_STRETCH: Final = "SELECT max(sid) FROM (SELECT sid FROM tessera_sessions WHERE sid > ? ORDER BY sid LIMIT ?) AS few"


def standing(connection: PoolProxiedConnection, sid: bytes) -> Standing | None:
    """The session with its principal, None if it is not known."""
    row = connection.cursor().execute(_STANDING, (sid,)).fetchone()
    return None if row is None else standing_of(row)


def principal(connection: PoolProxiedConnection, realm: str, user_id: str) -> Principal:
    """The principal, a new one where nothing is kept."""
    row = connection.cursor().execute(_PRINCIPAL, (user_id, realm)).fetchone()
    return Principal(realm, user_id, *(row or ()))


def live(connection: PoolProxiedConnection, realm: str, user_id: str, at: int) -> list[Session]:
    """The user's sessions that are live at Unix second `at`, oldest first."""
    owner = principal(connection, realm, user_id)
    rows = connection.cursor().execute(_LIVE, (user_id, realm, at, at)).fetchall()
    return [session for row in rows if not Standing(session := session_of(row), owner).refusal(at)]


def end(connection: PoolProxiedConnection, session: Session, reason: str, at: int) -> Session:
    """End a session at Unix second `at` and note it in the revocation log."""
    cursor = connection.cursor()
    cursor.execute(_END, (at, reason, session.sid))
    cursor.execute(NOTE, (forget_at(session, at), reason, session.sid, "", "", 0, b""))
    return replace(session, ended_at=at, end_reason=reason)


def end_all(
    connection: PoolProxiedConnection,
    realm: str,
    user_id: str,
    reason: str,
    at: int,
    *,
    except_sid: bytes = b"",
    suspended_until: int = 0,
    keep_until: int = 0,
) -> list[Session]:
    """Raise the epoch, end all live sessions but one, carry that over, and note it in one entry.

    Times are Unix seconds.
    """
    cursor = connection.cursor()
    mine = live(connection, realm, user_id, at)
    epoch = cursor.execute(_RAISE_EPOCH, (user_id, realm, suspended_until)).fetchone()[0]
    ending = [session for session in mine if session.sid != except_sid]
    cursor.executemany(_END, [(at, reason, session.sid) for session in ending])
    if len(ending) < len(mine):
        cursor.execute(_CARRY_OVER, (epoch, except_sid))
    forget = max((forget_at(session, at) for session in mine), default=at)
    cursor.execute(NOTE, (max(forget, keep_until), reason, b"", realm, user_id, epoch, except_sid))
    return [replace(session, ended_at=at, end_reason=reason) for session in ending]


def stretch(connection: PoolProxiedConnection, after: bytes, most: int) -> bytes | None:
    """The last of the `most` sids that follow `after`; None at the end."""
    row = connection.cursor().execute(_STRETCH, (after, most)).fetchone()
    return row[0] if row else None
