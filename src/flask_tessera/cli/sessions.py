"""`sessions …`: who is logged in where, and how to end it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..services.keys import parse_sid, sid_text
from .error_reporting import ErrorReportingGroup
from .moving import move_sessions
from .person import find_user_id
from .printing import effect, print_row, printable, time_text
from .realm import running, with_realm

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..sessions.model import Session


@click.group("sessions", cls=ErrorReportingGroup)
def sessions() -> None:
    """List, end and move sessions."""


@sessions.command("list")
@click.argument("user")
@with_realm
def list_sessions(user: str, realm: str | None) -> None:
    """List the live sessions of USER (the user id; in the ready service also the phone number or e-mail address)."""
    runtime = running(realm)
    _print_sessions(runtime.sessions.list(find_user_id(runtime, user)))


@sessions.command("end")
@click.argument("sid")
@with_realm
def end_session(sid: str, realm: str | None) -> None:
    """End the session SID."""
    runtime = running(realm)
    ended = runtime.sessions.end(parse_sid(sid), "kick")
    who = f"ended {sid_text(ended.sid)} of user {printable(ended.user_id)} ({printable(ended.end_reason)})"
    click.echo(f"{who}; {effect(runtime)}")


@sessions.command("end-user")
@click.argument("user")
@with_realm
def end_user(user: str, realm: str | None) -> None:
    """End all sessions of USER (the user id; in the ready service also the phone number or e-mail address)."""
    runtime = running(realm)
    user_id = find_user_id(runtime, user)
    ended = runtime.sessions.end_user(user_id, "kick")
    click.echo(f"ended {len(ended)} sessions of user {printable(user_id)}; {effect(runtime)}")


sessions.add_command(move_sessions)


def _print_sessions(live: Iterable[Session]) -> None:
    shown = list(live)
    for each in shown:
        device = each.device_name or each.device_type or each.user_agent
        seen = time_text(each.last_seen_shown)
        print_row(sid_text(each.sid), f"since {time_text(each.created_at)}", f"seen {seen}", each.ip, device)
    click.echo(f"{len(shown)} live sessions")
