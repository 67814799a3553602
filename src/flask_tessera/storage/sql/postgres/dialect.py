"""The words of PostgreSQL."""

from __future__ import annotations

from typing import Final

from ..dialect import Dialect
from ..rows import VALUE_COLUMNS, places

_CREATE_PRINCIPAL: Final = """
INSERT INTO tessera_principals (user_id, realm, epoch, suspended_until) VALUES (?, ?, 0, 0)
ON CONFLICT (user_id, realm) DO NOTHING"""
_LOCK_PRINCIPAL: Final = """
SELECT epoch, suspended_until FROM tessera_principals WHERE user_id = ? AND realm = ? FOR NO KEY UPDATE"""
_PUT_PRINCIPAL: Final = """
INSERT INTO tessera_principals (user_id, realm, epoch, suspended_until) VALUES (?, ?, ?, ?)
ON CONFLICT (user_id, realm) DO UPDATE SET epoch = excluded.epoch, suspended_until = excluded.suspended_until"""
_PUT_VALUE: Final = f"""
INSERT INTO tessera_values ({VALUE_COLUMNS}) VALUES ({places(VALUE_COLUMNS.split())})
ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value, version = excluded.version,
       expires_at = excluded.expires_at, owner = excluded.owner
 WHERE ?::bigint = -1 OR (?::bigint = 0 AND tessera_values.expires_at <= ?::bigint)"""  # noqa: S608 - constants
_INCREMENT: Final = f"""
INSERT INTO tessera_values ({VALUE_COLUMNS}) VALUES ({places(VALUE_COLUMNS.split())})
ON CONFLICT (kind, name) DO UPDATE
   SET version = CASE WHEN tessera_values.expires_at > ?::bigint THEN tessera_values.version ELSE 0 END
                 + excluded.version,
       expires_at = CASE WHEN tessera_values.expires_at > ?::bigint THEN tessera_values.expires_at
                         ELSE excluded.expires_at END"""  # noqa: S608 - constants


def dialect_of(channel: str) -> Dialect:
    """With the channel, of letters and digits, on which the log of one schema is told of."""
    return Dialect(
        placeholder="%s",
        lock=" FOR NO KEY UPDATE",
        lock_principal=(_CREATE_PRINCIPAL, _LOCK_PRINCIPAL),
        put_principal=_PUT_PRINCIPAL,
        now="(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
        put_value=_PUT_VALUE,
        increment=_INCREMENT,
        # Sent when the transaction is committed. Those who append queue for the head of the log in any case.
        notify=f"SELECT pg_notify('{channel}', '')",
    )
