"""`reset-factors`: for who has lost the second factors."""

from __future__ import annotations

import click

from ..web.factor_reset import reset_factors
from .person import find_user_id
from .printing import effect, printable
from .realm import running, with_realm


@click.command("reset-factors")
@click.argument("user")
@with_realm
def reset_user_factors(user: str, realm: str | None) -> None:
    """Forget all second factors and passkeys of USER (the user id), who has lost them, and end all sessions."""
    runtime = running(realm)
    user_id = find_user_id(runtime, user)
    ended = reset_factors(runtime, user_id)
    who = f"user {printable(user_id)} has no second factor any more"
    click.echo(f"{who}; {len(ended)} sessions ended; {effect(runtime)}")
