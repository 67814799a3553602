"""The thread of each worker that hears of endings elsewhere, and how far behind it may be."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
import weakref
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

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
_BEAT_EVERY: Final = 10.0
"""Seconds; several beats fit into the silence after which a worker counts as gone."""
_log = logging.getLogger("flask_tessera")
# Goes on while the machine sleeps, where there is such a clock. Only intervals are taken from it.
boot_clock: Final = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Ear:
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
        self._has_told_lag = self._is_deaf = False

    def is_current(self) -> bool:
        """Whether the view may be believed now; if not, the storage must be asked."""
        if self._steady() < self._good_until:
            return True
        self._ensure_thread()
        return False

    def _ensure_thread(self) -> None:
        if self._is_running():
            return
        with self._lock:
            if not self._is_running():
                self._thread = threading.Thread(target=_run, args=(weakref.ref(self),), name="tessera-ear", daemon=True)
                self._thread.start()

    def _is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def listen(self) -> None:
        """One turn of the thread: read the log, beat if it is time, wait for something new."""
        try:
            self._read()
            self._beat()
            heard = self._storage.revocations.wait(self._view.cursor, longest=min(_LONGEST_WAIT, self._patience / 2))
            if heard.entries:
                self._view.take_ahead(heard.entries, at=self._clock())
        except StorageUnavailableError as error:
            if not self._is_deaf:
                _log.warning("the revocation log cannot be heard, the storage is asked on each request: %s", error)
            self._is_deaf = True
            threading.Event().wait(_PAUSE)
            return
        if self.name in heard.beats:
            self._lag = max(self._lag, self._steady() - self._beat_sent)
            if not self._has_told_lag:
                self._next_beat = float("-inf")

    def _read(self) -> None:
        sent = self._steady()
        self._view.catch_up(self._clock())
        self._good_until = sent + self._patience
        if self._is_deaf:
            _log.warning("the revocation log is heard again")
        self._is_deaf = False

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


def _run(reference: weakref.ref[Ear]) -> None:
    """Listen for as long as somebody holds the ear: an application that is gone needs no thread.

    Gevent's threads live on in a child, which has an ear of its own: a parent's would use the parent's connection.
    """
    process = os.getpid()
    while os.getpid() == process and (ear := reference()) is not None:
        ear.listen()
        del ear
