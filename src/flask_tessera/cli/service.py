"""`flask-tessera …`: the ready service, its users, and the commands that every application has."""

from __future__ import annotations

import copy
import os
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import click
from flask.cli import ScriptInfo

from .. import __version__
from ..errors import ConfigError, missing_extra
from .application import tessera_commands
from .error_reporting import ErrorReportingGroup
from .users import users

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

_WHERE = "flask_tessera.where"
_MAKERS = {("users", "add"), ("db", "upgrade")}
"""Commands, beside `serve`, that may make a store where there is none."""
_LISTER = ("users", "list")
"""A folder that is there and was named to it by hand may be empty: there are no users, and only a secret is made."""


@click.group("flask-tessera", cls=ErrorReportingGroup)
@click.version_option(__version__, prog_name="flask-tessera")
@click.pass_context
def _service_commands(ctx: click.Context) -> None:
    """Serve the ready token service, and look after its users and sessions."""
    ctx.obj = ScriptInfo(create_app=lambda: _make_app(ctx), set_debug_flag=False)


def _make_app(ctx: click.Context) -> Flask:
    """The service's application, where `--data` and `--store` say."""
    with _extra_installed():
        from ..server.app import make_app
    command = tuple(click.get_current_context().command_path.split()[-2:])
    where = ctx.meta.get(_WHERE, {})
    may_be_empty = command == _LISTER and "data" in where
    return make_app(**where, may_create=command in _MAKERS, may_be_empty=may_be_empty)


@contextmanager
def _extra_installed() -> Iterator[None]:
    """Says what is to be installed.

    Raises:
        ConfigError: the service's own dependencies are not there.
    """
    try:
        yield
    except (ModuleNotFoundError, ConfigError) as error:
        # The modules of the accounts say themselves what they lack.
        missing = error.__cause__ if isinstance(error, ConfigError) else error
        if not isinstance(missing, ModuleNotFoundError):
            raise
        raise missing_extra(f"the service needs {missing.name}", "server") from error


@_service_commands.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--demo", is_flag=True, help="With a demo user; his random password is printed, and codes are.")
@click.pass_context
def serve(ctx: click.Context, host: str, port: int, demo: bool) -> None:
    """Run the service with waitress until it is interrupted."""
    with _extra_installed():
        from ..server import create_app
        from ..server.logs import json_logs, show_messages
        from ..server.serving import run
        from ..services.background import write_at_exit
    environment = {**_of_demo(port), **os.environ} if demo else None
    with json_logs(), show_messages() if demo else nullcontext():
        app = create_app(environment=environment, **ctx.meta.get(_WHERE, {}))
        try:
            run(app, host, port, demo=demo, say=click.echo)
        finally:
            # While the log is that of the service.
            write_at_exit()


def _of_demo(port: int) -> dict[str, str]:
    """What a demo is set to where nothing else is said: codes and links are printed, and links lead to it."""
    return {"TESSERA_SENDER": "console:", "TESSERA_PUBLIC_URL": f"http://localhost:{port}"}


for _command in (users, *tessera_commands.commands.values()):
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
