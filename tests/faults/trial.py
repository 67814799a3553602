"""An application and its sessions while their storage is broken: what may be answered, and what must hold after."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from tests.servers import wait_until

from .lateness import Lateness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .application import Reply
    from .tally import Tally

AT_ONCE = 24
"""Requests under way at most."""
GIVEN_UP_AFTER = 60.0
"""Seconds after a fault in which an application must work again, or the trial goes no further."""
FEWEST = 3
"""Live sessions that nobody logs out."""
WAYS = ("all", "this")
"""Of logging out: of all sessions of the user, and of the one."""
ASKED_AGAIN = 4
"""Sessions that have ended, the latest, that are asked about in each round."""
BOUND = 2.0
"""Seconds of TESSERA_REVOCATION_BOUND, the default."""
_numbers = itertools.count()


@dataclass
class Held:
    """A session as its client knows it."""

    name: str
    access: str
    refresh: str
    effective_by: float = float("inf")
    """Unix second from which its ending holds everywhere; infinite while it lives, or nobody knows."""
    bought: dict[str, str] = field(default_factory=dict)
    """Refresh token to its successor."""


class Trial:
    """Holds sessions, asks everything at once, judges each answer; a context manager that looks once more at the end.

    Args:
        tally: where broken invariants are counted.
        call: asks the application, `call(method, path, token, body)`, from any thread.
        live: how many sessions there are, each of another user.
    """

    def __init__(self, tally: Tally, call: Callable[..., Reply], live: int = FEWEST + len(WAYS)) -> None:
        self.tally = tally
        self._call = call
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._lateness = Lateness().__enter__()
        self.live = [self.log_in() for _ in range(live)]
        self.ended: list[Held] = []
        self._ending: list[Held] = []
        self.log_out(self.log_in())
        self.ask()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            latest = max(each.effective_by for each in self.ended)
            wait_until(lambda: time.time() >= latest, "the endings hold everywhere")
            self._each(self._refused, self.ended)
        self._pool.shutdown()
        self._lateness.__exit__()

    @contextlib.contextmanager
    def fault(self) -> Iterator[None]:
        """What is done in the block is a fault; after it all must be well again."""
        self.tally.add("faults_injected")
        yield
        self.recover()
        self.settle()

    def ask(self) -> None:
        """Everything at once that an application is asked, while nobody knows what it can do."""
        first, second, *_ = self.live
        leaving = [(self.live.pop(), which) for which in WAYS if len(self.live) > FEWEST]
        steps: list[Callable[[], object]] = [partial(self._accepted, held) for held in self.live]
        steps += [partial(self._refresh, held, held.refresh) for held in (first, first, second)]
        steps += [partial(self._refused, held) for held in self.ended[-ASKED_AGAIN:]]
        steps += [partial(self.log_out, held, which) for held, which in leaving]
        steps.append(self._log_in_once)
        for done in [self._pool.submit(step) for step in steps]:
            done.result()

    def recover(self) -> None:
        """Wait until everything works again, and note how long that took."""
        began = time.monotonic()
        try:
            wait_until(self._works, "the application works again", seconds=GIVEN_UP_AFTER)
        except TimeoutError:
            self.tally.fail("sessions_lost", f"nothing works {GIVEN_UP_AFTER} s after the fault")
            raise
        self.tally.recovered_in(time.monotonic() - began)

    def settle(self) -> None:
        """What was acknowledged must hold: who lives buys one successor with each token, who was ended is refused."""
        self._each(self._check_live, self.live)
        ending, self._ending = self._ending, []
        for held in ending:
            self.log_out(held)
        if self._ending:
            self.tally.fail("answers_outside_the_contract", "a log-out is not answered although all is well")
        self._each(self._refused, self.ended[-ASKED_AGAIN:])
        while len(self.live) < FEWEST + len(WAYS):
            self.live.append(self.log_in())

    def log_in(self) -> Held:
        """A new session; all must be well."""
        reply = self._asked("POST", "/login", "", {"user": f"user-{next(_numbers)}"}, wanted=(200,))
        pair = reply.body["data"]
        return Held(pair["session_id"], pair["access_token"], pair["refresh_token"])

    def log_out(self, held: Held, which: str = "this") -> None:
        """End a session, which is asked about from now on; if that fails, nobody knows until it is tried again."""
        reply = self._asked("POST", "/auth/logout", "", {"refresh_token": held.refresh, "which": which})
        with self._lock:
            if reply.status == 200:
                # A worker whose clock is wrong is held to the bound too.
                held.effective_by = min(reply.body["data"]["effective_by"], time.time() + BOUND)
                self.ended.append(held)
            else:
                self._ending.append(held)

    def _works(self) -> bool:
        # Of each session, since each may lie on another server.
        requests: list[tuple[str, str, str, Any]] = [("GET", "/strict", held.access, None) for held in self.live]
        requests.append(("POST", "/login", "", {"user": "recovered"}))
        return all(self._asked(*request).status == 200 for request in requests) and all(
            self._refresh(held, held.refresh).status == 200 for held in self.live
        )

    def _log_in_once(self) -> None:
        reply = self._asked("POST", "/login", "", {"user": f"user-{next(_numbers)}"})
        if reply.status == 200:
            pair = reply.body["data"]
            with self._lock:
                self.live.append(Held(pair["session_id"], pair["access_token"], pair["refresh_token"]))

    def _accepted(self, held: Held) -> None:
        for path in ("/me", "/strict"):
            if self._asked("GET", path, held.access).status == 401:
                self.tally.fail("sessions_lost", f"{path} refuses a live session")

    def _refresh(self, held: Held, spent: str) -> Reply:
        reply = self._asked("POST", "/auth/refresh", "", {"refresh_token": spent})
        if reply.status == 200:
            self.tally.add("refreshes_raced")
            pair = reply.body["data"]
            with self._lock:
                if held.bought.setdefault(spent, pair["refresh_token"]) != pair["refresh_token"]:
                    self.tally.fail("double_spends", f"a token of {held.name} bought two successors")
                held.access, held.refresh = pair["access_token"], pair["refresh_token"]
        elif reply.status == 401:
            self.tally.fail("sessions_lost", f"a live session cannot be refreshed: {reply.said}")
        return reply

    def _refused(self, held: Held) -> None:
        for method, path, token, body in (
            ("GET", "/strict", held.access, None),
            ("POST", "/auth/refresh", "", {"refresh_token": held.refresh}),
            ("GET", "/me", held.access, None),
        ):
            reply = self._asked(method, path, token, body)
            if reply.status == 200 and (path != "/me" or reply.sent_at >= held.effective_by):
                self.tally.fail("revoked_accepted", f"{path} accepts what was logged out")

    def _check_live(self, held: Held) -> None:
        spent, held.bought = held.refresh, {}
        again = partial(self._refresh, held, spent)
        for done in [self._pool.submit(self._served, again) for _ in range(2)]:
            self._insist(done.result(), "refresh")
        for path in ("/me", "/strict"):
            self._insist(self._served(partial(self._asked, "GET", path, held.access)), path)

    def _served(self, step: Callable[[], Reply]) -> Reply:
        """The first answer but a 503, which a machine that does much else may still cause."""
        replies: list[Reply] = []

        def is_served() -> bool:
            replies.append(step())
            return replies[-1].status != 503

        wait_until(is_served, "all is well again")
        return replies[-1]

    def _insist(self, reply: Reply, what: str) -> None:
        if reply.status != 200:
            self.tally.fail("sessions_lost", f"{what} of a live session after the fault: {reply.said}")

    def _asked(
        self, method: str, path: str, token: str, body: object = None, wanted: tuple[int, ...] = (200, 401, 503)
    ) -> Reply:
        reply = self._call(method, path, token, body)
        self.tally.answered_in(reply.seconds, f"{method} {path}", late=self._lateness.worst)
        if reply.status == 503:
            self.tally.add("unavailable")
        if reply.status not in wanted or (reply.status == 503 and not reply.retry_after.isdigit()):
            self.tally.fail("answers_outside_the_contract", f"{method} {path}: {reply.said}")
            if 200 in wanted and len(wanted) == 1:
                raise RuntimeError(f"{method} {path} was answered with {reply.said}")
        return reply

    def _each(self, step: Callable[[Held], None], sessions: list[Held]) -> None:
        # One after the other: a step may use the pool itself.
        for held in sessions:
            step(held)
