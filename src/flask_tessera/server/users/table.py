"""The table of users, and what is asked of it, in any dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.types import TypeEngine

NAME: Final = "service_users"


class _ExactText(sa.TypeDecorator[str]):
    """Text that is compared byte by byte; MySQL would take `138` and `138 ` for the same, whatever the collation."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(mysql.VARBINARY(255) if dialect.name == "mysql" else sa.Text())

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        return value.encode() if value is not None and dialect.name == "mysql" else value

    def process_result_value(self, value: Any, _dialect: Dialect) -> Any:
        return value.decode() if isinstance(value, bytes) else value


def make_table(name: str = NAME) -> sa.Table:
    """The table, under this name."""
    return sa.Table(
        name,
        sa.MetaData(),
        # Chosen by us: a counter would begin anew where the database is lost, and give newcomers the ids of others.
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("phone", _ExactText, nullable=False, unique=True),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("head_portrait", sa.Text, nullable=False),
        sa.Column("intro", sa.Text, nullable=False),
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        # Tables of 0.1 are without the last two, and their processes may go on writing rows.
        sa.Column("scope", sa.Text, nullable=True),
        sa.Column("email", _ExactText, nullable=True, unique=True),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )


TABLE: Final = make_table()
_KEY: Final[sa.BindParameter[Any]] = sa.bindparam("key")
_hash = TABLE.c.password_hash
_HAS_PHONE: Final = TABLE.c.phone == _KEY
_USER: Final = tuple(sa.func.coalesce(column, "") if column.nullable else column for column in TABLE.c)
BY_ID: Final = sa.select(*_USER).where(TABLE.c.id == _KEY)
BY_PHONE: Final = sa.select(*_USER).where(_HAS_PHONE)
ALL: Final = sa.select(*_USER).order_by(TABLE.c.phone)
_ALTER: Final = f"ALTER TABLE {NAME} ADD COLUMN"
LATER: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "scope": dict.fromkeys(("sqlite", "postgresql", "mysql"), (f"{_ALTER} scope TEXT",)),
    "email": {
        # SQLite adds no column with a constraint, but undoes both statements together; MySQL undoes nothing.
        "sqlite": (f"{_ALTER} email TEXT", f"CREATE UNIQUE INDEX {NAME}_email ON {NAME} (email)"),
        "postgresql": (f"{_ALTER} email TEXT UNIQUE",),
        "mysql": (f"{_ALTER} email VARBINARY(255) UNIQUE",),
    },
}
"""What adds the columns to a table that was made without them, by the name of the dialect."""
BY_EMAIL: Final = sa.select(*_USER).where(TABLE.c.email == _KEY)
CHANGE_BY_ID: Final = sa.update(TABLE).where(TABLE.c.id == _KEY)
ADD: Final = sa.insert(TABLE)
CHANGE: Final = sa.update(TABLE).where(_HAS_PHONE)
REPLACE_HASH: Final = sa.update(TABLE).where((TABLE.c.id == _KEY) & (_hash == sa.bindparam("old_hash")))
DELETE: Final = sa.delete(TABLE).where(TABLE.c.id == _KEY)


class _Position(FunctionElement[int]):
    """Where a text stands in another, from 1; 0 if it does not."""

    inherit_cache = True


@compiles(_Position)
def _instr(element: _Position, compiler: SQLCompiler, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)})"


@compiles(_Position, "postgresql")
def _strpos(element: _Position, compiler: SQLCompiler, **options: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **options)})"


# What a hash says of how it was made: of argon2 up to its last parameter, of Werkzeug's up to the salt.
_LANES: Final = _Position(_hash, ",p=")
_KIND: Final = sa.case(
    (_LANES > 0, sa.func.substr(_hash, 1, _LANES + 4)),
    else_=sa.func.substr(_hash, 1, _Position(_hash, "$")),
)
ONE_HASH_OF_EACH_KIND: Final = sa.select(sa.func.min(_hash)).group_by(_KIND).limit(100)
