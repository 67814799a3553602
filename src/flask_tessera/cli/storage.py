"""`purge` and `restored`: what is to be done about the storage as a whole."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click
from flask import current_app

from ..services import ownership
from ..services.purging import purge as remove_dead
from ..web.app_state import states_of
from .printing import effect, time_text
from .realm import running, with_realm

if TYPE_CHECKING:
    from ..web.app_state import Runtime

_BATCH = 500
"""Sessions that are removed in one transaction."""
_REST = 0.02
"""Seconds between two batches, in which others get at the write lock."""


@click.command("purge")
@click.option("--force", is_flag=True, help="Even if the clock seems to have jumped.")
@with_realm
def purge(force: bool, realm: str | None) -> None:
    """Remove sessions whose tokens are all dead, and endings that no live token can contradict."""
    runtime = running(realm)
    removed = remove_dead(
        runtime.storage, at=runtime.clock(), batch=_BATCH, force=force, rest=lambda: time.sleep(_REST)
    )
    click.echo(f"removed {removed} sessions")


@click.command("adopt")
@with_realm
def adopt(realm: str | None) -> None:
    """Make the storage this application's, though another SECRET_KEY has used it: the key was replaced on purpose."""
    runtime = running(realm, owned=False)
    ownership.adopt(runtime.storage, states_of(current_app).storage_ring(), at=runtime.clock())
    click.echo("the storage belongs to the application with this SECRET_KEY now")


@click.command("restored")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_realm
def restored(yes: bool, realm: str | None) -> None:
    """End all sessions after a backup was put back, which has forgotten which of them had ended."""
    runtime = running(realm)
    if not yes:
        click.confirm("This ends all sessions of all users. Was a backup put back?", abort=True)
    at = runtime.clock()
    # Times are whole seconds: what began in this one is over, too, and nobody is to begin in it any more.
    runtime.storage.revocations.restart(at=at, valid_from=at + 1)
    time.sleep(1)
    delay = _delay(runtime, runtime.clock())
    click.echo(f"all sessions that began before {time_text(at)} are over; {effect(runtime)}, {delay}")


def _delay(runtime: Runtime, at: int) -> str:
    left = runtime.effective_by() - at
    return f"within {left} s" if left else "at once"
