"""`users …`: the ready service's users."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, BinaryIO

import click
from flask import current_app
from flask.cli import with_appcontext

from ..errors import InputError
from .friendly import Friendly
from .printing import effect, print_row

if TYPE_CHECKING:
    from ..server.app import Service


@click.group("users", cls=Friendly)
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
    from ..server.administration import add

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
        print_row(str(user.id), user.phone, state, str(user.level), user.role, user.name)


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
    click.get_current_context().call_on_close(service.tessera.runtime.storage.close)
    return service
