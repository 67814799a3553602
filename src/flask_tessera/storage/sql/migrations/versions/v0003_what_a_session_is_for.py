"""What a session was issued for, the stamp of its user, and its claims.

Nothing is rewritten: the columns have a default that does not change from row to row. Processes of version 2 go on,
since they name the columns that they write and read.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add what version 3 has."""
    for name in ("user_stamp", "issued_for", "claims"):
        op.add_column("tessera_sessions", sa.Column(name, sa.Text, nullable=False, server_default=sa.text("''")))
    op.execute("UPDATE tessera_log SET schema_version = 3")
