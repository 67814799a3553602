"""Writes which generations were used, and when sessions were last seen, without making a request wait.

How this works: a request only puts into two dictionaries what it has seen. A thread of each process wakes when
something was put there, lets two seconds pass for more to come, and writes all of it in chunks. A chunk is dropped from
the dictionaries when the storage has taken it, and not before: after an outage the writer goes on where it was. What
waits is bounded; beyond that it is not recorded, which is logged once.

A worker that ends in good order writes what waits (`atexit`). Nothing but the application holds a writer: its thread
holds it only while something waits, so that an application that is dropped takes its writer and its thread along.

In tests nothing is left to real time: under a clock that a test moves, and in applications that are `TESTING`, what is
recorded is written at once, without a thread.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref
from itertools import islice
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from ..errors import ConfigError, StorageUnavailableError
from ..fork import renew_in_children
from ..sessions.model import LAST_SEEN_RESOLUTION
from .keys import parse_sid
from .ports import Event

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..sessions.model import Session
    from ..storage.engine import Sessions
    from .ports import Clock, Listener

_WRITE_EVERY: Final = 2.0
"""Seconds; well within the 5 s in which a confirmation must be written."""
_CHUNK: Final = 500
"""Sessions that are written at once: on two busy cores a chunk held SQLite's write lock for 20 to 130 ms, and
PostgreSQL's rows for 45 to 400 ms."""
_GAP: Final = 0.025
"""Seconds between two chunks in which others get the write lock: SQLite lets them try again after up to 25 ms."""
_MOST_KNOWN: Final = 100_000
_MOST_WAITING: Final = 100_000
"""Confirmations that may wait for a storage that is away, and as many last-seen times: some 20 MB."""
_log = logging.getLogger("flask_tessera")


class ActivityWriter:
    """Collects confirmations and last-seen times; a thread of each process writes them and ends with the last holder.

    Args:
        sessions: where they are written.
        clock: gives now. One whose `is_controlled` is true, as `testing.Clock`, has everything written at once.
        listener: is told of sessions that a confirmation has ended.
        at_once: whether everything is written at once.
    """

    def __init__(self, sessions: Sessions, clock: Clock, listener: Listener, *, at_once: bool = False) -> None:
        self._sessions = sessions
        self._clock = clock
        self._listener = listener
        self._writes_at_once = at_once or bool(getattr(clock, "is_controlled", False))
        self._known: dict[str, tuple[int, int]] = {}
        self._confirmations: dict[tuple[bytes, int], None] = {}
        self._seen: dict[bytes, int] = {}
        self._process = 0
        self._is_awake = False
        self._is_full = False
        self._is_failing = False
        self._waiting: SimpleQueue[ActivityWriter | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        renew_in_children(self)
        _writers.add(self)

    def reset_after_fork(self) -> None:
        """A thread of the parent may have been recording or writing."""
        self._lock = threading.Lock()
        self._writing = threading.Lock()

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
        if self._writes_at_once:
            self._try_to_write()
        else:
            self._ensure_thread()

    def flush(self) -> None:
        """Write what was collected, now.

        Raises:
            StorageUnavailableError: what was not written waits for the next time.
        """
        self._flush(0)

    def stop(self) -> None:
        """Write what was collected and end the thread; what is recorded later starts another one.

        Raises:
            StorageUnavailableError: what was not written is lost if the process ends.
        """
        self._waiting.put(None)
        self.flush()

    def write(self) -> None:
        """One turn of the thread: leave time for more to be recorded, and write it all."""
        self._is_awake = False
        threading.Event().wait(_WRITE_EVERY)
        if not self._try_to_write(_GAP):
            self._ensure_thread()

    def write_at_exit(self) -> None:
        """The process ends: write what waits, or say that it is lost."""
        try:
            self.flush()
        except (ConfigError, StorageUnavailableError) as error:
            _log.warning("the last activity of sessions could not be written and is lost: %s", error)

    def _has_room(self, sid: bytes) -> bool:
        if len(self._confirmations) < _MOST_WAITING and (len(self._seen) < _MOST_WAITING or sid in self._seen):
            return True
        if not self._is_full:
            self._is_full = True
            _log.warning("activity of %d sessions waits to be written; no more is recorded until then", len(self._seen))
        return False

    def _try_to_write(self, gap: float = 0) -> bool:
        """False where the storage is away; the first time of a series is logged."""
        try:
            self._flush(gap)
        except (ConfigError, StorageUnavailableError) as error:
            if not self._is_failing:
                _log.warning("activity of sessions could not be written, trying again: %s", error)
            self._is_failing = True
            return False
        self._is_failing = False
        return True

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

    def _ensure_thread(self) -> None:
        if not self._is_running():
            with self._lock:
                if not self._is_running():
                    self._process, self._is_awake = os.getpid(), False
                    waiting = self._waiting = SimpleQueue[ActivityWriter | None]()
                    weakref.finalize(self, waiting.put, None).atexit = False
                    self._thread = threading.Thread(target=_run, args=(waiting,), name="tessera-activity", daemon=True)
                    self._thread.start()
        # True already, the thread has yet to take what was recorded: before it does, it clears this.
        if not self._is_awake:
            self._is_awake = True
            self._waiting.put(self)

    def _is_running(self) -> bool:
        """Whether this process has a thread; a child has none, and a listener that raises ends it."""
        return self._process == os.getpid() and self._thread is not None and self._thread.is_alive()


_writers: weakref.WeakSet[ActivityWriter] = weakref.WeakSet()


def _write_all() -> None:
    for writer in list(_writers):
        writer.write_at_exit()


# Storages close their connections by `weakref.finalize`, whose hook is registered with its first use: here, so that it
# runs after ours.
weakref.finalize(_writers, bool)
atexit.register(_write_all)


def _run(waiting: SimpleQueue[ActivityWriter | None]) -> None:
    """Hold a writer while it has something to write, and no longer: what nobody else holds needs no thread."""
    while (writer := waiting.get()) is not None:
        writer.write()
        del writer
