"""What Alembic runs: on the connection and in the transaction that it is given, and on no table but ours."""

from __future__ import annotations

from alembic import context

from flask_tessera.storage.sql import migrations, schema

_connection = context.config.attributes["connection"]
context.configure(
    connection=_connection,
    target_metadata=schema.make_metadata(postgres=_connection.dialect.name == "postgresql"),
    version_table=schema.REVISION_TABLE,
    include_name=migrations.is_ours,
    render_as_batch=True,
    # Alembic does not believe it of SQLite, whose driver once ended transactions before DDL; ours are begun by hand.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
