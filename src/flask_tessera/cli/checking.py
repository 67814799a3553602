"""`doctor`: what could be better."""

from __future__ import annotations

import click
from flask import current_app

from ..doctor import examine
from .printing import printable
from .realm import running, with_realm


@click.command("doctor")
@with_realm
def doctor(realm: str | None) -> None:
    """Show the running configuration and its weak spots; exits with 1 if there is one that matters."""
    findings = examine(current_app, running(realm))
    for finding in findings:
        click.echo(f"{finding.level:5} {printable(finding.text)}")
    if any(finding.level == "FAIL" for finding in findings):
        click.get_current_context().exit(1)
