"""Sockets and streams that stay open: closed when what they were opened by is over (requirement Q05).

How it works. A connection was let in once and asks nothing any more, so each worker watches those that it has open. It
hears what its view of the revocation log reads, and marks the connections of these sessions and users. A thread, which
lives as long as there is any connection, asks the storage about the marked ones, and closes those that are over. It
does so at once when something is heard, and else once a second, since somebody must look at a log that nothing but
requests look at. It also asks about each connection whose session would have expired by now: it may have been
refreshed meanwhile.

The log may tell of the same ending twice, also after a user has logged in again. So it says which connections to ask
about, and the storage says which are over.

A worker that cannot hear (the log cannot be read, or its follower is cut off) asks the storage about every connection;
what the storage cannot tell either is closed, as a request would be refused.

A connection is closed in a thread of its own, since a client that takes nothing in can hold that up, and again each
second until it is gone: a client may just be connecting.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from ..errors import StorageUnavailableError, TesseraError
from .keys import sid_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..sessions.revocations import Revocation
    from .follower import RevocationFollower
    from .ports import Clock
    from .revocation import RevocationView

_EVERY: Final = 1.0
"""Seconds between two looks when nothing is heard."""
_log = logging.getLogger("flask_tessera")


class Connection:
    """One open connection.

    Args:
        name: what the log calls its session, or its API key; empty where there is neither.
        owner: realm and user id, in its text form.
        check: gives the Unix second in which to ask again at the latest; TesseraError where it is over.
        close: closes it, given the slug of the error that tells why; may be called again while it is open, and may
            take its time.
        is_open: whether it is still there; returns at once.
    """

    def __init__(
        self,
        name: bytes,
        owner: tuple[str, str],
        *,
        check: Callable[[], int],
        close: Callable[[str], object],
        is_open: Callable[[], bool],
    ) -> None:
        self.name = name
        self.owner = owner
        self.check = check
        self.close = close
        self.is_open = is_open
        self.ask_at = 0
        """Unix second."""
        self.is_marked = False


class OpenConnections:
    """The connections that one application has open in one process.

    Args:
        view: what this worker knows of the revocation log.
        follower: tells whether the view may be believed now, and reads the log where that must be followed.
        clock: gives now in Unix seconds.
    """

    def __init__(self, view: RevocationView, follower: RevocationFollower, clock: Clock) -> None:
        self._view = view
        self._follower = follower
        self._clock = clock
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._by_name: dict[object, set[Connection]] = {}
        self._all: set[Connection] = set()
        self.thread: threading.Thread | None = None
        """Watches; None while nothing is open."""
        view.listen(self.hear)

    def __len__(self) -> int:
        """How many are open."""
        return len(self._all)

    def open(self, connection: Connection) -> None:
        """Watch a connection, unless it is over already.

        Raises:
            TesseraError: as of its `check`.
        """
        # Before the check: what is revoked after it is heard.
        with self._lock:
            self._all.add(connection)
            for name in filter(None, (connection.name, connection.owner)):
                self._by_name.setdefault(name, set()).add(connection)
        try:
            connection.ask_at = connection.check()
        except TesseraError:
            self.leave(connection)
            raise
        self._ensure_thread()

    def leave(self, connection: Connection) -> None:
        """Watch a connection no longer: it is closed."""
        with self._lock:
            self._all.discard(connection)
            for name in (connection.name, connection.owner):
                among = self._by_name.get(name, set())
                among.discard(connection)
                if not among:
                    self._by_name.pop(name, None)
            is_last = not self._all
        if is_last:
            self._wake.set()

    def hear(self, entries: Sequence[Revocation]) -> None:
        """Mark the connections that these entries are about; without any, all of them."""
        if not self._all:
            return
        with self._lock:
            about = [(entry, self._by_name.get(entry.sid or (entry.realm, entry.user_id), ())) for entry in entries]
            marked = [each for entry, among in about for each in among if entry.except_sid != (each.name or None)]
            for each in marked if entries else self._all:
                each.is_marked = True
        self._wake.set()

    def stop(self) -> None:
        """Forget all connections, and so end the thread; they stay open."""
        with self._lock:
            self._all.clear()
            self._by_name.clear()
        self._wake.set()

    def _ensure_thread(self) -> None:
        with self._lock:
            if self.thread is None and self._all:
                self.thread = threading.Thread(target=self._run, name="tessera-connections", daemon=True)
                self.thread.start()

    def _run(self) -> None:
        while True:
            self._wake.wait(_EVERY)
            self._wake.clear()
            try:
                self._look()
            except Exception:  # noqa: BLE001 - see below
                # Of the code that a connection brought along: the others must be watched all the same.
                _log.exception("open connections could not be looked at")
            with self._lock:
                if not self._all:
                    self.thread = None
                    return

    def _look(self) -> None:
        hears = self._hears()
        away: StorageUnavailableError | None = None
        for each in tuple(self._all):
            if not each.is_open():
                self.leave(each)
            elif not hears or each.is_marked or self._clock() >= each.ask_at:
                # A storage that is away takes seconds to say so: once is enough.
                away = self._ask(each, away)

    def _hears(self) -> bool:
        """Whether everything that was revoked was heard, within the bound."""
        if self._view.needs_follower:
            return self._follower.is_current()
        try:
            self._view.look(at=self._clock())
        except StorageUnavailableError:
            return False
        return True

    def _ask(self, connection: Connection, away: StorageUnavailableError | None) -> StorageUnavailableError | None:
        connection.is_marked = False
        try:
            if away is not None:
                raise away
            connection.ask_at = connection.check()
            # Of an announced ending the log may never tell what became of it.
            connection.is_marked |= self._view.is_undecided(*connection.owner, sid_text(connection.name))
        except TesseraError as error:
            connection.is_marked = True
            arguments = (connection.close, error.row.slug)
            threading.Thread(target=_close, args=arguments, name="tessera-closing", daemon=True).start()
            return error if isinstance(error, StorageUnavailableError) else away
        return away


def _close(close: Callable[[str], object], slug: str) -> None:
    try:
        close(slug)
    except Exception:  # noqa: BLE001 - of the code that it brought along, in a log with its traceback
        _log.exception("a connection whose session is over could not be closed; it is tried again")
