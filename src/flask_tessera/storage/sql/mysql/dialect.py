"""The words of MySQL and MariaDB; none that only one of them knows."""

from __future__ import annotations

from typing import Final

from ..dialect import Dialect
from ..rows import VALUE_COLUMNS, places

# It takes the exclusive lock at once, whether the row is there or not. INSERT IGNORE would take a shared one, and two
# who have it and want the exclusive one are a deadlock.
_CREATE_PRINCIPAL: Final = """
INSERT INTO tessera_principals (user_id, realm, epoch, suspended_until) VALUES (?, ?, 0, 0)
ON DUPLICATE KEY UPDATE epoch = epoch"""
_LOCK_PRINCIPAL: Final = """
SELECT epoch, suspended_until FROM tessera_principals WHERE user_id = ? AND realm = ? FOR UPDATE"""
_PUT_PRINCIPAL: Final = """
INSERT INTO tessera_principals (user_id, realm, epoch, suspended_until) VALUES (?, ?, ?, ?)
ON DUPLICATE KEY UPDATE epoch = VALUES(epoch), suspended_until = VALUES(suspended_until)"""
# Assignments are carried out from left to right, and see what those before them have set: the time of expiry, by which
# they are decided, comes last.
_PUT_VALUE: Final = f"""
INSERT INTO tessera_values ({VALUE_COLUMNS}) VALUES ({places(VALUE_COLUMNS.split())})
ON DUPLICATE KEY UPDATE
       value = IF(@tessera_put := (? = -1 OR (? = 0 AND expires_at <= ?)), VALUES(value), value),
       version = IF(@tessera_put, VALUES(version), version), owner = IF(@tessera_put, VALUES(owner), owner),
       expires_at = IF(@tessera_put, VALUES(expires_at), expires_at)"""  # noqa: S608 - constants
_INCREMENT: Final = f"""
INSERT INTO tessera_values ({VALUE_COLUMNS}) VALUES ({places(VALUE_COLUMNS.split())})
ON DUPLICATE KEY UPDATE version = IF(expires_at > ?, version, 0) + VALUES(version),
       expires_at = IF(expires_at > ?, expires_at, VALUES(expires_at))"""  # noqa: S608 - constants
MYSQL: Final = Dialect(
    placeholder="%s",
    lock=" FOR UPDATE",
    lock_principal=(_CREATE_PRINCIPAL, _LOCK_PRINCIPAL),
    put_principal=_PUT_PRINCIPAL,
    now="CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED)",
    put_value=_PUT_VALUE,
    increment=_INCREMENT,
)
