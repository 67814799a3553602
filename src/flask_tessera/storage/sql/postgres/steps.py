"""Steps that several ports take inside one transaction.

Locks are taken in one order, so that no two steps can wait for each other: first the principal, then sessions by sid.
At READ COMMITTED a statement that has waited for a row decides once more, on the row as it is then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from ....sessions.record import RETENTION_MARGIN, Principal, Session, Standing, forget_at
from ..rows import COLUMNS, NAMES, session_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .connection import Connection

SESSION_COLUMNS: Final = ", ".join(f"session.{name}" for name in NAMES)
LIVE: Final = f"""
SELECT {COLUMNS} FROM tessera_sessions AS session
 WHERE user_id = %(user_id)s AND realm = %(realm)s AND ended_at = 0 AND idle_until > %(at)s AND until > %(at)s
   AND NOT EXISTS (SELECT 1 FROM tessera_principals AS principal
                    WHERE principal.user_id = session.user_id AND principal.realm = session.realm
                      AND (principal.epoch > session.epoch OR principal.suspended_until > %(at)s))
 ORDER BY sid"""  # noqa: S608 - constants
NOTE: Final = """
INSERT INTO tessera_revocations (forget_at, reason, sid, realm, user_id, epoch, except_sid, noted_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"""
# As `sessions.record.forget_at` says.
NOTE_ENDED: Final = f"""
    INSERT INTO tessera_revocations (forget_at, reason, sid, realm, user_id, epoch, except_sid, noted_at)
    SELECT least(until, greatest(%(at)s, last_seen_at) + access_lifetime) + {RETENTION_MARGIN},
           end_reason, sid, '', '', 0, '', %(at)s
      FROM ended"""  # noqa: S608 - constants
# The second SELECT sees the row as it was before: it speaks only where nothing was ended.
END: Final = f"""
WITH ended AS (
    UPDATE tessera_sessions SET ended_at = %(at)s, end_reason = %(reason)s
     WHERE sid = %(sid)s AND ended_at = 0
 RETURNING {COLUMNS}
), noted AS ({NOTE_ENDED}
)
SELECT {COLUMNS}, true FROM ended
 UNION ALL
SELECT {COLUMNS}, false FROM tessera_sessions WHERE sid = %(sid)s AND NOT EXISTS (SELECT 1 FROM ended)"""  # noqa: S608 - constants
_END_MANY: Final = f"""
WITH chosen AS (
    SELECT session.sid, given.reason
      FROM tessera_sessions AS session
      JOIN unnest(%(sids)s::bytea[], %(reasons)s::text[]) AS given (sid, reason) ON given.sid = session.sid
     WHERE session.ended_at = 0
     ORDER BY session.sid FOR NO KEY UPDATE OF session
), ended AS (
    UPDATE tessera_sessions AS session SET ended_at = %(at)s, end_reason = chosen.reason
      FROM chosen WHERE session.sid = chosen.sid
 RETURNING {SESSION_COLUMNS}
), noted AS ({NOTE_ENDED}
)
SELECT {COLUMNS} FROM ended"""  # noqa: S608 - constants
_LOCK_PRINCIPAL: Final = """
SELECT realm, user_id, epoch, suspended_until FROM tessera_principals
 WHERE user_id = %s AND realm = %s FOR NO KEY UPDATE"""
_PUT_PRINCIPAL: Final = """
INSERT INTO tessera_principals (user_id, realm, epoch, suspended_until) VALUES (%s, %s, 0, 0)
ON CONFLICT (user_id, realm) DO NOTHING"""
_LOCK_LIVE: Final = f"""
SELECT {COLUMNS} FROM tessera_sessions
 WHERE user_id = %s AND realm = %s AND ended_at = 0 AND idle_until > %s AND until > %s
 ORDER BY sid FOR NO KEY UPDATE"""  # noqa: S608 - constants
_RAISE_EPOCH: Final = """
UPDATE tessera_principals SET epoch = epoch + 1, suspended_until = greatest(suspended_until, %s)
 WHERE user_id = %s AND realm = %s"""
_END_SILENTLY: Final = "UPDATE tessera_sessions SET ended_at = %s, end_reason = %s WHERE sid = ANY(%s::bytea[])"
_CARRY_OVER: Final = "UPDATE tessera_sessions SET epoch = %s WHERE sid = %s"


def lock_principal(connection: Connection, realm: str, user_id: str) -> Principal:
    """The principal, which stays as it is until the transaction ends: logins and endings of a user queue here."""
    row = connection.one(_LOCK_PRINCIPAL, (user_id, realm))
    while row is None:
        connection.run(_PUT_PRINCIPAL, (user_id, realm))
        row = connection.one(_LOCK_PRINCIPAL, (user_id, realm))
    return Principal(*row)


def end_many(connection: Connection, chosen: Sequence[tuple[bytes, str]], at: int) -> tuple[Session, ...]:
    """End sessions at Unix second `at`, each for its reason, and note it in the log; ended ones are passed over."""
    if not chosen:
        return ()
    sids, reasons = zip(*chosen, strict=True)
    rows = connection.all(_END_MANY, {"sids": list(sids), "reasons": list(reasons), "at": at})
    ended = {session.sid: session for session in map(session_of, rows)}
    return tuple(ended[sid] for sid in sids if sid in ended)


def end_all(
    connection: Connection,
    realm: str,
    user_id: str,
    reason: str,
    at: int,
    *,
    except_sid: bytes = b"",
    suspended_until: int = 0,
    keep_until: int = 0,
) -> list[Session]:
    """Raise the epoch, end all live sessions but one at Unix second `at`, carry that over, note it in one entry.

    No login gets by: it takes the principal's lock first, so its session is there to be ended when this has the lock,
    or it begins under the new epoch. No refresh does: one that writes first has its row ended here, one that comes
    later waits for the row and finds it ended.
    """
    before = lock_principal(connection, realm, user_id)
    rows = connection.all(_LOCK_LIVE, (user_id, realm, at, at))
    live = [session for session in map(session_of, rows) if not Standing(session, before).refusal(at)]
    ending = [session for session in live if session.sid != except_sid]
    epoch = before.epoch + 1
    connection.run(_RAISE_EPOCH, (suspended_until, user_id, realm))
    if ending:
        connection.run(_END_SILENTLY, (at, reason, _sids_of(ending)))
    if len(ending) < len(live):
        connection.run(_CARRY_OVER, (epoch, except_sid))
    forget = max((forget_at(session, at) for session in live), default=at)
    connection.run(NOTE, (max(forget, keep_until), reason, b"", realm, user_id, epoch, except_sid, at))
    return [replace(session, ended_at=at, end_reason=reason) for session in ending]


def _sids_of(sessions: Iterable[Session]) -> list[bytes]:
    return [session.sid for session in sessions]
