"""The tables, on a `MetaData` of our own so that no host's migrations see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateIndex, CreateTable

from ...errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

VERSION: Final = 5
"""Of the schema; a process refuses a newer one than it knows."""
FILL_FACTOR: Final = "fillfactor"
"""Of a table's `info`: per cent of a page of PostgreSQL that new rows fill, so that an update finds room beside."""
_MYSQLS: Final = ("mysql", "mariadb")
_MYSQL: Final[dict[str, Any]] = {"mysql_engine": "InnoDB", "mariadb_engine": "InnoDB"}
_USER_ID: Final = 1020
"""Bytes of a user id: 255 characters of four bytes."""
_REALM: Final = 512


def revision_of(version: int) -> str:
    """The name of the step that leads to this version of the schema."""
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


def make_metadata(*, schema: str | None = None) -> MetaData:
    """All tables; their types are those of the dialect that they are compiled for."""
    metadata = MetaData(schema=schema)
    _sessions(metadata)
    _principals(metadata)
    _log(metadata)
    _entries(metadata)
    _values(metadata)
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
        # MySQL has no IF NOT EXISTS for them.
        *(str(CreateIndex(index, if_not_exists=dialect.name != "mysql").compile(dialect=dialect)) for index in indexes),
    ]


def _options(table: Table, dialect: Dialect) -> str:
    """Storage parameters of PostgreSQL, for which SQLAlchemy before 2.1 has no word."""
    factor = table.info.get(FILL_FACTOR)
    return f" WITH (fillfactor = {factor})" if factor and dialect.name == "postgresql" else ""


def _sessions(metadata: MetaData) -> None:
    # The columns stand in the order of the fields of `sessions.model.Session`, but for those that later versions added.
    Table(
        "tessera_sessions",
        metadata,
        _bytes("sid", 16, primary_key=True),
        _exact("realm", _REALM),
        _exact("user_id", _USER_ID),
        *map(_integer, ("created_at", "auth_at", "idle_until", "until", "access_lifetime")),
        *map(_integer, ("gen", "predecessor", "rotated_at", "confirmed", "epoch", "last_seen_at", "ended_at")),
        *map(_text, ("end_reason", "device_type", "device_id", "device_name", "ip", "user_agent", "scope", "amr")),
        *map(_text, ("user_stamp", "issued_for", "claims")),
        # The live sessions of a user lie together, and the ended ones by when they did. No column that a refresh writes
        # stands in an index: PostgreSQL then writes the new row beside the old one (HOT), if there is room.
        Index("tessera_sessions_owner", "user_id", "realm", "ended_at"),
        sqlite_with_rowid=False,
        info={FILL_FACTOR: 85},
        **_MYSQL,
    )


def _principals(metadata: MetaData) -> None:
    Table(
        "tessera_principals",
        metadata,
        _exact("user_id", _USER_ID, primary_key=True),
        _exact("realm", _REALM, primary_key=True),
        _integer("epoch"),
        _integer("suspended_until"),
        sqlite_with_rowid=False,
        info={FILL_FACTOR: 85},
        **_MYSQL,
    )


def _log(metadata: MetaData) -> None:
    Table(
        "tessera_log",
        metadata,
        # Its one row has a key: without a predicate PostgreSQL takes a table that was never analysed for a large one.
        Column("id", SmallInteger, primary_key=True, autoincrement=False),
        _exact("log_id", 64),
        Column("created_at", BigInteger, nullable=True),
        # On which server, or in which file, it was then: a copy that was put back has forgotten what came later, so it
        # begins anew.
        _exact("place", 255),
        _integer("head"),
        _integer("valid_from"),
        _integer("schema_version"),
        **_MYSQL,
    )


def _entries(metadata: MetaData) -> None:
    Table(
        "tessera_entries",
        metadata,
        Column("number", BigInteger, primary_key=True, autoincrement=False),
        _integer("forget_at"),
        _text("reason"),
        _bytes("sid", 16),
        _exact("realm", _REALM),
        _exact("user_id", _USER_ID),
        _integer("epoch"),
        _bytes("except_sid", 16),
        # When it was appended, by the clock of who appended it and, in milliseconds, by the server's own.
        _integer("noted_at"),
        _integer("noted"),
        Index("tessera_entries_forget_at", "forget_at"),
        **_MYSQL,
    )


def _values(metadata: MetaData) -> None:
    Table(
        "tessera_values",
        metadata,
        _exact("kind", 32, primary_key=True),
        _bytes("name", 255, primary_key=True),
        Column("value", LargeBinary().with_variant(mysql.MEDIUMBLOB(), *_MYSQLS), nullable=False),
        _integer("version"),
        _integer("expires_at"),
        _bytes("owner", _REALM + _USER_ID),
        Index("tessera_values_owner", "owner", "kind"),
        Index("tessera_values_expires_at", "expires_at"),
        **_MYSQL,
    )


def _exact(name: str, most: int, **options: Any) -> Column[str]:
    """A text that is compared byte by byte: in MySQL as bytes, since collations take `admin` and `admin ` for one."""
    return Column(name, Text().with_variant(mysql.VARBINARY(most), *_MYSQLS), nullable=False, **options)


def _bytes(name: str, most: int, **options: Any) -> Column[bytes]:
    return Column(name, LargeBinary().with_variant(mysql.VARBINARY(most), *_MYSQLS), nullable=False, **options)


def _text(name: str) -> Column[str]:
    longest = mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin")
    return Column(name, Text().with_variant(longest, *_MYSQLS), nullable=False)


def _integer(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)
