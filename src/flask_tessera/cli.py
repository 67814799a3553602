"""The commands: `flask tessera …` inside any application, `flask-tessera …` for the ready service."""

from __future__ import annotations

import copy
import datetime as dt
import sys
import time
from typing import TYPE_CHECKING, Any, BinaryIO

import click
from flask import current_app
from flask.cli import ScriptInfo, with_appcontext

from . import __version__
from .doctor import examine
from .errors import ConfigError, InputError, TesseraError
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
"""Sessions that are removed in one transaction."""
_REST = 0.02
"""Seconds between two batches, in which others get at the write lock."""
_WHERE = "flask_tessera.where"


class _Friendly(click.Group):
    """Says what went wrong in one sentence, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TesseraError as error:
            raise click.ClickException(_printable(str(error)) or error.row.en) from error


@click.group("tessera", cls=_Friendly)
def tessera_commands() -> None:
    """Sessions, purge and doctor of this application."""


@click.group("sessions", cls=_Friendly)
def sessions() -> None:
    """List and end sessions."""


def _realm(function: Any) -> Any:
    text = "Which population of users; needed where the application has several."
    return click.option("--realm", default=None, help=text)(with_appcontext(function))


@sessions.command("list")
@click.argument("user")
@_realm
def list_sessions(user: str, realm: str | None) -> None:
    """List the live sessions of USER (the user id)."""
    _print_sessions(_runtime(realm).sessions.list(user))


@sessions.command("end")
@click.argument("sid")
@_realm
def end_session(sid: str, realm: str | None) -> None:
    """End the session SID."""
    runtime = _runtime(realm)
    ended = runtime.sessions.end(parse_sid(sid), "kick")
    who = f"ended {sid_text(ended.sid)} of user {_printable(ended.user_id)} ({_printable(ended.end_reason)})"
    click.echo(f"{who}; {_effect(runtime)}")


@sessions.command("end-user")
@click.argument("user")
@_realm
def end_user(user: str, realm: str | None) -> None:
    """End all sessions of USER (the user id)."""
    runtime = _runtime(realm)
    ended = runtime.sessions.end_user(user, "kick")
    click.echo(f"ended {len(ended)} sessions of user {_printable(user)}; {_effect(runtime)}")


@click.command("purge")
@click.option("--force", is_flag=True, help="Even if the clock seems to have jumped.")
@_realm
def purge(force: bool, realm: str | None) -> None:
    """Remove sessions whose tokens are all dead, and endings that no live token can contradict."""
    runtime = _runtime(realm)
    removed = remove_dead(
        runtime.storage, at=runtime.clock(), batch=_BATCH, force=force, rest=lambda: time.sleep(_REST)
    )
    click.echo(f"removed {removed} sessions")


@click.command("doctor")
@_realm
def doctor(realm: str | None) -> None:
    """Show the running configuration and its weak spots; exits with 1 if there is one that matters."""
    findings = examine(current_app, _runtime(realm))
    for finding in findings:
        click.echo(f"{finding.level:5} {_printable(finding.text)}")
    if any(finding.level == "FAIL" for finding in findings):
        raise click.exceptions.Exit(1)


for _command in (sessions, purge, doctor):
    tessera_commands.add_command(_command)


@click.group("flask-tessera", cls=_Friendly)
@click.version_option(__version__, prog_name="flask-tessera")
@click.pass_context
def _service_commands(ctx: click.Context) -> None:
    """Serve the ready token service, and look after its users and sessions."""
    ctx.obj = ScriptInfo(create_app=lambda: _create(ctx), set_debug_flag=False)


def _create(ctx: click.Context) -> Flask:
    """The service's application, where `--data` and `--store` say.

    Raises:
        ConfigError: a setting is wrong, or the service's own dependencies are not installed.
    """
    try:
        from .server import create_app
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error.name} is missing: pip install 'flask-tessera[server]'") from error
    return create_app(**ctx.meta.get(_WHERE, {}))


@_service_commands.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--demo", is_flag=True, help="With a demo user, whose random password is printed.")
@click.pass_context
def serve(ctx: click.Context, host: str, port: int, demo: bool) -> None:
    """Run the service with waitress until it is interrupted."""
    app = _create(ctx)
    from .server.serving import run

    run(app, host, port, demo=demo, say=click.echo)


@click.group("users", cls=_Friendly)
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
        password = _first_line(sys.stdin.buffer)
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    user = add(_service(), phone, password, name=name, level=level, role=role)
    click.echo(f"added user {user.id} with phone {user.phone}")


def _first_line(stream: BinaryIO) -> str:
    """The password that stands there.

    Raises:
        InputError: it is no UTF-8.
    """
    try:
        return stream.readline().removesuffix(b"\n").removesuffix(b"\r").decode()
    except UnicodeDecodeError as error:
        raise InputError("the password must be UTF-8") from error


@users.command("list")
@with_appcontext
def list_users() -> None:
    """List all users."""
    for user in _service().users.all():
        state = "disabled" if user.disabled else "enabled"
        _print_row(str(user.id), user.phone, state, str(user.level), user.role, user.name)


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


for _command in (users, sessions, purge, doctor):
    _service_commands.add_command(_command)


def _remember(ctx: click.Context, option: click.Parameter, value: str | None) -> None:
    # `meta` is shared by the contexts of all commands of one call, so the option may stand behind any of them.
    if value and option.name:
        ctx.meta.setdefault(_WHERE, {})[option.name] = value


def _where_options() -> list[click.Parameter]:
    texts = {
        "data": ("DIR", "Data folder; by default TESSERA_DATA_DIR or ./tessera-data."),
        "store": ("URL", "Storage; by default TESSERA_STORE_URL or SQLite in the folder."),
    }
    return [
        click.Option([f"--{name}"], metavar=metavar, help=text, expose_value=False, callback=_remember)
        for name, (metavar, text) in texts.items()
    ]


def _with_where(command: click.Command) -> click.Command:
    """A copy of a command and all below it that takes `--data` and `--store`."""
    mine = copy.copy(command)
    mine.params = [*command.params, *_where_options()]
    if isinstance(mine, click.Group):
        mine.commands = {name: _with_where(each) for name, each in mine.commands.items()}
    return mine


main = _with_where(_service_commands)


def _service() -> Service:
    service: Service = current_app.extensions["tessera_service"]
    return service


def _runtime(realm: str | None) -> Runtime:
    """The Tessera of `realm`; of the only one where none is named."""
    realms = current_app.extensions.get("tessera", {})
    only = next(iter(realms)) if len(realms) == 1 else ""
    return runtime_of(only if realm is None else realm)


def _effect(runtime: Runtime) -> str:
    return f"refused by every worker by {_time(runtime.effective_by())}"


def _print_sessions(live: Iterable[Session]) -> None:
    shown = list(live)
    for each in shown:
        device = each.device_name or each.device_type or each.user_agent
        seen = _time(each.last_seen_at // 60 * 60)
        _print_row(sid_text(each.sid), f"since {_time(each.created_at)}", f"seen {seen}", each.ip, device)
    click.echo(f"{len(shown)} live sessions")


def _print_row(*texts: str) -> None:
    click.echo("\t".join(_printable(text) or "-" for text in texts))


def _printable(text: str) -> str:
    """`text` with everything as an escape that could move a terminal's cursor or begin a line."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def _time(second: int) -> str:
    return dt.datetime.fromtimestamp(second, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


if __name__ == "__main__":
    main()
