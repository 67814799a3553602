"""The table of users, and what is asked of it, in any dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE: Final = sa.Table(
    "service_users",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(), primary_key=True),
    sa.Column("phone", sa.Text, nullable=False, unique=True),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("head_portrait", sa.Text, nullable=False),
    sa.Column("intro", sa.Text, nullable=False),
    sa.Column("level", sa.Integer, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    # A deleted user's id must not become another's.
    sqlite_autoincrement=True,
)
_KEY: Final[sa.BindParameter[Any]] = sa.bindparam("key")
_hash = TABLE.c.password_hash
_HAS_PHONE: Final = TABLE.c.phone == _KEY
_HAS_OLD_HASH: Final = (TABLE.c.id == _KEY) & (_hash == sa.bindparam("old_hash"))
BY_ID: Final = sa.select(TABLE).where(TABLE.c.id == _KEY)
BY_PHONE: Final = sa.select(TABLE).where(_HAS_PHONE)
ALL: Final = sa.select(TABLE).order_by(TABLE.c.id)
ADD: Final = sa.insert(TABLE).returning(*TABLE.c)
CHANGE: Final = sa.update(TABLE).where(_HAS_PHONE).returning(*TABLE.c)
REPLACE_HASH: Final = sa.update(TABLE).where(_HAS_OLD_HASH).returning(TABLE.c.id)
DELETE: Final = sa.delete(TABLE).where(_HAS_PHONE).returning(*TABLE.c)
_LANES: Final = ",p="


def one_hash_of_each_kind(position: Callable[..., Any]) -> sa.Select[Any]:
    """One password hash of each kind, a hundred at most.

    Args:
        position: the database's function that gives where a text stands in another, from 1; 0 if it does not.
    """
    # What a hash says of how it was made: of argon2 up to its last parameter, of Werkzeug's up to the salt.
    kind = sa.case(
        (position(_hash, _LANES) > 0, sa.func.substr(_hash, 1, position(_hash, _LANES) + 4)),
        else_=sa.func.substr(_hash, 1, position(_hash, "$")),
    )
    return sa.select(sa.func.min(_hash)).group_by(kind).limit(100)
