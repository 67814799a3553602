"""`sessions move`: to another storage, without logging anyone out."""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

import click
from flask import current_app

from ..errors import ConfigError, InputError
from ..services.moving import Moved, move
from ..services.ownership import refuse_foreign
from ..setting_checks import PREFIX
from ..storage.from_url import open_storage
from ..web.app_state import states_of
from .realm import running, with_realm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..storage.engine import Storage

_BATCH = 500
"""Records in one step."""
_NEXT = (
    f"next: set {PREFIX}STORE_URL to the new storage and restart every worker; if one wrote to the old storage"
    " meanwhile, move once more"
)


@click.command("move")
@click.option("--from", "source_url", metavar="URL", help="Where they are; by default the application's own storage.")
@click.option("--to", "target_url", metavar="URL", required=True, help="Where they go.")
@with_realm
def move_sessions(source_url: str | None, target_url: str, realm: str | None) -> None:
    """Copy all sessions, suspensions and open endings to another storage; nobody is logged out.

    Stop the workers first: what they write meanwhile may be missed. It may be done again.
    """
    # The storage of the application is opened for nothing where another one was named.
    runtime = running(realm, may_create=source_url is not None)
    with ExitStack() as opened:
        source = runtime.storage if source_url is None else opened.enter_context(_opened("--from", source_url))
        target = opened.enter_context(_opened("--to", target_url))
        _refuse_what_cannot_be(source, target, at=runtime.clock())
        _refuse_anothers("--from", source, at=runtime.clock(), claims=False)
        _refuse_anothers("--to", target, at=runtime.clock(), claims=True)
        with _progress() as tell:
            moved = move(source, target, at=runtime.clock(), batch=_BATCH, tell=tell)
    _report(moved)


def _opened(option: str, url: str) -> closing[Storage]:
    """The storage that an option names.

    Raises:
        ConfigError: it names none.
    """
    with _named(option):
        return closing(open_storage(url, folder=current_app.instance_path, make_folder=True))


def _refuse_what_cannot_be(source: Storage, target: Storage, *, at: int) -> None:
    for option, storage in (("--from", source), ("--to", target)):
        if storage.describe().engine == "memory":
            raise InputError(f"{option}: the memory of another process cannot be reached; name another storage")
    # However they are spelt: each log has a name of its own.
    if source.revocations.head(at=at).log_id == target.revocations.head(at=at).log_id:
        raise InputError("--from and --to are the same storage")


def _refuse_anothers(option: str, storage: Storage, *, at: int, claims: bool) -> None:
    with _named(option):
        refuse_foreign(storage, states_of(current_app).storage_ring(), at=at, claims=claims)


@contextmanager
def _named(option: str) -> Iterator[None]:
    """Let a ConfigError begin with the option that it is about."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{option}: {error}") from error


@contextmanager
def _progress() -> Iterator[Callable[[Moved], None]]:
    """What writes one line on a terminal again and again; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    try:
        yield lambda moved: click.echo(f"\r{_counts(moved)}", nl=False, err=True)
    finally:
        click.echo(err=True)


def _counts(moved: Moved) -> str:
    return f"{moved.sessions} sessions, {moved.principals} users with an epoch or a suspension, {moved.endings} endings"


def _report(moved: Moved) -> None:
    if moved == Moved():
        raise InputError("there is nothing to move: is it the right storage?")
    click.echo(f"moved {_counts(moved)}")
    click.echo(_NEXT)
