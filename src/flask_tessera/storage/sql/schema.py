"""The tables: what a new database is created with, and which version of them is there."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Final

from ...errors import ConfigError
from ..model import SchemaState

if TYPE_CHECKING:
    from .dialect import Dialect

VERSION: Final = 5
"""Of the schema; a process refuses a newer one than it knows."""
READ_VERSION: Final = "SELECT schema_version FROM tessera_log"
# Types that databases call differently stand in capitals of their own (`Dialect.types`). EXACT is a text, of at most so
# many bytes, that is compared byte by byte; a user id has 255 characters of four bytes. CHANGING ends tables in which
# rows are updated.
#
# The columns of sessions stand in the order of the fields of `sessions.model.Session`. By the index of their owners the
# live ones of a user lie together, and the ended ones by when they did. No column that a refresh writes stands in an
# index: PostgreSQL then writes the new row beside the old one (HOT), if there is room.
#
# The one row of the log has a key: PostgreSQL takes a table that was never analysed, read without a predicate, for a
# large one. `place` is on which server, or in which file, it was when it began: a copy that was put back has forgotten
# what came later, so it begins anew.
#
# When an entry was appended is noted by the clock of who appended it and, in milliseconds (`noted`), by the server's.
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS tessera_sessions (
    sid BYTES(16) NOT NULL, realm EXACT(512) NOT NULL, user_id EXACT(1020) NOT NULL,
    created_at BIGINT NOT NULL, auth_at BIGINT NOT NULL, idle_until BIGINT NOT NULL, until BIGINT NOT NULL,
    access_lifetime BIGINT NOT NULL, gen BIGINT NOT NULL, predecessor BIGINT NOT NULL, rotated_at BIGINT NOT NULL,
    confirmed BIGINT NOT NULL, epoch BIGINT NOT NULL, last_seen_at BIGINT NOT NULL, ended_at BIGINT NOT NULL,
    end_reason WORDS NOT NULL, device_type WORDS NOT NULL, device_id WORDS NOT NULL, device_name WORDS NOT NULL,
    ip WORDS NOT NULL, user_agent WORDS NOT NULL, scope WORDS NOT NULL, amr WORDS NOT NULL,
    user_stamp WORDS NOT NULL, issued_for WORDS NOT NULL, claims WORDS NOT NULL, PRIMARY KEY (sid)) CHANGING;
CREATE TABLE IF NOT EXISTS tessera_principals (
    user_id EXACT(1020) NOT NULL, realm EXACT(512) NOT NULL, epoch BIGINT NOT NULL, suspended_until BIGINT NOT NULL,
    PRIMARY KEY (user_id, realm)) CHANGING;
CREATE TABLE IF NOT EXISTS tessera_log (
    id SMALLINT NOT NULL, log_id EXACT(64) NOT NULL, created_at BIGINT, place EXACT(255) NOT NULL,
    head BIGINT NOT NULL, valid_from BIGINT NOT NULL, schema_version BIGINT NOT NULL, PRIMARY KEY (id)) PLAIN;
CREATE TABLE IF NOT EXISTS tessera_entries (
    number BIGINT NOT NULL, forget_at BIGINT NOT NULL, reason WORDS NOT NULL, sid BYTES(16) NOT NULL,
    realm EXACT(512) NOT NULL, user_id EXACT(1020) NOT NULL, epoch BIGINT NOT NULL, except_sid BYTES(16) NOT NULL,
    noted_at BIGINT NOT NULL, noted BIGINT NOT NULL, PRIMARY KEY (number)) PLAIN;
CREATE TABLE IF NOT EXISTS tessera_values (
    kind EXACT(32) NOT NULL, name BYTES(255) NOT NULL, value LARGE NOT NULL, version BIGINT NOT NULL,
    expires_at BIGINT NOT NULL, owner BYTES(1532) NOT NULL, PRIMARY KEY (kind, name)) PLAIN;
CREATE INDEX IF NOT EXISTS tessera_sessions_owner ON tessera_sessions (user_id, realm, ended_at);
CREATE INDEX IF NOT EXISTS tessera_entries_forget_at ON tessera_entries (forget_at);
CREATE INDEX IF NOT EXISTS tessera_values_owner ON tessera_values (owner, kind);
CREATE INDEX IF NOT EXISTS tessera_values_expires_at ON tessera_values (expires_at)"""
# Executed last, so that where the log has its row all tables are there.
_BEGIN_LOG: Final = """
INSERT INTO tessera_log (id, log_id, created_at, place, head, valid_from, schema_version)
VALUES (1, '{name}', NULL, '', (SELECT coalesce(max(number), 0) FROM tessera_entries), 0, {version})"""


def creation(dialect: Dialect) -> list[str]:
    """The statements that create what is missing, name a log and note the version."""
    tables = _TABLES
    for name, words in dialect.types.items():
        tables = re.sub(name, words, tables)
    return [*tables.split(";"), _BEGIN_LOG.format(name=secrets.token_hex(8), version=VERSION)]


def revision_of(version: int) -> str:
    """The name of the step that leads to this version of the schema."""
    return f"{version:04}"


def state_of(version: int) -> SchemaState:
    """Whether this package can work with a schema of this version (0: there is none), and what is to be done if not."""
    if not version:
        words = f"no tables yet; they are made at first use, of version {VERSION}"
        return SchemaState(words, is_usable=True, is_new=True)
    if version == VERSION:
        return SchemaState(f"version {version}, the present one", is_usable=True)
    if version > VERSION:
        words = f"version {version}, newer than {VERSION} known here; use a newer flask-tessera"
    else:
        words = f"version {version}, older than {VERSION}; run: flask tessera db upgrade"
    return SchemaState(words, is_usable=False)


def refuse_other(version: int) -> None:
    """Go on only with the version that is known here.

    Raises:
        ConfigError: it is another one.
    """
    if version != VERSION:
        raise ConfigError(f"STORE_URL: the schema is of {state_of(version).words}")
