"""Whose sessions a command is about: the Tessera of a realm."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click
from flask import current_app
from flask.cli import with_appcontext

from ..errors import ConfigError, StorageUnavailableError
from ..web.app_state import states_of

if TYPE_CHECKING:
    from ..web.app_state import Runtime


def with_realm(function: Any) -> Any:
    """Give a command the option `--realm`, and the application's context."""
    text = "Which population of users; needed where the application has several."
    return click.option("--realm", default=None, help=text)(with_appcontext(function))


def running(realm: str | None, *, may_create: bool = False, owned: bool = True) -> Runtime:
    """The Tessera of `realm`, of the only one where none is named; its connections end with the command.

    Args:
        realm: as it was named on the command line, if it was.
        may_create: whether the ready service's tables may be made by this command.
        owned: whether the storage must be this application's.

    Raises:
        ConfigError: there is none, or several and none was named; or a setting is wrong; or the ready service's storage
            has no tables yet.
    """
    states = current_app.extensions.get("tessera")
    realms = states.hooks if states else {}
    only = next(iter(realms)) if len(realms) == 1 else ""
    states = states_of(current_app)
    runtime = states.runtime(only if realm is None else realm, owned=False)
    click.get_current_context().call_on_close(lambda: leave(runtime))
    if not may_create:
        refuse_new(runtime.storage)
    # Last, since it writes to a storage that nobody has used.
    return states.runtime(runtime.realm) if owned else runtime


def leave(runtime: Runtime) -> None:
    """Write what was recorded, and let go of the connections; what cannot be written is told when the process ends."""
    with suppress(StorageUnavailableError):
        runtime.shared.audit.writer.flush()
    runtime.storage.close()


def refuse_new(storage: Any) -> None:
    """Keep a command from making the tables of the ready service in a database that was named by mistake.

    Raises:
        ConfigError: there are none yet.
    """
    service = current_app.extensions.get("tessera_service")
    if service is None or service.may_create or service.may_be_empty:
        return
    # Whether it answers at all is told by the command itself.
    with suppress(StorageUnavailableError):
        if hasattr(storage, "is_new") and storage.is_new():
            raise ConfigError("this Redis is empty, and only `serve` and `users add` begin to use one")
        if hasattr(storage, "schema_state") and storage.schema_state().is_new:
            makers = "`serve`, `users add` and `db upgrade`"
            raise ConfigError(f"this storage has no tables yet, and only {makers} make them")
