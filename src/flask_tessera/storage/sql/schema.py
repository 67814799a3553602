"""The tables, on a `MetaData` of our own so that no host's migrations see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.schema import CreateIndex, CreateTable

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

VERSION: Final = 1
"""Of the schema; a process refuses a newer one than it knows."""

metadata = MetaData()


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _integer(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


# The columns stand in the order of the fields of `sessions.record.Session`.
sessions = Table(
    "tessera_sessions",
    metadata,
    Column("sid", LargeBinary, primary_key=True),
    _text("realm"),
    _text("user_id"),
    *map(_integer, ("created_at", "auth_at", "idle_until", "until", "access_lifetime")),
    *map(_integer, ("gen", "predecessor", "rotated_at", "confirmed", "epoch", "last_seen_at", "ended_at")),
    *map(_text, ("end_reason", "device_type", "device_id", "device_name", "ip", "user_agent", "scope", "amr")),
    _integer("era"),
    # Ordered by sid within a user, so oldest first.
    Index("tessera_sessions_user", "user_id", "realm"),
    sqlite_with_rowid=False,
)

principals = Table(
    "tessera_principals",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("realm", Text, primary_key=True),
    _integer("epoch"),
    _integer("suspended_until"),
    sqlite_with_rowid=False,
)

revocations = Table(
    "tessera_revocations",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    _integer("forget_at"),
    _text("reason"),
    Column("sid", LargeBinary, nullable=False),
    _text("realm"),
    _text("user_id"),
    _integer("epoch"),
    Column("except_sid", LargeBinary, nullable=False),
    # Numbers must not be given twice, or a cursor would pass over the second entry.
    sqlite_autoincrement=True,
)

log = Table(
    "tessera_log",
    metadata,
    Column("log_id", Text, primary_key=True),
    Column("born_at", BigInteger, nullable=True),
    # Which file it was then: a copy that was put back has forgotten what came later, so it is born anew.
    _text("file"),
    _integer("schema_version"),
)


def statements(dialect: Dialect) -> list[str]:
    """What creates the tables that are missing, as `dialect` says it."""
    tables = metadata.sorted_tables
    indexes = [index for table in tables for index in table.indexes]
    return [
        *(str(CreateTable(table, if_not_exists=True).compile(dialect=dialect)) for table in tables),
        *(str(CreateIndex(index, if_not_exists=True).compile(dialect=dialect)) for index in indexes),
    ]
