"""`users …`: the ready service's users."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, BinaryIO

import click
from flask import current_app
from flask.cli import with_appcontext

from ..errors import InputError
from ..web.app_state import states_of
from .error_reporting import ErrorReportingGroup
from .printing import effect, print_row
from .realm import leave, refuse_new

if TYPE_CHECKING:
    from ..server.app import Service


_password_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input, up to its first newline."
)


@click.group("users", cls=ErrorReportingGroup)
def users() -> None:
    """Look after the service's users."""


@users.command("add")
@click.argument("phone")
@click.option("--name", default="")
@click.option("--level", default=0, type=click.IntRange(0, 1_000_000))
@click.option("--role", default="")
@click.option("--scope", default="", help="What logins may do: words, separated by blanks.")
@_password_stdin
@with_appcontext
def add_user(phone: str, name: str, level: int, role: str, scope: str, password_stdin: bool) -> None:
    """Add a user with the phone number, or e-mail address, PHONE; asks for the password."""
    from ..server.administration import add

    password = _read_password(password_stdin)
    user = add(_service(), phone, password, name=name, level=level, role=role, scope=scope)
    what = "e-mail address" if "@" in user.phone else "phone"
    click.echo(f"added user {user.id} with {what} {user.phone}")


@users.command("passwd")
@click.argument("phone")
@_password_stdin
@with_appcontext
def change_password(phone: str, password_stdin: bool) -> None:
    """Give the user with the phone number PHONE a new password, and end all sessions; asks for it twice.

    Where standard input is no terminal, its first line is the password.
    """
    from ..server.administration import find, set_password

    service = _service()
    # Before anybody types a password for nobody.
    user = find(service, phone)
    ended = set_password(service, user.phone, _read_password(password_stdin or not _is_terminal()))
    click.echo(f"changed the password of {phone}; {ended} sessions ended; {effect(service.tessera.runtime)}")


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _read_password(from_stdin: bool) -> str:
    if from_stdin:
        return _first_line(sys.stdin.buffer)
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


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
    users = _service().users.all()
    if not users:
        click.echo("no users", err=True)
    for user in users:
        state = "disabled" if user.disabled else "enabled"
        shown = [str(user.id), user.phone, state, str(user.level), user.role, user.name]
        print_row(*shown, *([user.scope] if user.scope else []))


@users.command("scope")
@click.argument("phone")
@click.argument("scope")
@with_appcontext
def set_scope(phone: str, scope: str) -> None:
    """Say what the logins of a user may do, and end all sessions: SCOPE is words, separated by blanks, or ''."""
    from ..server import administration

    service = _service()
    ended = administration.set_scope(service, phone, scope)
    click.echo(f"changed the scope of {phone}; {ended} sessions ended; {effect(service.tessera.runtime)}")


@users.command("reset-factors")
@click.argument("phone")
@with_appcontext
def reset_user_factors(phone: str) -> None:
    """Forget the second factors of a user who has lost them, passkeys too, and end all sessions."""
    from ..server.administration import reset_factors

    service = _service()
    ended = reset_factors(service, phone)
    click.echo(f"{phone} has no second factor any more; {ended} sessions ended; {effect(service.tessera.runtime)}")


@users.command("disable")
@click.argument("phone")
@with_appcontext
def disable_user(phone: str) -> None:
    """Lock a user out and end all sessions."""
    from ..server.administration import disable

    service = _service()
    click.echo(f"disabled {phone}; {disable(service, phone)} sessions ended; {effect(service.tessera.runtime)}")


@users.command("enable")
@click.argument("phone")
@with_appcontext
def enable_user(phone: str) -> None:
    """Let a user log in again; ended sessions stay ended."""
    from ..server.administration import enable

    enable(_service(), phone)
    click.echo(f"enabled {phone}")


@users.command("delete")
@click.argument("phone")
@with_appcontext
def delete_user(phone: str) -> None:
    """Remove a user and end all sessions."""
    from ..server.administration import delete

    service = _service()
    click.echo(f"deleted {phone}; {delete(service, phone)} sessions ended; {effect(service.tessera.runtime)}")


def _service() -> Service:
    """The service; its connections end with the command."""
    service: Service = current_app.extensions["tessera_service"]
    runtime = states_of(current_app).runtime(service.tessera.realm, owned=False)
    storage = runtime.storage
    click.get_current_context().call_on_close(lambda: leave(runtime))
    if service.may_create:
        # Users and storage are made together: what there is of one without the other would look like a mistake.
        storage.check()
        storage.revocations.head(at=runtime.clock())
    else:
        refuse_new(storage)
    return service
