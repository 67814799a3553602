"""Writes which generations were used, and when sessions were last seen, without making a request wait.

A request only puts into two dictionaries what it has seen; `background.BackgroundWriter` says when it is written. What
waits is bounded; beyond that it is not recorded, which is logged once.
"""

from __future__ import annotations

import logging
import threading
from itertools import islice
from typing import TYPE_CHECKING, Final

from ..sessions.model import LAST_SEEN_RESOLUTION
from .background import BackgroundWriter
from .keys import parse_sid
from .ports import Event

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..sessions.model import Session
    from ..storage.engine import Sessions
    from .ports import Clock, Listener

_CHUNK: Final = 500
"""Sessions that are written at once: on two busy cores a chunk held SQLite's write lock for 20 to 130 ms, and
PostgreSQL's rows for 45 to 400 ms."""
_MOST_KNOWN: Final = 100_000
_MOST_WAITING: Final = 100_000
"""Confirmations that may wait for a storage that is away, and as many last-seen times: some 20 MB."""
_log = logging.getLogger("flask_tessera")


class ActivityWriter(BackgroundWriter):
    """Collects confirmations and last-seen times; a thread of each process writes them and ends with the last holder.

    Args:
        sessions: where they are written.
        clock: gives now. One whose `is_controlled` is true, as `testing.Clock`, has everything written at once.
        listener: is told of sessions that a confirmation has ended.
        at_once: whether everything is written at once.
    """

    def __init__(self, sessions: Sessions, clock: Clock, listener: Listener, *, at_once: bool = False) -> None:
        super().__init__(clock, thread_name="tessera-activity", at_once=at_once)
        self._sessions = sessions
        self._listener = listener
        self._known: dict[str, tuple[int, int]] = {}
        self._confirmations: dict[tuple[bytes, int], None] = {}
        self._seen: dict[bytes, int] = {}
        self._is_full = False

    def record(self, name: str, gen: int, at: int) -> None:
        """An access token of generation `gen` of session `name` (a sid as text) was accepted at Unix second `at`."""
        now = (gen, at // LAST_SEEN_RESOLUTION)
        before = self._known.get(name)
        if before == now:
            return
        sid = parse_sid(name)
        with self._lock:
            if not self._has_room(sid):
                return
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[name] = now
            if before is None or before[0] != gen:
                self._confirmations[sid, gen] = None
            self._seen[sid] = at
        self._wake()

    def _has_room(self, sid: bytes) -> bool:
        if len(self._confirmations) < _MOST_WAITING and (len(self._seen) < _MOST_WAITING or sid in self._seen):
            return True
        if not self._is_full:
            self._is_full = True
            _log.warning("activity of %d sessions waits to be written; no more is recorded until then", len(self._seen))
        return False

    def _collected(self) -> str:
        return "activity of sessions"

    def _left(self) -> str:
        return "the last activity of sessions"

    def _flush(self, gap: float) -> None:
        ended: list[Session] = []
        try:
            with self._writing:
                while self._write_chunk(ended):
                    if gap:
                        threading.Event().wait(gap)
                self._is_full = False
        finally:
            # Last: what a listener raises must not keep anything from being written.
            self._report(ended)

    def _write_chunk(self, ended: list[Session]) -> bool:
        """Write a part of what waits and forget it; gives whether something is left."""
        with self._lock:
            confirmations = list(islice(self._confirmations, _CHUNK))
            seen = [] if confirmations else list(islice(self._seen.items(), _CHUNK))
        if confirmations:
            ended += self._sessions.confirm(confirmations, at=self._clock())
        elif seen:
            self._sessions.touch(seen, at=self._clock())
        with self._lock:
            for confirmation in confirmations:
                self._confirmations.pop(confirmation, None)
            for sid, at in seen:
                # Meanwhile it may have been seen again.
                if self._seen.get(sid) == at:
                    del self._seen[sid]
            return bool(self._confirmations or self._seen)

    def _report(self, ended: Iterable[Session]) -> None:
        for session in ended:
            self._listener(Event("token_reused", session, "reuse"))
            self._listener(Event("session_ended", session, "reuse"))
