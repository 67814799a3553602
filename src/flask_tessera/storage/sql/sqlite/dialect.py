"""The words of SQLite."""

from __future__ import annotations

from typing import Final

from ..dialect import Dialect
from ..rows import VALUE_COLUMNS, places

SQLITE: Final = Dialect(
    placeholder="?",
    # Whoever writes holds the lock of the whole file.
    lock="",
    lock_principal=("SELECT epoch, suspended_until FROM tessera_principals WHERE user_id = ? AND realm = ?",),
    put_principal="""
INSERT INTO tessera_principals (user_id, realm, epoch, suspended_until) VALUES (?, ?, ?, ?)
ON CONFLICT (user_id, realm) DO UPDATE SET epoch = excluded.epoch, suspended_until = excluded.suspended_until""",
    # The server is this machine: its clock tells nothing that the caller's does not.
    now="CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    put_value=f"""
INSERT INTO tessera_values ({VALUE_COLUMNS}) VALUES ({places(VALUE_COLUMNS.split())})
ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value, version = excluded.version,
       expires_at = excluded.expires_at, owner = excluded.owner
 WHERE ? = -1 OR (? = 0 AND tessera_values.expires_at <= ?)""",  # noqa: S608 - constants
    increment=f"""
INSERT INTO tessera_values ({VALUE_COLUMNS}) VALUES ({places(VALUE_COLUMNS.split())})
ON CONFLICT (kind, name) DO UPDATE
   SET version = CASE WHEN tessera_values.expires_at > ? THEN tessera_values.version ELSE 0 END + excluded.version,
       expires_at = CASE WHEN tessera_values.expires_at > ? THEN tessera_values.expires_at
                         ELSE excluded.expires_at END""",  # noqa: S608 - constants
)
