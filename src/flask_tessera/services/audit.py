"""Keeps authentication events in the storage, so that a person can be told what has happened to his account.

An event is a small value that belongs to its user. Its key begins with the time at which it happened, so the order of
keys is that of time, whichever process has recorded it. Failures are values of a kind of their own: whoever tries
passwords pushes out other failures, and never what else has happened.

What one user can accumulate is bounded: failures alike (same event, reason and network) within an hour are one value
with a count, in each process; a session's refreshes are kept once a day; and of each kind only the newest stay, a few
dozen more for a while.

Events are written by a thread, a second or two after they happened. What cannot be written waits, up to a bound; those
that are lost are counted, and their number is logged.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from ..accounts.address import network_of
from ..sessions.ids import tag_of
from ..storage.key_value import new_value
from .audit_data import AuditEvent
from .background import BackgroundWriter
from .stored_values import reader_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..storage.key_value import KeyValue
    from ..storage.model import Value
    from .audit_data import Result
    from .ports import Clock

    OwnerOf = Callable[[AuditEvent], str]

_encode: Final = msgspec.json.Encoder().encode
_read: Final = reader_of(AuditEvent, "an audit event")
RETENTION: Final = 180 * 86_400
"""Seconds for which an event is kept."""
_KIND_OF: Final[dict[Result, str]] = {"success": "event", "failure": "event_failed"}
KEPT: Final = {"event": 1000, "event_failed": 200}
"""By kind of value, how many of a user stay."""
_ANYBODY_S: Final = frozenset(("code_sent", "link_sent"))
"""Successes that anybody can bring about who knows an account: they share the room of failures."""
_ALIKE_FOR: Final = 3600
"""Seconds in which failures alike are one value."""
_DAY: Final = 86_400
_MOST_WAITING: Final = 20_000
"""Events that may wait for a storage that is away: some 20 MB."""
_MOST_ALIKE: Final = 10_000
"""Failures that are remembered so that those alike can be counted."""
_CHUNK: Final = 200
_TRIM_ONE_IN: Final = 32
"""Events of a user, of which one makes room."""
_THROTTLED: Final = "too_many_requests"
_NUMBERS: Final = 1 << 24
"""Microseconds that the name of an event can tell: some 16 seconds."""
_log = logging.getLogger("flask_tessera")


class AuditWriter(BackgroundWriter):
    """Collects events and writes them; `background` says when.

    Args:
        values: where they are kept.
        clock: gives now.
        owner_of: the user id of an event that names an account or a session only; empty for nobody's.
        at_once: whether everything is written at once.
    """

    def __init__(self, values: KeyValue, clock: Clock, owner_of: OwnerOf, *, at_once: bool = False) -> None:
        self._values = values
        self._owner_of = owner_of
        self._last = (0, 0)
        super().__init__(clock, thread_name="tessera-audit", at_once=at_once)

    def reset_after_fork(self) -> None:
        """What waits is the parent's to write."""
        super().reset_after_fork()
        self._events: dict[bytes, AuditEvent] = {}
        self._alike: dict[tuple[str, ...], bytes] = {}
        self._failures: dict[bytes, AuditEvent] = {}
        self._lost = 0

    def record(self, event: AuditEvent, *, last_at: int | None = None) -> None:
        """Keep an event.

        Args:
            event: what happened.
            last_at: of a session that was refreshed, the Unix second of the refresh before; one a day is kept.
        """
        if last_at is not None and last_at // _DAY == event.at // _DAY:
            return
        with self._lock:
            if len(self._events) >= _MOST_WAITING:
                self._lost += 1
                if self._lost == 1:
                    _log.error("%d audit events wait to be stored; what happens until then is lost", _MOST_WAITING)
                return
            if event.result == "failure":
                self._count(event)
            else:
                self._events[self._new_name(event.at)] = event
        self._wake()

    def _count(self, event: AuditEvent) -> None:
        """Count a failure with those alike; from wherever it came, if it was refused unseen."""
        network = "" if event.reason == _THROTTLED else network_of(event.ip)
        who = (event.realm, event.user_id, event.account, event.session_id)
        alike = (*who, event.event, event.reason, event.subject, network)
        name = self._alike.get(alike)
        before = self._failures.get(name) if name else None
        if name and before and 0 <= event.at - before.at < _ALIKE_FOR:
            counted = replace(before, count=before.count + 1, until=event.at)
        else:
            if len(self._alike) >= _MOST_ALIKE:
                self._alike, self._failures = {}, {}
            name = self._alike[alike] = self._new_name(event.at)
            counted = event
        self._events[name] = self._failures[name] = counted

    def _new_name(self, at: int) -> bytes:
        """Ordered by time: that of processes on one machine together, and in any case that of this one.

        After the second come the microseconds since it began, more than a million of an event that is recorded late. A
        clock that is not the system's tells none: then the events of a second are numbered.
        """
        since = time.time_ns() // 1000 - at * 1_000_000
        number = since if 0 <= since < _NUMBERS // 2 else 0
        if self._last[0] == at:
            number = max(number, self._last[1] + 1) % _NUMBERS
        self._last = (at, number)
        return at.to_bytes(5, "big") + number.to_bytes(3, "big") + secrets.token_bytes(4)

    def _collected(self) -> str:
        return "audit events"

    def _left(self) -> str:
        return f"what was recorded last ({len(self._events) + self._lost} audit events)"

    def _flush(self, gap: float) -> None:
        with self._writing:
            while self._write_chunk():
                if gap:
                    threading.Event().wait(gap)
            with self._lock:
                lost, self._lost = self._lost, 0
        if lost:
            _log.error("%d audit events were not stored: too many waited while the storage was away", lost)

    def _write_chunk(self) -> bool:
        with self._lock:
            chunk = dict(islice(self._events.items(), _CHUNK))
        if not chunk:
            return False
        found = [self._value_of(name, event) for name, event in chunk.items()]
        owned = [each for each in found if each is not None]
        self._values.put_many([value for value, _ in owned], at=self._clock())
        for value, owner in owned:
            if value.key[-1] % _TRIM_ONE_IN == 0:
                self._values.trim(value.kind, owner, keep=KEPT[value.kind])
        with self._lock:
            for name, event in chunk.items():
                # Meanwhile it may have been counted on.
                if self._events.get(name) is event:
                    del self._events[name]
            return bool(self._events)

    def _value_of(self, name: bytes, event: AuditEvent) -> tuple[Value, tuple[str, str]] | None:
        """An event as it is stored, and whose it is; None for nobody's."""
        user_id = event.user_id or self._owner_of(event)
        if not user_id:
            return None
        owner, kind = (event.realm, user_id), _KIND_OF["failure" if event.event in _ANYBODY_S else event.result]
        raw = _encode(replace(event, user_id=user_id))
        return new_value(kind, tag_of(*owner) + name, raw, expires_at=event.at + RETENTION, owner=owner), owner


def history(
    values: KeyValue, owner: tuple[str, str], *, most: int, at: int, before: bytes = b""
) -> list[tuple[bytes, AuditEvent]]:
    """The newest events of a user, each with the name by which those before it are asked for; newest first.

    Args:
        values: where they are kept.
        owner: realm and user id.
        most: how many.
        at: now, Unix seconds.
        before: a name, or the beginning of one; only what comes before it.

    Raises:
        StorageUnavailableError: they cannot be read.
    """
    bound = tag_of(*owner) + before if before else b""
    found: list[Value] = []
    for kind in KEPT:
        found += values.newest(kind, owner, before=bound, most=most, at=at)
    newest = sorted(found, key=lambda value: value.key, reverse=True)[:most]
    return [(value.key[2:], _read(value)) for value in newest]


def name_before(at: int) -> bytes:
    """The name before which all events lie that happened before this Unix second."""
    return max(0, min(at, (1 << 40) - 1)).to_bytes(5, "big")
