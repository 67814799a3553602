"""Eras, workers, and on PostgreSQL the transaction that wrote an entry of the log, and when.

Nothing is rewritten: all new columns have a default that does not change from row to row. Processes of version 1 go on,
since they name the columns that they write and read.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from flask_tessera.storage.sql.schema import TransactionId

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add what version 2 has."""
    for table in ("tessera_sessions", "tessera_log"):
        op.add_column(table, sa.Column("era", sa.BigInteger, nullable=False, server_default=sa.text("0")))
    op.create_table(
        "tessera_workers",
        sa.Column("name", sa.Text, primary_key=True),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("started_at", "beat_at", "lag_ms")),
        sqlite_with_rowid=False,
    )
    if op.get_context().dialect.name == "postgresql":
        _upgrade_postgres()
    op.execute("UPDATE tessera_log SET schema_version = 2")


def _upgrade_postgres() -> None:
    for table, factor in (("tessera_sessions", 85), ("tessera_principals", 85), ("tessera_workers", 50)):
        op.execute(f"ALTER TABLE {table} SET (fillfactor = {factor})")
    # What is there counts as written by this transaction: seen by all once it is committed.
    xid = sa.Column("xid", TransactionId, nullable=False, server_default=sa.text("pg_current_xact_id()"))
    op.add_column("tessera_revocations", xid)
    op.create_index("tessera_revocations_xid", "tessera_revocations", ["xid"])
    noted_at = sa.Column("noted_at", sa.BigInteger, nullable=False, server_default=sa.text("0"))
    noted = sa.Column("noted", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()"))
    op.add_column("tessera_revocations", noted_at)
    op.add_column("tessera_revocations", noted)
