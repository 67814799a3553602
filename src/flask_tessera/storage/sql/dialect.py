"""What the SQL databases say differently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .rows import VALUE_COLUMNS, places

if TYPE_CHECKING:
    from collections.abc import Mapping

_PUT_PRINCIPAL: Final = "INSERT INTO tessera_principals (user_id, realm, epoch, suspended_until) VALUES (?, ?, ?, ?)"
_NEW_PRINCIPAL: Final = "INSERT INTO tessera_principals (user_id, realm, epoch, suspended_until) VALUES (?, ?, 0, 0)"
_PUT_VALUE: Final = f"INSERT INTO tessera_values ({VALUE_COLUMNS}) VALUES ({places(VALUE_COLUMNS.split())})"  # noqa: S608 - constants


@dataclass(frozen=True)
class Dialect:
    """The words of one database; by default those that SQLite and PostgreSQL share.

    Attributes:
        types: what it calls the types of `schema`; patterns and what they are replaced by.
        now: the milliseconds of Unix time by the server's own clock, at the moment.
        lock: ends a SELECT that locks the rows it gives; empty where a transaction locks all.
        new_principal: writes a principal (user id, realm) unless there is one, so that it can be locked; empty where
            that is not needed.
        put_principal: writes one (user id, realm, epoch, suspension), over the one that is there.
        put_value: writes a value over one that has expired, or over any; given its columns, the expected version
            (0 or `ANY_VERSION`) twice, and the time.
        increment: changes a counter; its values are the columns of a value, then the time twice.
        notify: tells those who wait that the log has grown; empty where nobody can be told.
    """

    types: Mapping[str, str]
    now: str
    lock: str = ""
    new_principal: str = ""
    put_principal: str = f"""
{_PUT_PRINCIPAL}
ON CONFLICT (user_id, realm) DO UPDATE SET epoch = excluded.epoch, suspended_until = excluded.suspended_until"""
    put_value: str = f"""
{_PUT_VALUE}
ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value, version = excluded.version,
       expires_at = excluded.expires_at, owner = excluded.owner
 WHERE CAST(? AS BIGINT) = -1 OR (CAST(? AS BIGINT) = 0 AND tessera_values.expires_at <= CAST(? AS BIGINT))"""
    increment: str = f"""
{_PUT_VALUE}
ON CONFLICT (kind, name) DO UPDATE
   SET version = CASE WHEN tessera_values.expires_at > CAST(? AS BIGINT) THEN tessera_values.version ELSE 0 END
                 + excluded.version,
       expires_at = CASE WHEN tessera_values.expires_at > CAST(? AS BIGINT) THEN tessera_values.expires_at
                         ELSE excluded.expires_at END"""  # noqa: S608
    notify: str = ""


# The server is this machine: its clock tells nothing that the caller's does not. Whoever writes locks the whole file.
SQLITE: Final = Dialect(
    types={r"EXACT\(\d+\)|WORDS": "TEXT", r"BYTES\(\d+\)|LARGE": "BLOB", "CHANGING": "WITHOUT ROWID", "PLAIN": ""},
    now="CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
)
POSTGRES: Final = Dialect(
    types={
        r"EXACT\(\d+\)|WORDS": "TEXT",
        r"BYTES\(\d+\)|LARGE": "BYTEA",
        "PLAIN": "",
        # So an update finds room beside.
        "CHANGING": "WITH (fillfactor = 85)",
    },
    now="(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
    lock=" FOR NO KEY UPDATE",
    new_principal=f"{_NEW_PRINCIPAL} ON CONFLICT (user_id, realm) DO NOTHING",
)
# None that only one of MySQL and MariaDB knows.
MYSQL: Final = Dialect(
    types={
        # Collations take `admin` and `admin ` for one.
        "EXACT|BYTES": "VARBINARY",
        "WORDS": "MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "LARGE": "MEDIUMBLOB",
        "CHANGING|PLAIN": "ENGINE=InnoDB",
        "INDEX IF NOT EXISTS": "INDEX",
    },
    now="CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED)",
    lock=" FOR UPDATE",
    # It takes the exclusive lock at once, whether the row is there or not. INSERT IGNORE would take a shared one, and
    # two who have it and want the exclusive one are a deadlock.
    new_principal=f"{_NEW_PRINCIPAL} ON DUPLICATE KEY UPDATE epoch = epoch",
    put_principal=f"""
{_PUT_PRINCIPAL} ON DUPLICATE KEY UPDATE epoch = VALUES(epoch), suspended_until = VALUES(suspended_until)""",
    # Assignments are carried out from left to right, and see what those before them have set: the time of expiry, by
    # which they are decided, comes last.
    put_value=f"""
{_PUT_VALUE}
ON DUPLICATE KEY UPDATE
       value = IF(@tessera_put := (? = -1 OR (? = 0 AND expires_at <= ?)), VALUES(value), value),
       version = IF(@tessera_put, VALUES(version), version), owner = IF(@tessera_put, VALUES(owner), owner),
       expires_at = IF(@tessera_put, VALUES(expires_at), expires_at)""",
    increment=f"""
{_PUT_VALUE}
ON DUPLICATE KEY UPDATE version = IF(expires_at > ?, version, 0) + VALUES(version),
       expires_at = IF(expires_at > ?, expires_at, VALUES(expires_at))""",
)
