"""The view that each worker keeps of the revocation log."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from .keys import sid_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..storage.contract import Revocation, RevocationLog
    from ..tokens.claims import Claims

_PRUNE_EVERY: Final = 60
"""Seconds between two sweeps of what may be forgotten."""
_NOTHING_SEEN: Final = object()


class RevocationView:
    """Open endings in memory: two dictionary look-ups a request, no I/O while nothing has changed."""

    def __init__(self, log: RevocationLog) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._stamp: object = _NOTHING_SEEN
        self._log_id = ""
        self._cursor = 0
        self._sessions: dict[str, tuple[str, int]] = {}
        self._users: dict[tuple[str, str], tuple[Revocation, ...]] = {}
        self._prune_at = 0
        self.born_at = 0
        """The log knows nothing of tokens issued up to this Unix second."""

    def refusal(self, claims: Claims, *, at: int) -> str:
        """The reason for which the session of `claims` has ended; an empty text if the log does not say so.

        Raises:
            StorageUnavailableError: the log has changed and cannot be read.
        """
        if self._log.stamp() != self._stamp:
            self._catch_up(at)
        ended = self._sessions.get(claims.sid)
        if ended is not None:
            return ended[0]
        for entry in self._users.get((claims.realm, claims.sub), ()):
            if claims.ep < entry.epoch and (not entry.except_sid or claims.sid != sid_text(entry.except_sid)):
                return entry.reason
        return ""

    def _catch_up(self, at: int) -> None:
        with self._lock:
            # Taken before the read: what is written in between makes the next request look again.
            stamp = self._log.stamp()
            if stamp == self._stamp:
                return
            page = self._log.after(self._cursor, at=at)
            if page.log_id != self._log_id or page.cursor < self._cursor:
                page = self._log.after(0, at=at)
                self._sessions, self._users = {}, {}
            self._take(page.entries)
            self._log_id, self._cursor, self.born_at = page.log_id, page.cursor, page.born_at
            self._prune(at)
            self._stamp = stamp

    def _take(self, entries: Iterable[Revocation]) -> None:
        for entry in entries:
            if entry.sid:
                self._sessions[sid_text(entry.sid)] = (entry.reason, entry.forget_at)
            else:
                user = (entry.realm, entry.user_id)
                self._users[user] = (*self._users.get(user, ()), entry)

    def _prune(self, at: int) -> None:
        if self._prune_at <= at < self._prune_at + _PRUNE_EVERY:
            return
        self._prune_at = at
        # Built anew and put in place at once: other threads read without a lock.
        self._sessions = {sid: ended for sid, ended in self._sessions.items() if ended[1] > at}
        users = {user: tuple(e for e in entries if e.forget_at > at) for user, entries in self._users.items()}
        self._users = {user: entries for user, entries in users.items() if entries}
