"""Whose sessions a command is about: the Tessera of a realm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from flask import current_app
from flask.cli import with_appcontext

from ..web.guards import runtime_of

if TYPE_CHECKING:
    from ..web.runtime import Runtime


def with_realm(function: Any) -> Any:
    """Give a command the option `--realm`, and the application's context."""
    text = "Which population of users; needed where the application has several."
    return click.option("--realm", default=None, help=text)(with_appcontext(function))


def running(realm: str | None) -> Runtime:
    """The Tessera of `realm`, of the only one where none is named; its connections end with the command.

    Raises:
        ConfigError: there is none, or several and none was named; or a setting is wrong.
    """
    realms = current_app.extensions.get("tessera", {})
    only = next(iter(realms)) if len(realms) == 1 else ""
    runtime = runtime_of(only if realm is None else realm)
    click.get_current_context().call_on_close(runtime.storage.close)
    return runtime
