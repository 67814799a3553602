"""The thread of a worker that reads the revocation log in the background.

How it works. A storage on another machine cannot be asked on each request, so each worker (process) keeps the open
entries of the revocation log in memory: the `RevocationView` (revocation.py), which a request consults with two
dictionary look-ups. The follower is the thread that keeps the view current. One turn of it is `poll_once`:

1. Read, at first and when it is due: `view.catch_up` reads the log after the view's cursor, to its end.
2. Beat: every few seconds the worker writes its name and the time to the registry of the storage, which is what
   `flask tessera workers` shows. It does so only after a read that succeeded, so the age of a beat bounds what the
   worker may have missed. It also tells how late revocations were read: for how long they had been in the log by then,
   by the clock of the storage. A beat wakes nobody.
3. Wait: the storage blocks until it has something new (PostgreSQL: NOTIFY; Redis: XREAD BLOCK), at most 0.75 of the
   `patience`. Then the log is read, so that a lost notification delays a revocation and never loses it. Where the
   storage itself answers after the wait that nothing was added (`Wakeup.is_unchanged`), that answer counts like a read;
   the log is still read every few seconds, since a fail-over may have put another log in its place.

So an idle worker causes fewer than two statements a second, however many others there are.

How long a read is believed. `is_current` is true for `patience` seconds after the last successful read was *sent*, not
received: what is revoked while the answer is under way is not in it. On an idle machine it is true all the time, so
requests ask the storage nothing. The steady clock goes on while the machine is suspended: a process that was stopped
(SIGSTOP, a frozen container) asks the storage on each request until the thread has read again.

Life of the thread. It starts with the first request that needs it, in each process: after a fork a child has a name and
a thread of its own. It ends when `stop` is called, when nobody holds the follower any more (the thread holds a weak
reference between two turns), and with the process. In all three cases the worker removes itself from the registry;
one that is killed cannot, and is listed as overdue until the storage forgets it.
"""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import socket
import threading
import weakref
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from ..clocks import boot_clock
from ..errors import ConfigError, StorageUnavailableError
from ..fork import renew_in_children
from ..storage.model import Wakeup
from .workers import BEAT_EVERY, TIDY_EVERY, WORKER_FORGOTTEN, Worker, WorkerRegistry

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..storage.contract import WaitingLog
    from ..storage.engine import Storage
    from .ports import Clock
    from .revocation import RevocationView

_LONGEST_WAIT: Final = 0.75
"""Seconds between two looks when nothing wakes the thread; also the share of a patience below one second."""
_TRUSTED_SHARE: Final = 0.8
"""How much of a full wait an answer that nothing was added is newer than its request, with room for unlike clocks. Less
than this, and there would be moments in each turn at which the view could not be believed."""
_READ_EVERY: Final = 5.0
"""Seconds after which the log is read though the storage says that it is unchanged."""
_PAUSE: Final = 0.2
"""Seconds until the next try when the storage does not answer."""
_LONGEST_STOP: Final = 4.0
"""Seconds to wait for the thread to end: it may be waiting for a storage that does not answer."""
_NEVER: Final = float("-inf")
_log = logging.getLogger("flask_tessera")
_followers: weakref.WeakSet[RevocationFollower] = weakref.WeakSet()


