"""`workers`: which processes follow the revocation log, and when each has last read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..services.workers import BEAT_EVERY, WORKER_OVERDUE, WorkerRegistry
from ..setting_checks import PREFIX
from .printing import print_row, time_text
from .realm import running, with_realm

if TYPE_CHECKING:
    from ..services.workers import Worker
    from ..web.app_state import Runtime


@click.command("workers")
@with_realm
def workers(realm: str | None) -> None:
    """List the processes that follow the revocation log; exits with 1 if one has missed several beats."""
    runtime = running(realm)
    listed, now = _following(runtime), runtime.clock()
    for each in listed:
        _print_worker(each, now)
    if runtime.storage.revocations.bound and not listed:
        click.echo("no worker follows the log: one does from its first request on")
    click.echo(_promise(runtime))
    if any(_is_overdue(each, now) for each in listed):
        click.get_current_context().exit(1)


def _following(runtime: Runtime) -> list[Worker]:
    return WorkerRegistry(runtime.storage).list(at=runtime.clock()) if runtime.storage.revocations.bound else []


def _is_overdue(worker: Worker, at: int) -> bool:
    return at - worker.beat_at >= WORKER_OVERDUE


def _print_worker(worker: Worker, at: int) -> None:
    # Their clocks may be ahead of ours.
    age = max(0, at - worker.beat_at)
    state = f"OVERDUE: stuck or killed, beats are due every {BEAT_EVERY} s" if _is_overdue(worker, at) else "ok"
    delay = f"slowest revocation {worker.delay / 1000:.3f} s"
    print_row(worker.name, f"since {time_text(worker.started_at)}", f"beat {age} s ago", delay, state)


def _promise(runtime: Runtime) -> str:
    settings = runtime.settings
    if settings.REVOCATION == "stateless":
        return f"{PREFIX}REVOCATION stateless: no worker asks; an access token lives until it expires"
    if settings.REVOCATION == "strict":
        return f"{PREFIX}REVOCATION strict: every worker asks the storage with each request"
    if not runtime.storage.revocations.bound:
        return "every worker sees a revocation with its next request"
    return f"every worker that is ok sees a revocation within {settings.REVOCATION_BOUND} s ({PREFIX}REVOCATION_BOUND)"
