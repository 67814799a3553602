"""The commands: `flask tessera …` inside any application, `flask-tessera …` for the ready service."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import click
from flask import current_app
from flask.cli import AppGroup, ScriptInfo, with_appcontext

from .doctor import examine
from .errors import TesseraError
from .services.keys import parse_sid, sid_text
from .services.purging import purge as remove_dead
from .web.guards import runtime_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Flask

    from .server.app import Service
    from .sessions.record import Session
    from .web.runtime import Runtime

_BATCH = 500
tessera_commands = AppGroup("tessera", help="Sessions, purge and doctor of this application.")


class _Friendly(click.Group):
    """Says what went wrong in one sentence, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TesseraError as error:
            raise click.ClickException(str(error) or error.row.en) from error


@click.group("sessions", cls=_Friendly)
def sessions() -> None:
    """List and end sessions."""


def _realm(function: Any) -> Any:
    return click.option("--realm", default="", help="Which population of users.")(with_appcontext(function))


@sessions.command("list")
@click.argument("user")
@_realm
def list_sessions(user: str, realm: str) -> None:
    """List the live sessions of USER (the user id)."""
    _print_sessions(runtime_of(realm).sessions.list(user))


@sessions.command("end")
@click.argument("sid")
@_realm
def end_session(sid: str, realm: str) -> None:
    """End the session SID."""
    runtime = runtime_of(realm)
    ended = runtime.sessions.end(parse_sid(sid), "kick")
    click.echo(f"ended {sid_text(ended.sid)} of user {ended.user_id} ({ended.end_reason}); {_effect(runtime)}")


@sessions.command("end-user")
@click.argument("user")
@_realm
def end_user(user: str, realm: str) -> None:
    """End all sessions of USER (the user id)."""
    runtime = runtime_of(realm)
    ended = runtime.sessions.end_user(user, "kick")
    click.echo(f"ended {len(ended)} sessions of user {user}; {_effect(runtime)}")


@click.command("purge")
@click.option("--force", is_flag=True, help="Even if the clock seems to have jumped.")
@_realm
def purge(force: bool, realm: str) -> None:
    """Remove sessions whose tokens are all dead, and endings that no live token can contradict."""
    runtime = runtime_of(realm)
    removed = remove_dead(runtime.storage, at=runtime.clock(), batch=_BATCH, force=force)
    click.echo(f"removed {removed} sessions")


@click.command("doctor")
@_realm
def doctor(realm: str) -> None:
    """Show the running configuration and its weak spots; exits with 1 if there is one that matters."""
    findings = examine(current_app, runtime_of(realm))
    for finding in findings:
        click.echo(f"{finding.level:5} {finding.text}")
    if any(finding.level == "FAIL" for finding in findings):
        raise click.exceptions.Exit(1)


for _command in (sessions, purge, doctor):
    tessera_commands.add_command(_command)


@click.group("flask-tessera", cls=_Friendly)
@click.option("--data", default="", metavar="DIR", help="Data folder; by default TESSERA_DATA_DIR or ./tessera-data.")
@click.option("--store", default="", metavar="URL", help="Storage; by default TESSERA_STORE_URL or SQLite in the folder.")
@click.version_option(package_name="flask-tessera")
@click.pass_context
def main(ctx: click.Context, data: str, store: str) -> None:
    """Serve the ready token service, and look after its users and sessions."""
    ctx.obj = ScriptInfo(create_app=lambda: _create(data, store), set_debug_flag=False)


def _create(data: str, store: str) -> Flask:
    from .server import create_app

    return create_app(data=data, store=store)


@main.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--data", default="", metavar="DIR", help="Data folder.")
@click.option("--store", default="", metavar="URL", help="Storage.")
@click.option("--demo", is_flag=True, help="With a demo user, whose random password is printed.")
@click.pass_context
def serve(ctx: click.Context, host: str, port: int, data: str, store: str, demo: bool) -> None:
    """Run the service with waitress until it is interrupted."""
    from .server.serving import run

    parent = ctx.parent.params if ctx.parent else {}
    app = _create(data or parent.get("data", ""), store or parent.get("store", ""))
    try:
        run(app, host, port, demo=demo, say=click.echo)
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}; try another --port") from error


@main.group("users", cls=_Friendly)
def users() -> None:
    """Look after the service's users."""


@users.command("add")
@click.argument("phone")
@click.option("--name", default="")
@click.option("--level", default=0, type=click.IntRange(0, 1_000_000))
@click.option("--role", default="")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, up to its first newline.")
@with_appcontext
def add_user(phone: str, name: str, level: int, role: str, password_stdin: bool) -> None:
    """Add a user with the phone number PHONE; asks for the password."""
    from .server.administration import add

    if password_stdin:
        password = click.get_text_stream("stdin").readline().removesuffix("\n").removesuffix("\r")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    user = add(_service(), phone, password, name=name, level=level, role=role)
    click.echo(f"added user {user.id} with phone {user.phone}")


@users.command("list")
@with_appcontext
def list_users() -> None:
    """List all users."""
    for user in _service().users.all():
        state = "disabled" if user.disabled else "enabled"
        click.echo(f"{user.id}\t{user.phone}\t{state}\t{user.level}\t{user.role or '-'}\t{user.name or '-'}")


@users.command("disable")
@click.argument("phone")
@with_appcontext
def disable_user(phone: str) -> None:
    """Lock a user out and end all sessions."""
    from .server.administration import disable

    click.echo(f"disabled {phone}; {disable(_service(), phone)} sessions ended; {_effect(runtime_of(''))}")


@users.command("enable")
@click.argument("phone")
@with_appcontext
def enable_user(phone: str) -> None:
    """Let a user log in again; ended sessions stay ended."""
    from .server.administration import enable

    enable(_service(), phone)
    click.echo(f"enabled {phone}")


@users.command("delete")
@click.argument("phone")
@with_appcontext
def delete_user(phone: str) -> None:
    """Remove a user and end all sessions."""
    from .server.administration import delete

    click.echo(f"deleted {phone}; {delete(_service(), phone)} sessions ended; {_effect(runtime_of(''))}")


for _command in (sessions, purge, doctor):
    main.add_command(_command)


def _service() -> Service:
    service: Service = current_app.extensions["tessera_service"]
    return service


def _effect(runtime: Runtime) -> str:
    return f"refused by every worker by {_time(runtime.effective_by())}"


def _print_sessions(live: Iterable[Session]) -> None:
    count = 0
    for count, session in enumerate(live, 1):
        device = session.device_name or session.device_type or session.user_agent or "-"
        seen = _time(session.last_seen_at // 60 * 60)
        click.echo(f"{sid_text(session.sid)}\tsince {_time(session.created_at)}\tseen {seen}\t{session.ip or '-'}\t{device}")
    click.echo(f"{count} live sessions")


def _time(second: int) -> str:
    return datetime.datetime.fromtimestamp(second, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


if __name__ == "__main__":
    main()
