"""Sessions, principals and the revocation log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables of version 1."""
    _create_sessions()
    _create_principals()
    _create_log()


def _create_sessions() -> None:
    op.create_table(
        "tessera_sessions",
        sa.Column("sid", sa.LargeBinary, primary_key=True),
        _text("realm"),
        _text("user_id"),
        *map(_integer, ("created_at", "auth_at", "idle_until", "until", "access_lifetime")),
        *map(_integer, ("gen", "predecessor", "rotated_at", "confirmed", "epoch", "last_seen_at", "ended_at")),
        *map(_text, ("end_reason", "device_type", "device_id", "device_name", "ip", "user_agent", "scope", "amr")),
        sqlite_with_rowid=False,
    )
    op.create_index("tessera_sessions_user", "tessera_sessions", ["user_id", "realm"])


def _create_principals() -> None:
    op.create_table(
        "tessera_principals",
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("realm", sa.Text, primary_key=True),
        *map(_integer, ("epoch", "suspended_until")),
        sqlite_with_rowid=False,
    )


def _create_log() -> None:
    op.create_table(
        "tessera_revocations",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        _integer("forget_at"),
        _text("reason"),
        sa.Column("sid", sa.LargeBinary, nullable=False),
        _text("realm"),
        _text("user_id"),
        _integer("epoch"),
        sa.Column("except_sid", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "tessera_log",
        sa.Column("log_id", sa.Text, primary_key=True),
        sa.Column("born_at", sa.BigInteger, nullable=True),
        _text("file"),
        _integer("schema_version"),
    )


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _integer(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)
