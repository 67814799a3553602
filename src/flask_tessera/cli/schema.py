"""`db …`: the schema of an SQL storage."""

from __future__ import annotations

from typing import Any, Final

import click

from .error_reporting import ErrorReportingGroup
from .printing import printable
from .realm import running, with_realm

_NO_SCHEMA: Final = "this storage has no schema"


@click.group("db", cls=ErrorReportingGroup)
def db() -> None:
    """Look after the schema of an SQL storage."""


@db.command("upgrade")
@with_realm
def upgrade(realm: str | None) -> None:
    """Bring the schema to what this version of the package needs; nobody is logged out."""
    storage = _migrating(realm)
    if storage is None:
        click.echo(_NO_SCHEMA)
        return
    for revision in storage.upgrade():
        click.echo(f"applied {printable(revision)}")
    click.echo("the schema is up to date")


@db.command("check")
@with_realm
def check(realm: str | None) -> None:
    """Tell of which version the schema is; exits with 1 if this package cannot work with it."""
    storage = _migrating(realm)
    if storage is None:
        click.echo(_NO_SCHEMA)
        return
    state = storage.schema_state()
    click.echo(printable(state.words))
    if not state.is_usable:
        click.get_current_context().exit(1)


def _migrating(realm: str | None) -> Any:
    """The storage, if it is one with a schema."""
    storage = running(realm, may_create=True, owned=False).storage
    return storage if hasattr(storage, "schema_state") else None
