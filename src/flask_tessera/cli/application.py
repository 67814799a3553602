"""`flask tessera …`: the commands of any application that uses the extension."""

from __future__ import annotations

import click

from .audit import audit
from .checking import doctor
from .error_reporting import ErrorReportingGroup
from .factors import reset_user_factors
from .routes import routes
from .schema import db
from .sessions import sessions
from .storage import adopt, purge, restored
from .workers import workers


@click.group("tessera", cls=ErrorReportingGroup)
def tessera_commands() -> None:
    """Sessions, second factors, what has happened, storage, workers, routes and doctor of this application."""


for _command in (sessions, reset_user_factors, audit, purge, workers, restored, adopt, db, routes, doctor):
    tessera_commands.add_command(_command)
