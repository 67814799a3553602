"""`workers`: which processes listen to the revocation log, and how far behind they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..config import PREFIX
from .printing import print_row, time_text
from .realm import running, with_realm

if TYPE_CHECKING:
    from ..storage.contract import Worker
    from ..web.runtime import Runtime


@click.command("workers")
@with_realm
def workers(realm: str | None) -> None:
    """List the processes that listen for endings; exits with 1 if one of them is too far behind."""
    runtime = running(realm)
    listed = _listening(runtime)
    for each in listed:
        _print_worker(each, runtime.clock())
    click.echo(_promise(runtime))
    if any(each.lag_ms > 1000 * runtime.settings.REVOCATION_BOUND for each in listed):
        click.get_current_context().exit(1)


def _listening(runtime: Runtime) -> list[Worker]:
    return runtime.storage.workers.list(at=runtime.clock()) if runtime.storage.revocations.bound else []


def _print_worker(worker: Worker, at: int) -> None:
    # Their clocks may be ahead of ours.
    age = max(0, at - worker.beat_at)
    lag = f"{worker.lag_ms} ms" if worker.lag_ms >= 0 else "not known yet"
    print_row(worker.name, f"since {time_text(worker.started_at)}", f"beat {age} s ago", f"lag {lag}")


def _promise(runtime: Runtime) -> str:
    settings = runtime.settings
    if settings.REVOCATION == "stateless":
        return f"{PREFIX}REVOCATION stateless: no worker asks; an access token lives until it expires"
    if settings.REVOCATION == "strict":
        return f"{PREFIX}REVOCATION strict: every worker asks the storage with each request"
    if not runtime.storage.revocations.bound:
        return "every worker is told of an ending with its next request"
    return f"every worker hears of an ending within {settings.REVOCATION_BOUND} s ({PREFIX}REVOCATION_BOUND)"
