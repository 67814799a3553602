"""`doctor`: what could be better."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from flask import current_app

from ..doctor import examine
from .printing import printable
from .realm import running, with_realm

if TYPE_CHECKING:
    from ..doctor import Finding


@click.command("doctor")
@with_realm
def doctor(realm: str | None) -> None:
    """Show the running configuration and its weak spots; exits with 1 if there is one that matters."""
    findings = examine(current_app, running(realm, owned=False))
    for finding in findings:
        click.echo(f"{finding.level:5} {printable(finding.text)}")
    _say_what_matters(findings)


def _say_what_matters(findings: list[Finding]) -> None:
    """On standard error too, where a report that nobody reads does not hide it.

    Raises:
        ClickException: there is something.
    """
    if failures := [printable(finding.text) for finding in findings if finding.level == "FAIL"]:
        raise click.ClickException("; ".join(failures))
