"""Notes that a generation was used and when a session was seen: written in batches, making no request wait."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from ..errors import StorageUnavailableError
from ..fork import renew_in_children
from .ports import Event

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..sessions.record import Session
    from ..storage.contract import SessionStorage
    from .ports import Clock, Listener

_WRITE_EVERY: Final = 2.0
"""Seconds; well within the 5 s in which a mark must be written (DESIGN §5)."""
COARSENESS: Final = 60
"""Seconds; a finer last-seen time would let a thief time his renewals by it."""
_MOST_KNOWN: Final = 100_000
_log = logging.getLogger("flask_tessera")


class Recorder:
    """Collects marks and last-seen times; a thread of each process writes them, and ends when nobody holds this.

    Args:
        sessions: where they are written.
        clock: gives now.
        listener: hears of sessions that a mark has ended.
    """

    def __init__(self, sessions: SessionStorage, clock: Clock, listener: Listener) -> None:
        self._sessions = sessions
        self._clock = clock
        self._listener = listener
        self._known: dict[str, tuple[int, int]] = {}
        self._marks: dict[tuple[bytes, int], None] = {}
        self._seen: dict[bytes, int] = {}
        self._process = 0
        self._is_awake = False
        self._waiting: SimpleQueue[Recorder | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        renew_in_children(self)

    def renew_locks(self) -> None:
        """A thread of the parent may have been noting."""
        self._lock = threading.Lock()

    def note(self, name: str, sid: bytes, gen: int, at: int) -> None:
        """An access token of generation `gen` of session `sid` (as text: `name`) was accepted at `at`."""
        now = (gen, at // COARSENESS)
        before = self._known.get(name)
        if before == now:
            return
        with self._lock:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[name] = now
            if before is None or before[0] != gen:
                self._marks[sid, gen] = None
            self._seen[sid] = at
        self._ensure_thread()

    def flush(self) -> None:
        """Write what was collected, now.

        Raises:
            StorageUnavailableError: nothing is lost; it will be tried again.
        """
        with self._lock:
            marks, self._marks = self._marks, {}
            seen, self._seen = self._seen, {}
        ended: list[Session] = []
        try:
            if marks:
                ended = self._sessions.mark(list(marks), at=self._clock())
                marks = {}
            if seen:
                self._sessions.seen(seen.items())
        except StorageUnavailableError:
            with self._lock:
                self._marks = marks | self._marks
                self._seen = seen | self._seen
            raise
        finally:
            # Last: what a listener raises must not keep anything from being written.
            self._tell(ended)

    def _tell(self, ended: Iterable[Session]) -> None:
        for session in ended:
            self._listener(Event("token_reused", session, "reuse"))
            self._listener(Event("session_ended", session, "reuse"))

    def _ensure_thread(self) -> None:
        if not self._is_running():
            with self._lock:
                if not self._is_running():
                    self._process, self._is_awake = os.getpid(), False
                    waiting = self._waiting = SimpleQueue[Recorder | None]()
                    weakref.finalize(self, waiting.put, None).atexit = False
                    self._thread = threading.Thread(target=_run, args=(waiting,), name="tessera-recorder", daemon=True)
                    self._thread.start()
        # True already, the thread has yet to take what was noted: before it does, it clears this.
        if not self._is_awake:
            self._is_awake = True
            self._waiting.put(self)

    def _is_running(self) -> bool:
        """Whether this process has a thread; a child has none, and a listener that raises ends it."""
        return self._process == os.getpid() and self._thread is not None and self._thread.is_alive()

    def write(self) -> None:
        """One turn of the thread: leave time for more to be noted, and write it all."""
        self._is_awake = False
        threading.Event().wait(_WRITE_EVERY)
        try:
            self.flush()
        except StorageUnavailableError as error:
            _log.warning("marks could not be written, trying again: %s", error)
            self._ensure_thread()


def _run(waiting: SimpleQueue[Recorder | None]) -> None:
    """Hold a recorder while it has something to write, and no longer: what nobody else holds needs no thread."""
    while (recorder := waiting.get()) is not None:
        recorder.write()
        del recorder
