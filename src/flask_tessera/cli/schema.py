"""`db …`: the schema of an SQL storage."""

from __future__ import annotations

from typing import Any

import click

from .friendly import Friendly
from .printing import printable
from .realm import running, with_realm

_NO_SCHEMA = "this storage has no schema"


@click.group("db", cls=Friendly)
def db() -> None:
    """Look after the schema of an SQL storage."""


@db.command("upgrade")
@with_realm
def upgrade(realm: str | None) -> None:
    """Bring the schema to what this version of the package needs; nobody is logged out."""
    storage: Any = running(realm).storage
    if not hasattr(storage, "upgrade"):
        click.echo(_NO_SCHEMA)
        return
    for step in storage.upgrade():
        click.echo(printable(step))
    click.echo("the schema is current")


@db.command("check")
@with_realm
def check(realm: str | None) -> None:
    """Tell whether the schema is what this version of the package needs; exits with 1 if it is not."""
    storage: Any = running(realm).storage
    if not hasattr(storage, "upgrade"):
        click.echo(_NO_SCHEMA)
        return
    click.echo(printable(storage.schema_state()))
