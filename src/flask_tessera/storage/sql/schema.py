"""The tables, on a `MetaData` of our own so that no host's migrations see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.types import UserDefinedType

from ...errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

VERSION: Final = 4
"""Of the schema; a process refuses a newer one than it knows."""
FILL_FACTOR: Final = "fillfactor"
"""Of a table's `info`: per cent of a page of PostgreSQL that new rows fill, so that an update finds room beside."""
REVISION_TABLE: Final = "tessera_alembic_version"
"""Where Alembic notes the revision, apart from the host's own."""


def revision_of(version: int) -> str:
    """The name of the migration that leads to this version of the schema."""
    return f"{version:04}"


def refuse_other(version: int) -> None:
    """Go on only with the version that is known here.

    Raises:
        ConfigError: it is another one.
    """
    if version > VERSION:
        raise ConfigError(f"STORE_URL: the schema is of version {version}, newer than {VERSION} known here")
    if version < VERSION:
        raise ConfigError(
            f"STORE_URL: the schema is of version {version}, older than {VERSION}; run: flask tessera db upgrade"
        )


class TransactionId(UserDefinedType[int]):
    """PostgreSQL's `xid8`."""

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:
        """Its name in DDL."""
        return "xid8"


def make_metadata(*, schema: str | None = None, postgres: bool = False) -> MetaData:
    """All tables, as SQLite or PostgreSQL has them."""
    metadata = MetaData(schema=schema)
    _sessions(metadata)
    _principals(metadata)
    _revocations(metadata, postgres=postgres)
    _log(metadata, postgres=postgres)
    _workers(metadata)
    # As Alembic makes it.
    version = Column("version_num", String(32), nullable=False)
    Table(REVISION_TABLE, metadata, version, PrimaryKeyConstraint("version_num", name=f"{REVISION_TABLE}_pkc"))
    return metadata


def statements(metadata: MetaData, dialect: Dialect) -> list[str]:
    """What creates the tables that are missing, as `dialect` says it."""
    tables = metadata.sorted_tables
    indexes = [index for table in tables for index in sorted(table.indexes, key=lambda index: str(index.name))]
    return [
        *(
            str(CreateTable(table, if_not_exists=True).compile(dialect=dialect)) + _options(table, dialect)
            for table in tables
        ),
        *(str(CreateIndex(index, if_not_exists=True).compile(dialect=dialect)) for index in indexes),
    ]


def _options(table: Table, dialect: Dialect) -> str:
    """Storage parameters of PostgreSQL, for which SQLAlchemy before 2.1 has no word."""
    factor = table.info.get(FILL_FACTOR)
    return f" WITH (fillfactor = {factor})" if factor and dialect.name == "postgresql" else ""


def _sessions(metadata: MetaData) -> None:
    # The columns stand in the order of the fields of `sessions.record.Session`.
    Table(
        "tessera_sessions",
        metadata,
        Column("sid", LargeBinary, primary_key=True),
        _text("realm"),
        _text("user_id"),
        *map(_integer, ("created_at", "auth_at", "idle_until", "until", "access_lifetime")),
        *map(_integer, ("gen", "predecessor", "rotated_at", "confirmed", "epoch", "last_seen_at", "ended_at")),
        *map(_text, ("end_reason", "device_type", "device_id", "device_name", "ip", "user_agent", "scope", "amr")),
        _era(),
        *map(_new_text, ("user_stamp", "issued_for", "claims")),
        # Ordered by sid within a user, so oldest first. No column that a refresh writes stands in an index:
        # PostgreSQL then writes the new row beside the old one and touches no index (HOT), if there is room.
        Index("tessera_sessions_user", "user_id", "realm"),
        sqlite_with_rowid=False,
        info={FILL_FACTOR: 85},
    )


def _principals(metadata: MetaData) -> None:
    Table(
        "tessera_principals",
        metadata,
        Column("user_id", Text, primary_key=True),
        Column("realm", Text, primary_key=True),
        _integer("epoch"),
        _integer("suspended_until"),
        sqlite_with_rowid=False,
        info={FILL_FACTOR: 85},
    )


def _revocations(metadata: MetaData, *, postgres: bool) -> None:
    table = Table(
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
    if postgres:
        # Who wrote it: a transaction may commit after one that took a later number.
        table.append_column(Column("xid", TransactionId, nullable=False, server_default=text("pg_current_xact_id()")))
        # As pages are ordered, so that one is read without a sort.
        Index("tessera_revocations_xid", table.c.xid, table.c.number)
        Index("tessera_revocations_forget_at", table.c.forget_at)
        # When it was noted by the clock of who noted it, 0 where that is not known, and by the server's own: an entry
        # is swept by both, since one alone may have jumped.
        table.append_column(Column("noted_at", BigInteger, nullable=False, server_default=text("0")))
        table.append_column(Column("noted", DateTime(timezone=True), nullable=False, server_default=text("now()")))


def _log(metadata: MetaData, *, postgres: bool) -> None:
    table = Table(
        "tessera_log",
        metadata,
        Column("log_id", Text, primary_key=True),
        Column("born_at", BigInteger, nullable=True),
        # Which file, or which server and table, it was then: a copy that was put back has forgotten what came later,
        # so it is born anew.
        _text("file"),
        _integer("schema_version"),
        _era(),
    )
    if postgres:
        # The key of its one row: without a predicate the planner takes a table that was never analysed for a large one.
        table.append_column(Column("id", SmallInteger, nullable=False, server_default=text("1")))
        Index("tessera_log_id", table.c.id, unique=True)


def _workers(metadata: MetaData) -> None:
    Table(
        "tessera_workers",
        metadata,
        Column("name", Text, primary_key=True),
        *map(_integer, ("started_at", "beat_at", "lag_ms")),
        sqlite_with_rowid=False,
        info={FILL_FACTOR: 50},
    )


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _integer(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _new_text(name: str) -> Column[str]:
    # A default, since processes of version 2 that are still running write rows without it.
    return Column(name, Text, nullable=False, server_default=text("''"))


def _era() -> Column[int]:
    # A default, since processes of version 1 that are still about write rows without it.
    return Column("era", BigInteger, nullable=False, server_default=text("0"))
