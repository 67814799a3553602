"""Writes what may be written a little later, so that no request waits for it.

How this works: a request only puts into memory what is to be written. A thread of each process wakes when something
was put there, lets two seconds pass for more to come, and writes all of it in chunks. What was written is dropped from
memory, and nothing before: after an outage the writer goes on where it was. What waits is bounded by each writer.

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
from abc import ABC, abstractmethod
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from ..errors import ConfigError, StorageUnavailableError
from ..fork import renew_in_children

if TYPE_CHECKING:
    from .ports import Clock

WRITE_EVERY: Final = 2.0
"""Seconds; well within the 5 s in which a confirmation must be written."""
GAP: Final = 0.025
"""Seconds between two chunks in which others get the write lock: SQLite lets them try again after up to 25 ms."""
_log = logging.getLogger("flask_tessera")


class BackgroundWriter(ABC):
    """A thread of each process writes what was collected, and ends with the last holder of this.

    Args:
        clock: gives now. One whose `is_controlled` is true, as `testing.Clock`, has everything written at once.
        thread_name: of its thread.
        at_once: whether everything is written at once.
    """

    def __init__(self, clock: Clock, *, thread_name: str, at_once: bool = False) -> None:
        self._clock = clock
        self._thread_name = thread_name
        self._writes_at_once = at_once or bool(getattr(clock, "is_controlled", False))
        self._process = 0
        self._is_awake = False
        self._is_failing = False
        self._waiting: SimpleQueue[BackgroundWriter | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        renew_in_children(self)
        _writers.add(self)

    def reset_after_fork(self) -> None:
        """A thread of the parent may have been recording or writing."""
        self._lock = threading.Lock()
        self._writing = threading.Lock()

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
        threading.Event().wait(WRITE_EVERY)
        if not self._try_to_write(GAP):
            self._ensure_thread()

    def write_at_exit(self) -> None:
        """The process ends: write what waits, or say that it is lost."""
        try:
            self.flush()
        except (ConfigError, StorageUnavailableError) as error:
            # Once: whoever ends the process may have asked before it does.
            _writers.discard(self)
            _log.warning("%s could not be written and is lost: %s", self._left(), error)

    @abstractmethod
    def _flush(self, gap: float) -> None:
        """Write all that waits, with pauses of `gap` seconds; errors as of `flush`."""

    @abstractmethod
    def _collected(self) -> str:
        """What could not be written and is tried again, in words."""

    @abstractmethod
    def _left(self) -> str:
        """What is lost if it cannot be written, in words."""

    def _wake(self) -> None:
        """Something was collected: write it soon, or at once where a test has the time in hand."""
        if self._writes_at_once:
            self._try_to_write(0)
        else:
            self._ensure_thread()

    def _try_to_write(self, gap: float) -> bool:
        """False where the storage is away; the first time of a series is logged."""
        try:
            self._flush(gap)
        except (ConfigError, StorageUnavailableError) as error:
            if not self._is_failing:
                _log.warning("%s could not be written, trying again: %s", self._collected(), error)
            self._is_failing = True
            return False
        self._is_failing = False
        return True

    def _ensure_thread(self) -> None:
        if not self._is_running():
            with self._lock:
                if not self._is_running():
                    self._process, self._is_awake = os.getpid(), False
                    waiting = self._waiting = SimpleQueue[BackgroundWriter | None]()
                    weakref.finalize(self, waiting.put, None).atexit = False
                    self._thread = threading.Thread(target=_run, args=(waiting,), name=self._thread_name, daemon=True)
                    self._thread.start()
        # True already, the thread has yet to take what was recorded: before it does, it clears this.
        if not self._is_awake:
            self._is_awake = True
            self._waiting.put(self)

    def _is_running(self) -> bool:
        """Whether this process has a thread; a child has none, and a listener that raises ends it."""
        return self._process == os.getpid() and self._thread is not None and self._thread.is_alive()


_writers: weakref.WeakSet[BackgroundWriter] = weakref.WeakSet()


def write_at_exit() -> None:
    """Have every writer write what waits, or say that it is lost; done when the process ends, if not before."""
    for writer in list(_writers):
        writer.write_at_exit()


# Storages close their connections by `weakref.finalize`, whose hook is registered with its first use: here, so that it
# runs after ours.
weakref.finalize(_writers, bool)
atexit.register(write_at_exit)


def _run(waiting: SimpleQueue[BackgroundWriter | None]) -> None:
    """Hold a writer while it has something to write, and no longer: what nobody else holds needs no thread."""
    while (writer := waiting.get()) is not None:
        writer.write()
        del writer
