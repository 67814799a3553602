"""gunicorn in front of the application of the faults, and a client that can reach every worker."""

from __future__ import annotations

import http.client
import json
import secrets
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tests.servers.server import Server
from tests.servers.supervisor import children_of

from .application import WORKER, Reply

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[2]
HOLD = 0.02
"""Seconds for which a worker keeps a request of a burst, so that the others take the rest."""
TIMEOUT = 60


class Gunicorn(Server):
    """Some workers of one application; a context manager that starts and ends them.

    Args:
        url: of the storage.
        workers: how many.
        kind: the class of workers, as gunicorn names it.
        preload: whether the application is made, and has used its storage, before the workers are forked.
        options: more words of the command line.
        **settings: of the application, over those of `make_application`.
    """

    name = "gunicorn"
    ending: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(
        self,
        url: str,
        *,
        workers: int = 4,
        kind: str = "sync",
        preload: bool = False,
        options: Iterable[str] = (),
        **settings: Any,
    ) -> None:
        super().__init__()
        self.workers = workers
        given = {"url": url, "secret": secrets.token_hex(), "settings": settings, "preload": preload}
        threads = ("--threads", "4") if kind == "gthread" else ()
        patched = ("-c", str(Path(__file__).with_name("patched.py"))) if kind == "gevent" and preload else ()
        self._words = [
            "-w",
            str(workers),
            "-k",
            kind,
            *threads,
            *patched,
            *(("--preload",) if preload else ()),
            *options,
        ]
        self._target = f"tests.faults.wsgi:create({given!r})"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __call__(self, method: str, path: str, token: str = "", body: Any = None, *, hold: float = 0) -> Reply:
        headers = {"X-Hold": str(hold), "Connection": "close"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        sent_at, began = time.time(), time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text, seconds = answer.read(), time.monotonic() - began
        finally:
            connection.close()
        return Reply(
            answer.status,
            _parsed(text),
            seconds,
            answer.headers.get("Retry-After", ""),
            answer.headers.get(WORKER, ""),
            sent_at,
        )

    def burst(self, path: str, token: str) -> list[Reply]:
        """As many requests at once as reach each worker most often; ask again until each has answered."""
        with ThreadPoolExecutor(2 * self.workers) as pool:
            return list(pool.map(lambda _: self("GET", path, token, hold=HOLD), range(2 * self.workers)))

    def _command(self, port: int) -> list[str]:
        where = ["--chdir", str(ROOT), "--pythonpath", f"{ROOT},{ROOT / 'src'}", "--bind", f"127.0.0.1:{port}"]
        return [sys.executable, "-m", "gunicorn", *where, *self._words, self._target]

    def _is_ready(self, port: int) -> bool:
        self.port, before = port, self.port
        try:
            return int(self("GET", "/").worker or 0) in children_of(self.pid)
        except OSError:
            return False
        finally:
            self.port = before


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text[:200].decode(errors="replace")
