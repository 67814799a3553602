"""The thread of a worker that reads the revocation log in the background."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ..clocks import boot_clock
from ..errors import StorageUnavailableError
from ..fork import renew_in_children
from ..storage.contract import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..storage.contract import Storage
    from .ports import Clock
    from .revocation import RevocationView

_LONGEST_WAIT: Final = 0.5
"""Seconds between two reads of the log when nothing wakes the thread."""
_PAUSE: Final = 0.2
"""Seconds until the next try when the storage does not answer."""
_LONGEST_STOP: Final = 4.0
"""Seconds to wait for the thread to end: it may be waiting for a storage that does not answer."""
_BEAT_EVERY: Final = 10.0
"""Seconds; several beats fit into the silence after which a worker counts as gone."""
_log = logging.getLogger("flask_tessera")


class RevocationFollower:
    """Reads the revocation log in the background, where it does not tell of endings with the next request.

    What a view shows is believed for as long as the last successful read was *sent* less than `patience` ago: a
    process that was stopped must not trust what its thread knew. The thread starts at first use in each process, and
    ends with it, or when nobody holds this any more.

    Args:
        storage: whose log is read.
        view: what it is read into.
        clock: gives now, Unix seconds.
        patience: seconds for which a read is believed.
        steady: gives seconds that only grow.
    """

    def __init__(
        self,
        storage: Storage,
        view: RevocationView,
        clock: Clock,
        *,
        patience: float,
        steady: Callable[[], float] = boot_clock,
    ) -> None:
        self._storage = storage
        self._view = view
        self._clock = clock
        self._steady = steady
        self._patience = patience
        self._is_needed = storage.revocations.bound > 0
        self._is_stopped = False
        self._thread: threading.Thread | None
        renew_in_children(self)

    def renew_locks(self) -> None:
        """A child is a worker of its own: the thread of its parent does not live there, nor is what it heard recent."""
        self._lock = threading.Lock()
        self._thread = None
        self._good_until = float("-inf") if self._is_needed else float("inf")
        self.name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(2)}"
        self._started_at = self._clock()
        self._next_beat, self._beat_sent, self._lag = float("-inf"), 0.0, -1.0
        self._has_told_lag = self._is_failing = False

    def is_current(self) -> bool:
        """Whether the view may be believed now; if not, the storage must be asked."""
        if self._steady() < self._good_until:
            return True
        self._ensure_thread()
        return False

    def stop(self) -> None:
        """End the thread, within a few seconds; it does not start again.

        From then on `is_current` says no: what was read grows old.
        """
        self._is_stopped = True
        self._good_until = float("-inf") if self._is_needed else float("inf")
        with self._lock:
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_LONGEST_STOP)

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._is_stopped

    def _ensure_thread(self) -> None:
        if self._is_running() or self._is_stopped:
            return
        with self._lock:
            if not self._is_running() and not self._is_stopped:
                self._thread = threading.Thread(
                    target=_run, args=(weakref.ref(self),), name="tessera-follower", daemon=True
                )
                self._thread.start()

    def _is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def poll_once(self) -> None:
        """One turn of the thread: read the log, beat if it is time, wait for something new."""
        try:
            self._read()
            self._beat()
            heard = self._storage.revocations.wait(self._view.cursor, longest=min(_LONGEST_WAIT, self._patience / 2))
            if heard.entries:
                self._view.take_ahead(heard.entries, at=self._clock())
        except StorageUnavailableError as error:
            if not self._is_failing:
                _log.warning(
                    "the revocation log cannot be read; until it can, each request asks the storage: %s", error
                )
            self._is_failing = True
            threading.Event().wait(_PAUSE)
            return
        if self.name in heard.beats:
            self._lag = max(self._lag, self._steady() - self._beat_sent)
            if not self._has_told_lag:
                self._next_beat = float("-inf")

    def _read(self) -> None:
        sent = self._steady()
        self._view.catch_up(self._clock())
        if not self._is_stopped:
            self._good_until = sent + self._patience
        if self._is_failing:
            _log.warning("the revocation log can be read again")
        self._is_failing = False

    def _beat(self) -> None:
        now = self._steady()
        if now < self._next_beat:
            return
        lag = round(self._lag * 1000) if self._lag >= 0 else -1
        self._has_told_lag |= lag >= 0
        self._next_beat, self._beat_sent, self._lag = now + _BEAT_EVERY, now, -1.0
        # Hearing does not depend on it: where nothing can be written, there is still everything to be heard.
        with suppress(StorageUnavailableError):
            self._storage.workers.beat(Worker(self.name, self._started_at, self._clock(), lag))


def _run(reference: weakref.ref[RevocationFollower]) -> None:
    """Poll until nobody holds the follower any more.

    Under gevent the threads of a parent run on in a forked child, which has a thread of its own: that of the parent
    would use the parent's connection.
    """
    process = os.getpid()
    while os.getpid() == process and (follower := reference()) is not None and not follower.is_stopped:
        follower.poll_once()
        del follower
