"""GET /history: what has happened to the current user's account."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...errors import InputError, StorageUnavailableError
from ...services.audit import history as read_history
from ...services.audit import name_before
from ...sessions.model import UNKNOWN_DEVICE, Device
from ..current import current_request_object
from ..freshness import is_recent_login
from ..request_auth import auth_of, refuse_another_user
from .row import Endpoint

if TYPE_CHECKING:
    from ...services.audit_data import AuditEvent
    from ..extension import Tessera

_DEFAULT: Final = 50
_MOST: Final = 200
_BEFORE: Final = re.compile(r"([0-9]{1,12})(?:-([0-9a-f]{14}))?", re.ASCII)


class HistoryQuery(msgspec.Struct, frozen=True):
    """Which part: at most `limit` events (1 to 200), of those before `before`.

    `before` is a Unix second; or what the header `Link` of the last page says, which passes over none of the same
    second.
    """

    before: str = ""
    limit: int = _DEFAULT


class HistoryEvent(msgspec.Struct, frozen=True):
    """An event as its user sees it: `at` is a Unix second, `device` that of the session, `ip` where it came from.

    Texts are empty where they do not apply; `ip` also where the login is older than `DEVICES_FRESH`.
    """

    at: int
    event: str
    result: str
    reason: str
    session_id: str
    device: Device
    ip: str


def history(tessera: Tessera[Any]) -> Any:
    """The newest events of the current user's account, newest first; the header `Link` leads to those before.

    Raises:
        InputError: `before` or `limit` is out of range.
    """
    events, rest = part_of_history(tessera)
    answer = tessera.runtime.responses.success(events)
    if rest:
        # A reference to the same path (RFC 3986 §4.2, RFC 8288).
        answer.headers.add("Link", f'<{rest}>; rel="next"')
    return answer


def part_of_history(tessera: Tessera[Any]) -> tuple[list[HistoryEvent], str]:
    """The part that the present request's query asks for, and the query of the next one, empty where there is none.

    Raises:
        InputError: as of `history`.
    """
    runtime, identity = tessera.runtime, auth_of(tessera.realm).identity
    refuse_another_user(runtime, identity.user_id, identity.user_stamp)
    limit, before = _limit(), _before()
    # What this worker has recorded a moment ago is there too.
    with suppress(StorageUnavailableError):
        runtime.shared.audit.writer.flush()
    owner = (tessera.realm, str(identity.user_id))
    page = read_history(runtime.storage.values, owner, most=limit, at=runtime.clock(), before=before)
    with_address = is_recent_login(runtime, identity.authenticated_at)
    rest = f"?before={_cursor(page[-1][0])}&limit={limit}" if len(page) == limit else ""
    return [_shown(each, with_address=with_address) for _, each in page], rest


def _limit() -> int:
    text = current_request_object().args.get("limit", str(_DEFAULT))
    if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= _MOST:
        raise InputError(f"limit must be 1 to {_MOST}", member="limit")
    return int(text)


def _before() -> bytes:
    """The name in the storage before which events are asked for; empty for all."""
    text = current_request_object().args.get("before", "")
    if not text:
        return b""
    found = _BEFORE.fullmatch(text)
    if found is None:
        raise InputError("before must be a Unix second, or come from the header Link", member="before")
    return name_before(int(found[1])) + bytes.fromhex(found[2] or "")


def _cursor(name: bytes) -> str:
    at = name_before(0)
    return f"{int.from_bytes(name[: len(at)], 'big')}-{name[len(at) :].hex()}"


def _shown(event: AuditEvent, *, with_address: bool) -> HistoryEvent:
    return HistoryEvent(
        event.at,
        event.event,
        event.result,
        event.reason,
        event.session_id,
        event.device or UNKNOWN_DEVICE,
        event.ip if with_address else "",
    )


ROWS: Final = (
    Endpoint(
        "history",
        "GET",
        "/history",
        history,
        response=list[HistoryEvent],
        errors=("input_malformed",),
        is_guarded=True,
        query=HistoryQuery,
    ),
)
