"""The way from an older schema to the present one, with Alembic, beside a host's own migrations.

A new database is created whole at first use, without Alembic, and noted as being of the last revision.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy

from ....errors import missing_extra
from ...contract import SchemaState
from .. import schema

if TYPE_CHECKING:
    from alembic.config import Config

HEAD: Final = schema.revision_of(schema.VERSION)
"""The last revision."""
_FOLDER: Final = Path(__file__).parent
_OURS: Final = "tessera_"
_VERSION: Final = sqlalchemy.text("SELECT schema_version FROM tessera_log")
_REVISION: Final = sqlalchemy.text(f"SELECT version_num FROM {schema.REVISION_TABLE}")  # noqa: S608 - a constant


def is_ours(name: str | None, kind: str, _parents: Any) -> bool:
    """Whether Alembic's autogenerate may look at this table; for `include_name` of our own."""
    return kind != "table" or (name or "").startswith(_OURS)


def is_not_ours(name: str | None, kind: str, _parents: Any) -> bool:
    """The opposite: for `include_name` in the `env.py` of a host whose SQLite file holds our tables as well.

    On PostgreSQL they lie in a schema of their own, where a host's autogenerate does not look.
    """
    return kind != "table" or not (name or "").startswith(_OURS)


def version_of(connection: sqlalchemy.Connection) -> int:
    """Of the schema in the database; 0 where there are no tables."""
    if not sqlalchemy.inspect(connection).has_table("tessera_log"):
        return 0
    # A log that has lost its name gets a new one when it is opened; its tables are there.
    return int(connection.execute(_VERSION).scalar() or schema.VERSION)


def state_of(version: int) -> SchemaState:
    """Whether this package can work with a schema of this version, and what is to be done if not."""
    if not version:
        words = f"no tables yet; they are made at first use, of version {schema.VERSION}"
        return SchemaState(words, is_usable=True, is_new=True)
    if version == schema.VERSION:
        return SchemaState(f"version {version}, the present one", is_usable=True)
    if version > schema.VERSION:
        words = f"version {version}, newer than {schema.VERSION} known here; use a newer flask-tessera"
    else:
        words = f"version {version}, older than {schema.VERSION}; run: flask tessera db upgrade"
    return SchemaState(words, is_usable=False)


def upgrade(connection: sqlalchemy.Connection) -> list[str]:
    """Bring the schema up to date within the transaction of `connection`, which keeps others from doing so too.

    Returns:
        The revisions that were applied, oldest first.

    Raises:
        ConfigError: Alembic is missing, or the schema is newer than known here.
    """
    version = version_of(connection)
    if version >= schema.VERSION:
        schema.refuse_other(version)
        return []
    config = _config(connection)
    from alembic import command

    if version and not _is_stamped(connection):
        # Made before revisions were noted.
        command.stamp(config, schema.revision_of(version))
    command.upgrade(config, "head")
    return [schema.revision_of(number) for number in range(version + 1, schema.VERSION + 1)]


def _is_stamped(connection: sqlalchemy.Connection) -> bool:
    if not sqlalchemy.inspect(connection).has_table(schema.REVISION_TABLE):
        return False
    return connection.execute(_REVISION).scalar() is not None


def _config(connection: sqlalchemy.Connection) -> Config:
    try:
        from alembic.config import Config
    except ImportError as error:
        raise missing_extra("the upgrade of a schema needs alembic", "migrations") from error
    config = Config(stdout=io.StringIO(), attributes={"connection": connection})
    config.set_main_option("script_location", str(_FOLDER))
    return config
