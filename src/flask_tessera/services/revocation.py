"""The view that each worker keeps of the revocation log."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ..errors import StorageUnavailableError
from ..fork import renew_in_children
from .keys import sid_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..storage.contract import Revocation, RevocationLog
    from ..tokens.claims import Claims

    Sessions = dict[str, tuple[str, int]]
    Users = dict[tuple[str, str], tuple[Revocation, ...]]

_PRUNE_EVERY: Final = 60
"""Seconds between two sweeps of what may be forgotten."""
_CLOCK_MARGIN: Final = 30
"""Seconds by which the clocks of two workers may differ, or one may step back unnoticed."""
_QUEUE_WAIT: Final = 0.75
"""Seconds to wait for another thread's read, which may itself take two: a request is answered within three."""
_MOST_ASKED: Final = 100_000
_NOTHING_SEEN: Final = object()


class RevocationView:
    """Open endings in memory: two dictionary look-ups a request.

    Of a log with a bound of 0 each request compares a stamp, and reads on when it has changed. Any other log is read
    by the thread of an `Ear`, which also tells whether what is seen here is recent enough to be believed.
    """

    def __init__(self, log: RevocationLog) -> None:
        self._log = log
        self._has_stamps = log.bound == 0
        self._stamp: object = _NOTHING_SEEN
        self._log_id = ""
        self.cursor = 0
        """How far the log was read."""
        self._sessions: Sessions = {}
        self._users: Users = {}
        self._pruned_at = 0
        self._era = 0
        self.born_at = 0
        """The log may know nothing of tokens issued up to this Unix second."""
        self.found_live: set[str] = set()
        """Sessions with such tokens that the storage was asked about: since this log's birth it tells of them too."""
        renew_in_children(self)

    def renew_locks(self) -> None:
        """A thread of the parent may have been catching up."""
        self._lock = threading.Lock()

    def refusal(self, claims: Claims, *, at: int) -> str:
        """The reason for which the session of `claims` has ended; an empty text if the log does not say so.

        Raises:
            StorageUnavailableError: the log has changed and cannot be read.
        """
        if self._has_stamps:
            self._look(at)
        ended = self._sessions.get(claims.sid)
        if ended is not None:
            return ended[0]
        # Most often nobody has ended all of a user's sessions, and no key needs to be made to look.
        users = self._users
        for entry in users.get((claims.realm, claims.sub), ()) if users else ():
            if claims.ep < entry.epoch and (not entry.except_sid or claims.sid != sid_text(entry.except_sid)):
                return entry.reason
        return ""

    def position(self, *, at: int) -> int:
        """Where the log ends now: what is noted later comes after it.

        Raises:
            StorageUnavailableError: the log has changed and cannot be read.
        """
        if self._has_stamps:
            self._look(at)
        else:
            self.catch_up(at)
        return self.cursor

    def era(self, *, at: int) -> int:
        """The storage's era; sessions of an older one are over.

        Raises:
            StorageUnavailableError: the log was never read, or has changed, and cannot be read.
        """
        if self._has_stamps:
            self._look(at)
        elif not self._log_id:
            self.catch_up(at)
        return self._era

    def must_ask(self, claims: Claims) -> bool:
        """Whether the storage must be asked, once, since the log may have been born after an ending of this session."""
        return claims.iat <= self.born_at and claims.sid not in self.found_live

    def ask(self, claims: Claims, check_live: Callable[[], None]) -> None:
        """Ask the storage about a session, and remember for as long as the log is this one; errors of `check_live`."""
        # Taken before: what is found now may not be said of a log that takes this one's place meanwhile.
        found_live = self.found_live
        check_live()
        if len(found_live) >= _MOST_ASKED:
            found_live.clear()
        found_live.add(claims.sid)

    def catch_up(self, at: int) -> None:
        """Read on in the log.

        Raises:
            StorageUnavailableError: it cannot be read.
        """
        with self._alone():
            self._read_on(at)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock. Who has it may itself wait for a storage that hangs, so nobody queues for long."""
        lock = self._lock
        if not lock.acquire(timeout=_QUEUE_WAIT):
            raise StorageUnavailableError("waited too long for another thread that reads the revocation log")
        try:
            yield
        finally:
            lock.release()

    def _look(self, at: int) -> None:
        if self._log.stamp() == self._stamp and at >= self._pruned_at - _CLOCK_MARGIN:
            return
        with self._alone():
            # Taken before the read: what is written in between makes the next request look again.
            stamp = self._log.stamp()
            if stamp != self._stamp or at < self._pruned_at - _CLOCK_MARGIN:
                self._read_on(at)
                self._stamp = stamp

    def _read_on(self, at: int) -> None:
        has_stepped_back = at < self._pruned_at - _CLOCK_MARGIN
        page = self._log.after(self.cursor, at=at)
        if page.log_id != self._log_id or page.cursor < self.cursor or has_stepped_back:
            self._begin_anew(at)
            return
        _take(page.entries, self._sessions, self._users)
        self.cursor, self._era = page.cursor, page.era
        if at >= self._pruned_at + _PRUNE_EVERY:
            self._prune(at)

    def _begin_anew(self, at: int) -> None:
        """Read all of the log: it is another one, or a clock that ran ahead has made us forget too much."""
        page = self._log.after(0, at=at)
        sessions: Sessions = {}
        users: Users = {}
        _take(page.entries, sessions, users)
        # The birth first, and each in place at once: other threads read without a lock.
        self.found_live = set()
        self.born_at = page.born_at + _CLOCK_MARGIN
        self._sessions, self._users = sessions, users
        self._log_id, self.cursor, self._era, self._pruned_at = page.log_id, page.cursor, page.era, at

    def _prune(self, at: int) -> None:
        self._pruned_at = at
        # Built anew and put in place at once: other threads read without a lock.
        self._sessions = {sid: ended for sid, ended in self._sessions.items() if ended[1] > at}
        users = {user: tuple(e for e in entries if e.forget_at > at) for user, entries in self._users.items()}
        self._users = {user: entries for user, entries in users.items() if entries}


def _take(entries: Iterable[Revocation], sessions: Sessions, users: Users) -> None:
    for entry in entries:
        if entry.sid:
            sessions[sid_text(entry.sid)] = (entry.reason, entry.forget_at)
            continue
        user = (entry.realm, entry.user_id)
        known = users.get(user, ())
        # A log may give an entry again.
        if entry not in known:
            users[user] = (*known, entry)