class RevocationFollower:
    """Keeps a view of the revocation log current, where the storage does not tell of revocations with the next request.

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
        self._longest_wait = min(_LONGEST_WAIT, patience * _LONGEST_WAIT)
        self._log = cast("WaitingLog", storage.revocations) if storage.revocations.bound else None
        self._workers = WorkerRegistry(storage)
        self.is_stopped = False
        """Whether `stop` was called."""
        self._thread: threading.Thread | None
        renew_in_children(self)
        _followers.add(self)

    def reset_after_fork(self) -> None:
        """A child is a worker of its own: the thread of its parent does not live there, nor is what it read recent."""
        self._lock = threading.Lock()
        self._thread = None
        self._good_until = float("inf") if self._log is None else _NEVER
        self.name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(2)}"
        self._started_at = self._clock()
        self._next_beat = self._next_tidy = self._next_read = _NEVER
        self._delays: deque[tuple[float, int]] = deque()
        self._is_failing = False

    def is_current(self) -> bool:
        """Whether the view may be believed now; if not, the storage must be asked."""
        if self._steady() < self._good_until:
            return True
        self._ensure_thread()
        return False

    def stop(self) -> None:
        """End the thread, within four seconds, and remove the worker from the registry; it does not start again.

        From then on `is_current` says no, where a thread is needed.
        """
        self.is_stopped = True
        if self._log is not None:
            self._good_until = _NEVER
        with self._lock:
            thread = self._thread
        if thread is not None and self._log is not None and thread is not threading.current_thread():
            with suppress(StorageUnavailableError):
                self._log.interrupt()
            thread.join(_LONGEST_STOP)

    def close_storage(self) -> None:
        """Let go of the storage's connections, at the end of the process."""
        with suppress(StorageUnavailableError):
            self._storage.close()

    def poll_once(self) -> None:
        """One turn of the thread: read the log if that is due, beat if it is time, wait for something new, read it."""
        try:
            if self._steady() >= self._next_read:
                self._read()
            self._beat()
            self._wait()
        except (ConfigError, StorageUnavailableError) as error:
            if self.is_stopped:
                return
            if not self._is_failing:
                _log.warning("the revocation log cannot be read, each request asks the storage: %s", error)
            self._is_failing, self._next_read = True, _NEVER
            threading.Event().wait(_PAUSE)

    def _read(self) -> None:
        sent = self._steady()
        self._note(self._view.catch_up(self._clock()))
        self._believe(sent)
        self._next_read = sent + _READ_EVERY
        if self._is_failing:
            _log.warning("the revocation log can be read again")
        self._is_failing = False

    def _wait(self) -> None:
        sent = self._steady()
        wakeup = self._log.wait(self._view.cursor, longest=self._longest_wait) if self._log else Wakeup()
        if wakeup.entries:
            self._view.take_ahead(wakeup.entries, at=self._clock())
        if wakeup.is_unchanged:
            self._view.confirm()
            # The storage says so only when the wait is over, so the answer is newer than the request by that time;
            # where it came too early, the storage's clock was set meanwhile or somebody else ended the wait.
            is_full = self._steady() - sent >= self._longest_wait
            self._believe(sent + self._longest_wait * _TRUSTED_SHARE if is_full else sent)
        else:
            self._read()

    def _note(self, delay: int) -> None:
        """Keep the delays that are the longest from some moment on, the first of which is the longest of all."""
        now, delays = self._steady(), self._delays
        while delays and delays[-1][1] <= delay:
            delays.pop()
        while delays and delays[0][0] <= now - WORKER_FORGOTTEN:
            delays.popleft()
        delays.append((now, delay))

    def _believe(self, sent: float) -> None:
        if not self.is_stopped:
            self._good_until = sent + self._patience

    def _beat(self) -> None:
        now = self._steady()
        if now < self._next_beat or self.is_stopped:
            return
        self._next_beat = now + BEAT_EVERY
        # Reading does not depend on it: where nothing can be written, there is still a log to be read.
        with suppress(StorageUnavailableError):
            at = self._clock()
            self._workers.beat(Worker(self.name, self._started_at, at, self._delays[0][1]))
            if now >= self._next_tidy:
                self._next_tidy = now + TIDY_EVERY
                self._workers.tidy(at=at)

    def _ensure_thread(self) -> None:
        if self._is_running() or self.is_stopped:
            return
        with self._lock:
            if not self._is_running() and not self.is_stopped:
                leave = partial(_leave, self._workers, self.name)
                arguments = (weakref.ref(self), leave)
                self._thread = threading.Thread(target=_run, args=arguments, name="tessera-follower", daemon=True)
                self._thread.start()

    def _is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()


def _run(reference: weakref.ref[RevocationFollower], leave: Callable[[], None]) -> None:
    """Poll until the follower is stopped, or nobody else holds it.

    Under gevent the threads of a parent run on in a forked child, which has a thread of its own: that of the parent
    would use the parent's connection.
    """
    process = os.getpid()
    while (follower := reference()) is not None and not follower.is_stopped:
        follower.poll_once()
        del follower
        if os.getpid() != process:
            return
    leave()


def _leave(workers: WorkerRegistry, name: str) -> None:
    with suppress(StorageUnavailableError):
        workers.remove(name)


def _stop_all() -> None:
    """Let the workers of a process that ends in good order remove themselves, and close what their threads used."""
    for follower in list(_followers):
        follower.stop()
        follower.close_storage()


atexit.register(_stop_all)
