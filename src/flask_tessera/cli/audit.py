"""`audit`: what has happened to a user's account, and why."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import click

from ..errors import REGISTRY, InputError, NotFoundError
from ..services.audit import history, name_before
from ..services.audit_data import END_REASONS, EVENTS
from .person import find_user_id
from .printing import printable, time_text
from .realm import running, with_realm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..services.audit_data import AuditEvent
    from ..web.app_state import Runtime

_PAGE: Final = 200
_AROUND: Final = 900
"""Seconds before and after a time that somebody asks about."""
_PROVED: Final = frozenset(("session_started", "session_stepped_up"))
"""Events that tell how."""
_FORMATS: Final = ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ")


@click.command("audit")
@click.argument("user")
@click.option("--at", "asked", metavar="TIME", help="Only 15 minutes around 14:03, or 2026-01-31T14:03 (UTC).")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1200), help="How many events at most.")
@click.option("--json", "as_json", is_flag=True, help="One object of JSON a line, for machines.")
@with_realm
def audit(user: str, asked: str | None, limit: int, as_json: bool, realm: str | None) -> None:
    """Tell what has happened to the account of USER.

    That is the user id; in the ready service also the phone number or e-mail address. Oldest first, times in UTC.
    It answers why somebody was logged out.
    """
    runtime = running(realm)
    first, last = (0, None) if asked is None else _around(asked, runtime.clock())
    found = _events(runtime, _owner(runtime, user), first=first, last=last, most=limit)
    for each in reversed(found):
        click.echo(each.to_line() if as_json else _told(each))
    if not as_json:
        click.echo(f"{len(found)} events" if found else "no event is recorded for that time")


def _owner(runtime: Runtime, user: str) -> str:
    """The user id; also of somebody who is gone, as long as something is recorded.

    Raises:
        NotFoundError: nobody is called so.
    """
    try:
        return find_user_id(runtime, user)
    except NotFoundError:
        if not history(runtime.storage.values, (runtime.realm, user), most=1, at=runtime.clock()):
            raise
        return user


def _events(runtime: Runtime, user_id: str, *, first: int, last: int | None, most: int) -> Sequence[AuditEvent]:
    """The newest events from Unix second `first` to `last`, newest first."""
    found: list[AuditEvent] = []
    before = b"" if last is None else name_before(last + 1)
    while len(found) < most:
        page = history(runtime.storage.values, (runtime.realm, user_id), most=_PAGE, at=runtime.clock(), before=before)
        wanted = [event for _, event in page if max(event.at, event.until) >= first]
        found += wanted
        if len(page) < _PAGE or not wanted:
            break
        before = page[-1][0]
    return found[:most]


def _around(asked: str, now: int) -> tuple[int, int]:
    """Begin and end of what is asked about, Unix seconds.

    Raises:
        InputError: that is no time.
    """
    today = dt.datetime.fromtimestamp(now, dt.UTC).strftime("%Y-%m-%d")
    whole = asked if "T" in asked else f"{today}T{asked}"
    for each in _FORMATS:
        try:
            at = int(dt.datetime.strptime(whole, each).replace(tzinfo=dt.UTC).timestamp())
        except ValueError:
            continue
        return at - _AROUND, at + _AROUND
    raise InputError(f"--at takes a time in UTC as 14:03 or 2026-01-31T14:03, not {asked!r}")


def _told(event: AuditEvent) -> str:
    """An event as a sentence of one line."""
    words = EVENTS[event.event].words if event.event in EVENTS else event.event
    parts = [f"{words}{_why(event)}{_how_often(event)}", *_about(event)]
    return printable(f"{time_text(event.at)}  {'; '.join(parts)}")


def _why(event: AuditEvent) -> str:
    if event.event == "token_reused":
        # It says so itself.
        return ""
    reason = event.reason.removeprefix("session_")
    if reason in END_REASONS:
        return f": {END_REASONS[reason]} ({event.reason})"
    row = REGISTRY.get(event.reason)
    if row is None:
        return f": {event.reason}" if event.reason else ""
    return f": {row.en.rstrip('.')} ({event.reason})"


def _how_often(event: AuditEvent) -> str:
    return f", {event.count} times until {time_text(event.until)}" if event.count > 1 else ""


def _about(event: AuditEvent) -> list[str]:
    device = event.device and (event.device.name or event.device.type or event.device.id)
    told = {
        "session": event.session_id,
        "device": device,
        "proved by" if event.event in _PROVED else "about": event.subject,
        "typed as": event.account,
        "from": event.ip,
        "with": event.user_agent,
        "request": event.request_id,
    }
    known = [f"{name} {text}" for name, text in told.items() if text]
    return known if event.ip else [*known, "by a command or by the application itself"]
