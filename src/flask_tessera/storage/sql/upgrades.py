"""The way from an older schema to the present one: statements by the version that they lead to.

A new database is created whole (`schema.py`). Each step is applied once, in turn, in one transaction; one that was
released stays as it is, whatever the schema becomes. `{bytes}` stands for the type of bytes. What begins with
`postgresql:` is for PostgreSQL only. MySQL has had no version before 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from . import schema

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD: Final = schema.revision_of(schema.VERSION)
"""The last revision."""
_ONLY_POSTGRES: Final = "postgresql:"
_TO_2: Final = """
ALTER TABLE tessera_sessions ADD COLUMN era BIGINT DEFAULT 0 NOT NULL;
ALTER TABLE tessera_log ADD COLUMN era BIGINT DEFAULT 0 NOT NULL;
postgresql:ALTER TABLE tessera_sessions SET (fillfactor = 85);
postgresql:ALTER TABLE tessera_principals SET (fillfactor = 85)"""
_TO_3: Final = """
ALTER TABLE tessera_sessions ADD COLUMN user_stamp TEXT DEFAULT '' NOT NULL;
ALTER TABLE tessera_sessions ADD COLUMN issued_for TEXT DEFAULT '' NOT NULL;
ALTER TABLE tessera_sessions ADD COLUMN claims TEXT DEFAULT '' NOT NULL"""
# Sessions of an older era are over; but those that were moved here after a restore live on. Tables of an older version
# are gone, or lack what it looks for: a process of it that is still about fails, and appends no entry that nobody would
# read. On SQLite the column `era` stays: to drop it would rewrite all rows.
_TO_5: Final = """
UPDATE tessera_sessions SET ended_at = created_at, end_reason = 'expiry'
 WHERE ended_at = 0 AND era < (SELECT era FROM tessera_log);
UPDATE tessera_sessions SET created_at = (SELECT born_at FROM tessera_log)
 WHERE ended_at = 0 AND (SELECT era FROM tessera_log) > 0 AND created_at < (SELECT born_at FROM tessera_log);
ALTER TABLE tessera_log RENAME TO tessera_log_of_4;
CREATE TABLE tessera_log (
    id SMALLINT NOT NULL, log_id TEXT NOT NULL, created_at BIGINT, place TEXT NOT NULL, head BIGINT NOT NULL,
    valid_from BIGINT NOT NULL, schema_version BIGINT NOT NULL, PRIMARY KEY (id));
INSERT INTO tessera_log (id, log_id, created_at, place, head, valid_from, schema_version)
SELECT 1, log_id, born_at, file, (SELECT coalesce(max(number), 0) FROM tessera_revocations),
       CASE WHEN era > 0 THEN born_at ELSE 0 END, 5
  FROM tessera_log_of_4;
CREATE TABLE tessera_entries (
    number BIGINT NOT NULL, forget_at BIGINT NOT NULL, reason TEXT NOT NULL, sid {bytes} NOT NULL, realm TEXT NOT NULL,
    user_id TEXT NOT NULL, epoch BIGINT NOT NULL, except_sid {bytes} NOT NULL, noted_at BIGINT NOT NULL,
    noted BIGINT NOT NULL, PRIMARY KEY (number));
INSERT INTO tessera_entries (number, forget_at, reason, sid, realm, user_id, epoch, except_sid, noted_at, noted)
SELECT number, forget_at, reason, sid, realm, user_id, epoch, except_sid, 0, 0 FROM tessera_revocations;
CREATE INDEX tessera_entries_forget_at ON tessera_entries (forget_at);
CREATE TABLE tessera_values (
    kind TEXT NOT NULL, name {bytes} NOT NULL, value {bytes} NOT NULL, version BIGINT NOT NULL,
    expires_at BIGINT NOT NULL, owner {bytes} NOT NULL, PRIMARY KEY (kind, name));
CREATE INDEX tessera_values_owner ON tessera_values (owner, kind);
CREATE INDEX tessera_values_expires_at ON tessera_values (expires_at);
DROP TABLE tessera_log_of_4;
postgresql:ALTER INDEX tessera_log_pkey1 RENAME TO tessera_log_pkey;
DROP TABLE tessera_revocations;
DROP TABLE IF EXISTS tessera_workers;
DROP TABLE IF EXISTS tessera_alembic_version;
CREATE INDEX tessera_sessions_owner ON tessera_sessions (user_id, realm, ended_at);
DROP INDEX tessera_sessions_user;
postgresql:ALTER TABLE tessera_sessions DROP COLUMN era"""
_STEPS: Final = {2: _TO_2, 3: _TO_3, 5: _TO_5}


def upgrade(execute: Callable[[str], Any], version: int, *, postgres: bool) -> list[str]:
    """Apply each step that a schema of `version` has not seen yet; gives their names, oldest first.

    Args:
        execute: executes a statement, in the transaction that keeps others from upgrading too.
        version: of the schema that is there.
        postgres: whether this is PostgreSQL, else SQLite.
    """
    for number, statements in _STEPS.items():
        for statement in map(str.strip, statements.split(";") if number > version else ()):
            if postgres or not statement.startswith(_ONLY_POSTGRES):
                execute(statement.removeprefix(_ONLY_POSTGRES).replace("{bytes}", "BYTEA" if postgres else "BLOB"))
    execute(f"UPDATE tessera_log SET schema_version = {schema.VERSION}")  # noqa: S608 - a constant
    return [schema.revision_of(number) for number in range(version + 1, schema.VERSION + 1)]
