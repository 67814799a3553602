"""The view that each worker keeps of the revocation log.

How it works. The log of a storage is an ordered list of revocations that live access tokens could still contradict. A
worker keeps the open ones in two dictionaries (`OpenEndings`): by session id, and by user with the epoch below which
tokens are refused. `refusal` looks a token up there, without I/O and without a lock.

Reading on. `cursor` says how far the log was read. `catch_up` reads page after page from there to the end. A storage
may give an entry twice, but passes over none. Where the storage's `bound` is 0 (memory, SQLite) each request compares
a stamp, which differs once anything has been revoked, and reads on only then. Elsewhere the thread of a
`RevocationFollower` reads, and says whether the view is recent enough to be believed.

Intents. In a cluster, where a session and the log lie in two places, an ending is announced before it is written. Until
the log tells what became of it, the storage itself is asked at each request of that session or user.

Another log. A page names its log (`log_id`). When the name changes, when the cursor goes back, or when the clock steps
back behind what was pruned, all of the log is read anew into a fresh `OpenEndings`, which then takes the place of the
old one in one assignment: requests see either, never a mixture. What was known and is not in the log any more stays
known, and is written again (healing.py).

Unknown means ask. A log knows nothing of what was revoked before it was created (a flushed Redis, a new file). For
tokens issued up to that second (`created_at`) the storage itself is asked about the session, once per session; the
answers are kept in `found_live` as long as the log is the same one.

After a restore. The storage has forgotten some revocations, so all older sessions count as over: those that began
before `valid_from`. It comes with each page; a worker without a follower asks for it once a second.
"""

from __future__ import annotations

import threading
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

from ..clocks import boot_clock
from ..errors import StorageUnavailableError
from ..fork import renew_in_children
from .endings import OpenEndings
from .keys import sid_text
from .ports import CLOCKS_APART

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ..sessions.revocations import Revocation
    from ..storage.contract import ChangingLog, RevocationLog
    from ..storage.model import Checkpoint, LogPage
    from ..tokens.claims import Claims

    Listener = Callable[[Sequence[Revocation]], None]

_PRUNE_EVERY: Final = 60
"""Seconds between two sweeps of what may be forgotten."""
_QUEUE_WAIT: Final = 0.75
"""Seconds to wait for another thread's read, which may itself take two: a request is answered within three."""
_VALID_FROM_BELIEVED: Final = 1.0
"""Seconds for which it is believed: a worker that only logs in and refreshes has no thread that reads it."""
_MOST_ASKED: Final = 100_000
_MOST_LOGS: Final = 3
"""Logs that may take each other's place while all of one is read."""
_NOTHING_SEEN: Final = object()
_NEVER: Final = float("-inf")


class UndecidedError(StorageUnavailableError):
    """What is known here does not decide: the storage itself must be asked."""


