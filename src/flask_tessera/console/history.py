"""GET /history: what has happened to one's own account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import REGISTRY, NotFoundError
from ..web.app_state import states_of
from ..web.current import current_app_object
from ..web.endpoints.history import part_of_history
from .event_words import event_label
from .signed_in import render_signed_in, utc

if TYPE_CHECKING:
    import datetime as dt

    from ..web.endpoints.history import HistoryEvent
    from .console import Console


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """An event as the page shows it; `device` comes from whoever logged in. `at` is in UTC."""

    at: dt.datetime
    what: str
    why: str
    is_failure: bool
    device: str
    ip: str


def show(console: Console) -> Any:
    """The newest events, and where those before are.

    Raises:
        NotFoundError: the application keeps none.
    """
    auth = console.look()
    if not auth.runtime.hooks.keeps_history:
        raise NotFoundError("the application keeps no history: Tessera(audit=True)")
    events, rest = part_of_history(console.tessera)
    language = states_of(current_app_object()).responses.language()
    shown = [_shown(each, language) for each in events]
    return render_signed_in(console, auth, "history.html", events=shown, rest=rest)


def _shown(event: HistoryEvent, language: str) -> ShownEvent:
    row = REGISTRY.get(event.reason) or REGISTRY.get(f"session_{event.reason}")
    return ShownEvent(
        at=utc(event.at),
        what=event_label(event.event, language),
        why=getattr(row, language) if row else "",
        is_failure=event.result == "failure",
        device=event.device.name,
        ip=event.ip,
    )
