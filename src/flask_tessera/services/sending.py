"""Hands messages to the sender in bounded time, however slow the sender is or whether it hangs.

How this works. A sender may be anything: a mail server that does not answer, a function of the application without a
time limit. So it is called in threads of our own, at most 8 in a process, and a request waits for its message for at
most 10 seconds. A thread is started when there is something to send, and ends when there is nothing more.

Codes and links go first, each within the time that its request waits: one that has not begun by then is not sent at
all, so that nobody gets a code of which he was told that it could not be sent. One that has begun may still arrive.
Where all 8 threads hang beyond their time, or 64 requests wait already, a further message fails at once: each request
that waits holds a thread of the server, and the others need some, too.

Notices, for which nobody waits, are sent by up to 2 of these threads. Up to 1,000 wait in memory; beyond that they are
dropped, which is logged. A process that ends in good order sends what waits for up to 5 seconds. Nothing is sent twice.
"""

from __future__ import annotations

import atexit
import contextvars
import inspect
import threading
import weakref
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ..clocks import boot_clock
from ..errors import ConfigError, SendingError
from ..fork import renew_in_children
from .sending_failures import FailureLog, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .senders.message import Message, Sender

LONGEST: Final = 10.0
"""Seconds for which a request waits for its message."""
THREADS: Final = 8
"""That call the sender, in one process."""
MOST_REQUESTS: Final = 8 * THREADS
"""That wait for their messages at once, in one process."""
_NOTICE_THREADS: Final = 2
_MOST_WAITING: Final = 1000
_LONGEST_AT_EXIT: Final = 5.0


@dataclass(eq=False, slots=True)
class _Job:
    """A message on its way.

    Attributes:
        message: it.
        deadline: on the steady clock; of a notice from its beginning on.
        is_notice: nobody waits for it.
        context: of whoever sends it, so that the sender finds Flask's application.
        done: set when the sender has been called, or never will be.
        error: why it failed; None if it did not.
    """

    message: Message
    deadline: float
    is_notice: bool = False
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    done: threading.Event = field(default_factory=threading.Event)
    error: SendingError | None = None


class Sending:
    """Sends messages by one sender, in threads of each process.

    Args:
        sender: what delivers them.
        seconds: for which `send` waits at most.
        at_once: whether notices are sent before `send_later` returns, for tests.

    Raises:
        ConfigError: the sender has no method `send`, or one that is `async`.
    """

    def __init__(self, sender: Sender, *, seconds: float = LONGEST, at_once: bool = False) -> None:
        method = getattr(sender, "send", None)
        if not callable(method) or inspect.iscoroutinefunction(method):
            raise ConfigError(f"a sender needs a method send(message), not async; {type(sender).__name__} has none")
        self._sender = sender
        self._seconds = seconds
        self._sends_at_once = at_once
        self._failures = FailureLog()
        renew_in_children(self)
        _all.add(self)

    def reset_after_fork(self) -> None:
        """The threads, and what they send, stay with the parent."""
        self._lock = threading.Lock()
        self._codes: deque[_Job] = deque()
        self._notices: deque[_Job] = deque()
        self._running: set[_Job] = set()
        self._threads = 0
        self._places = threading.Semaphore(MOST_REQUESTS)

    def send(self, message: Message) -> None:
        """Send a message and wait until it is handed over.

        Raises:
            SendingError: it was not handed over within the time, or the sender has failed. It may have arrived
                where the error says so.
        """
        job = _Job(message, boot_clock() + self._seconds)
        try:
            with self._place():
                self._enqueue(job)
                if not job.done.wait(self._seconds):
                    self._give_up(job)
            if job.error:
                raise job.error
        except SendingError as error:
            self._failures.failed(message, error)
            raise
        self._failures.succeeded()

    def send_later(self, message: Message) -> None:
        """Send a notice by and by, as well as that is possible; failures are logged."""
        if self._sends_at_once:
            with suppress(SendingError):
                self.send(message)
            return
        job = _Job(message, 0, is_notice=True)
        with suppress(SendingError), self._lock:
            waiting = len(self._notices)
            if waiting < _MOST_WAITING:
                self._notices.append(job)
                self._failures.accepted()
                # Should none start, the next message starts one.
                self._ensure_thread()
            else:
                self._failures.dropped(message, waiting)

    def wait_for_notices(self, seconds: float) -> None:
        """Wait until the notices of this moment are sent, for so many seconds at most."""
        deadline = boot_clock() + seconds
        with self._lock:
            jobs = [*self._notices, *(job for job in self._running if job.is_notice)]
        for job in jobs:
            job.done.wait(max(0.0, deadline - boot_clock()))

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise SendingError(f"{MOST_REQUESTS} requests wait for the sender")
        try:
            yield
        finally:
            self._places.release()

    def _enqueue(self, job: _Job) -> None:
        with self._lock:
            if self._is_stuck():
                raise SendingError(f"all {THREADS} threads are held by messages that the sender does not finish")
            self._ensure_thread()
            self._codes.append(job)

    def _is_stuck(self) -> bool:
        now = boot_clock()
        return len(self._running) >= THREADS and all(job.deadline <= now for job in self._running)

    def _ensure_thread(self) -> None:
        """Under the lock, which a new thread waits for."""
        if self._threads >= THREADS:
            return
        self._threads += 1
        try:
            threading.Thread(target=self._run, name="tessera-sending", daemon=True).start()
        except RuntimeError as error:
            self._threads -= 1
            raise SendingError(f"no thread can be started to send messages: {error}") from error

    def _give_up(self, job: _Job) -> None:
        with self._lock:
            if job.done.is_set():
                return
            has_begun = job not in self._codes
            if not has_begun:
                self._codes.remove(job)
        raise SendingError(f"the sender did not finish within {self._seconds:g} s", may_have_arrived=has_begun)

    def _run(self) -> None:
        while (job := self._next()) is not None:
            error = self._call_sender(job)
            with self._lock:
                self._running.discard(job)
                job.error = error
                job.done.set()
            if job.is_notice:
                self._log_notice(job)

    def _next(self) -> _Job | None:
        with self._lock:
            running_notices = sum(job.is_notice for job in self._running)
            if self._codes:
                job = self._codes.popleft()
            elif self._notices and running_notices < _NOTICE_THREADS:
                job = self._notices.popleft()
                job.deadline = boot_clock() + self._seconds
            else:
                # Within the lock: whoever puts something in a queue afterwards starts a thread.
                self._threads -= 1
                return None
            self._running.add(job)
            return job

    def _call_sender(self, job: _Job) -> SendingError | None:
        try:
            job.context.run(self._sender.send, job.message)
        except SendingError as error:
            return error
        except BaseException as error:  # noqa: BLE001 - of the application, in a log with its traceback
            text = without_secrets(f"the sender raised {type(error).__name__}: {error}", job.message)
            failure = SendingError(text, may_have_arrived=True)
            failure.__cause__ = error
            return failure
        return None

    def _log_notice(self, job: _Job) -> None:
        if job.error:
            self._failures.failed(job.message, job.error)
        else:
            self._failures.succeeded()


_all: weakref.WeakSet[Sending] = weakref.WeakSet()


def _finish() -> None:
    deadline = boot_clock() + _LONGEST_AT_EXIT
    for each in list(_all):
        each.wait_for_notices(deadline - boot_clock())


atexit.register(_finish)