class RevocationView:
    """Open endings in memory: two dictionary look-ups a request.

    Of a log with a bound of 0 each request compares a stamp, and reads on when it has changed. Any other log is read
    by the thread of a `RevocationFollower`, which also tells whether what is seen here is recent enough to be believed.
    """

    def __init__(
        self, log: RevocationLog, write_again: Callable[[dict[Revocation, None], int], None] | None = None
    ) -> None:
        self._log = log
        self._write_again = write_again
        self._lost: dict[Revocation, None] = {}
        self._stamp_of = cast("ChangingLog", log).stamp if log.bound == 0 else None
        self.needs_follower = self._stamp_of is None
        """Whether a `RevocationFollower` reads the log; elsewhere each request sees what is new."""
        self._stamp: object = _NOTHING_SEEN
        self._log_id = ""
        self.cursor = 0
        """How far the log was read."""
        self._open = OpenEndings()
        self._pruned_at = 0
        self._valid_from = 0
        self._valid_from_known_until = _NEVER
        self.created_at = 0
        """The log may know nothing of tokens issued up to this Unix second."""
        self.found_live: set[str] = set()
        """Sessions with such tokens that the storage was asked about: of later endings this log tells."""
        self._listeners: list[weakref.WeakMethod[Listener]] = []
        self.heard = 0
        """Grows with each call of the listeners."""
        renew_in_children(self)

    def listen(self, listener: Listener) -> None:
        """Have a method given the entries that are read, before any request relies on them.

        Of another log it is given none, and then what is new. An entry may be given more than once. It returns soon,
        raises nothing and does not ask the view. Its object is not held: the thread that reads would keep it, and the
        application with it, from being let go of.
        """
        self._listeners.append(weakref.WeakMethod(listener))

    def reset_after_fork(self) -> None:
        """A thread of the parent may have been catching up."""
        self._lock = threading.Lock()

    def refusal(self, claims: Claims, *, at: int) -> str:
        """The reason for which the session of `claims` has ended; an empty text if the log does not say so.

        Args:
            claims: of an access token.
            at: now, Unix seconds.

        Raises:
            UndecidedError: the log has changed, and another thread reads it; or it tells of an intent.
            StorageUnavailableError: the log has changed and cannot be read.
        """
        # The first test of `look`, written out: every request comes by here, and most often nothing has changed.
        # A clock that ran ahead has made us forget too much, wherever the log is.
        if (self._stamp_of and self._stamp_of() != self._stamp) or at < self._pruned_at - CLOCKS_APART:
            self.look(at=at)
        known = self._open
        ended = known.sessions.get(claims.sid)
        if ended is not None:
            return ended[0]
        # Most often nobody has ended all of a user's sessions, and no key needs to be made to look.
        users = known.users
        for entry in users.get((claims.realm, claims.sub), ()) if users else ():
            if claims.ep < entry.epoch and (not entry.except_sid or claims.sid != sid_text(entry.except_sid)):
                return entry.reason
        if known.intents and known.is_undecided(claims.sid, (claims.realm, claims.sub)):
            raise UndecidedError("an ending was announced, and the log does not say whether it was written")
        return ""

    def is_undecided(self, realm: str, user_id: str, sid: str = "") -> bool:
        """Whether an ending of all of a user was announced, and the log does not say whether it was written.

        Or that of a session, where its `sid` is given as text.
        """
        known = self._open
        return bool(known.intents) and known.is_undecided(sid, (realm, user_id))

    def checkpoint(self, *, at: int) -> Checkpoint:
        """Where the log ends: what is appended later lies beyond it.

        Raises:
            StorageUnavailableError: the log cannot be read.
        """
        return self._log.head(at=at).checkpoint

    def valid_from(self, *, at: int) -> int:
        """The Unix second before which sessions must not have begun.

        Raises:
            StorageUnavailableError: it was never read, or where stamps tell that the log has changed, and cannot be.
        """
        if self._stamp_of:
            self.look(at=at)
        elif boot_clock() >= self._valid_from_known_until:
            self._ask_for_valid_from(at)
        return self._valid_from

    def _ask_for_valid_from(self, at: int) -> None:
        asked_at = boot_clock()
        try:
            self._know_valid_from(self._log.head(at=at).valid_from)
        except StorageUnavailableError:
            if self._valid_from_known_until == _NEVER:
                raise
            # Sessions may still be there, and what was known has to do; it is not asked for again at once.
            self._know_valid_from(self._valid_from)
            # Who has waited for the log as long as that cannot wait for a session as well.
            if boot_clock() - asked_at > _QUEUE_WAIT:
                raise

    def _know_valid_from(self, valid_from: int) -> None:
        self._valid_from, self._valid_from_known_until = valid_from, boot_clock() + _VALID_FROM_BELIEVED

    def must_ask(self, claims: Claims) -> bool:
        """Whether the storage must be asked, once: the log may have been created after an ending of this session."""
        return claims.iat <= self.created_at and claims.sid not in self.found_live

    def ask(self, claims: Claims, check_live: Callable[[], None]) -> None:
        """Ask the storage about a session, and remember for as long as the log is this one; errors of `check_live`."""
        # Taken before: what is found now may not be said of a log that takes this one's place meanwhile.
        found_live = self.found_live
        check_live()
        if len(found_live) >= _MOST_ASKED:
            found_live.clear()
        found_live.add(claims.sid)

    def catch_up(self, at: int) -> int:
        """Read on to the end of the log; gives its longest `LogPage.delay` in milliseconds.

        Raises:
            StorageUnavailableError: it cannot be read.
        """
        with self._alone():
            return self._read_on(at)

    def confirm(self) -> None:
        """The storage says that the log has not changed since it was read."""
        self._know_valid_from(self._valid_from)

    def take_ahead(self, entries: Iterable[Revocation], *, at: int) -> None:
        """Refuse what is known to have ended, before the log was read as far as that.

        Raises:
            StorageUnavailableError: another thread reads the log.
        """
        with self._alone():
            self._take(list(entries), at)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock. Who has it may itself wait for a storage that hangs, so nobody queues for long."""
        lock = self._lock
        if not lock.acquire(timeout=_QUEUE_WAIT):
            raise UndecidedError("waited too long for another thread that reads the revocation log")
        try:
            yield
        finally:
            lock.release()

    def look(self, *, at: int) -> None:
        """Read on if a stamp tells that the log has changed; a log that is followed tells nothing here.

        Raises:
            UndecidedError: another thread reads it.
            StorageUnavailableError: the log has changed and cannot be read.
        """
        if not self._must_read(at):
            return
        with self._alone():
            # Taken before the read: what is written in between makes the next request look again.
            stamp = self._stamp_of() if self._stamp_of else self._stamp
            # Another thread may have read while this one waited.
            if self._must_read(at):
                self._read_on(at)
                self._stamp = stamp

    def _must_read(self, at: int) -> bool:
        """Whether the log may have changed, or the clock has stepped back behind what was dropped."""
        return at < self._pruned_at - CLOCKS_APART or (self._stamp_of is not None and self._stamp_of() != self._stamp)

    def _read_on(self, at: int) -> int:
        is_whole, delay = False, 0
        while not is_whole:
            page = self._log.after(self.cursor, at=at)
            is_another, has_gone_back = self._compare(page)
            # Or a clock that ran ahead has made us forget too much.
            if is_another or has_gone_back or at < self._pruned_at - CLOCKS_APART:
                if has_gone_back:
                    # It knows nothing of what came between; now its name says so.
                    self._log.restart(at=at, valid_from=0)
                self._begin_anew(at)
                break
            self._take(page.entries, at)
            self.cursor, is_whole, delay = page.cursor, page.is_whole, max(delay, page.delay)
            self._know_valid_from(page.valid_from)
        if at >= self._pruned_at + _PRUNE_EVERY:
            self._pruned_at = at
            self._open.prune(at)
        if self._lost and self._write_again:
            self._write_again(self._lost, at)
        return delay

    def _take(self, entries: Sequence[Revocation], at: int) -> None:
        self._open.take(entries, at=at)
        if entries:
            self._tell(entries)

    def _tell(self, entries: Sequence[Revocation]) -> None:
        self.heard += 1
        for reference in self._listeners:
            if (listener := reference()) is not None:
                listener(entries)

    def _compare(self, page: LogPage) -> tuple[bool, bool]:
        """Whether a page is of another log than the one that was read, and whether what it is of is older."""
        if page.log_id == self._log_id:
            return False, page.cursor < self.cursor
        # A log that takes another's place begins later. One that began earlier was there before: its server has come
        # back with what it had kept then.
        return True, bool(self._log_id) and page.created_at + CLOCKS_APART < self.created_at

    def _begin_anew(self, at: int) -> None:
        """Read all of the log, then put it in place of what was known; what it has lost stays known."""
        for _ in range(_MOST_LOGS):
            fresh = OpenEndings()
            page = self._read_all(fresh, at)
            if page is not None:
                lost = dict.fromkeys(self._open.missing_in(fresh, at=at))
                fresh.take(lost, at=at)
                self._lost, unheard = lost, list(fresh.missing_in(self._open, at=at))
                # When it was created first, and each in place at once: other threads read without a lock.
                self.found_live = set()
                self.created_at = page.created_at + CLOCKS_APART
                self._open = fresh
                self._log_id, self.cursor, self._pruned_at = page.log_id, page.cursor, at
                self._know_valid_from(page.valid_from)
                self._tell(())
                self._tell(unheard)
                return
        raise StorageUnavailableError("the revocation log was replaced several times while it was being read")

    def _read_all(self, into: OpenEndings, at: int) -> LogPage | None:
        """The last page of a log that was read from its beginning; None if it has become another one meanwhile."""
        page = first = self._log.after(0, at=at)
        into.take(first.entries, at=at)
        while not page.is_whole:
            page = self._log.after(page.cursor, at=at)
            if page.log_id != first.log_id:
                return None
            into.take(page.entries, at=at)
        return page


def pages_after(log: RevocationLog, cursor: int, *, at: int) -> Iterator[LogPage]:
    """All pages of a log after `cursor`, up to its end.

    Raises:
        StorageUnavailableError: it cannot be read.
    """
    is_whole = False
    while not is_whole:
        page = log.after(cursor, at=at)
        cursor, is_whole = page.cursor, page.is_whole
        yield page
