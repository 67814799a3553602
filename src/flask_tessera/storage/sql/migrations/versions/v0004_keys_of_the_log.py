"""On PostgreSQL a key for the row of the log, and indexes by which entries are read in order and dropped.

On SQLite nothing changes. Processes of version 3 go on: they name the columns that they write and read.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add what version 4 has."""
    if op.get_context().dialect.name == "postgresql":
        _upgrade_postgres()
    op.execute("UPDATE tessera_log SET schema_version = 4")


def _upgrade_postgres() -> None:
    op.add_column("tessera_log", sa.Column("id", sa.SmallInteger, nullable=False, server_default=sa.text("1")))
    op.create_index("tessera_log_id", "tessera_log", ["id"], unique=True)
    op.drop_index("tessera_revocations_xid")
    op.create_index("tessera_revocations_xid", "tessera_revocations", ["xid", "number"])
    op.create_index("tessera_revocations_forget_at", "tessera_revocations", ["forget_at"])
