"""The smallest application with everything that the faults need, and how it is asked."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import threading
import time
import traceback
from dataclasses import dataclass, field
from typing import Any, Self

import flask

from flask_tessera import Tessera
from flask_tessera.clocks import system_clock
from flask_tessera.errors import StorageUnavailableError

# It tells of every fault: nobody needs to read that on a terminal.
logging.getLogger("flask_tessera").addHandler(logging.NullHandler())
SETTINGS = {"TESSERA_MAX_SESSIONS": 0, "TESSERA_LOCALE": "en"}
WORKER = "X-Worker"
"""The header that tells which process has answered."""


@dataclass(frozen=True)
class Reply:
    """What was answered, and after how many seconds."""

    status: int
    body: Any
    seconds: float
    retry_after: str = ""
    worker: str = ""
    sent_at: float = field(default_factory=time.time)
    """Unix time at which the request was sent."""
    trouble: str = ""
    """The last line of a traceback, where there was one."""

    @property
    def said(self) -> str:
        """For a note."""
        slug = self.body.get("error", "") if isinstance(self.body, dict) else self.body
        return f"{self.status} {slug} {self.trouble}".strip()


def make_application(url: str, secret: str, *, clock: Any = system_clock, **settings: Any) -> tuple[flask.Flask, Any]:
    """An application on this storage with its Tessera."""
    app = flask.Flask("faults")
    app.config.update(SECRET_KEY=secret, TESSERA_STORE_URL=url, **{**SETTINGS, **settings})
    tessera: Any = Tessera(app, clock=clock)

    @app.post("/login")
    def log_in() -> Any:
        return tessera.login(flask.request.get_json()["user"]).to_response()

    @app.get("/me")
    @tessera.login_required
    def me() -> Any:
        return {"user": str(tessera.current_user)}

    @app.get("/strict")
    @tessera.login_required(strict=True)
    def strict() -> Any:
        return {"user": str(tessera.current_user)}

    app.register_blueprint(tessera.blueprint("refresh", "logout", "sessions"))
    _tell_worker(app)
    return app, tessera


def _tell_worker(app: flask.Flask) -> None:
    @app.after_request
    def tell(response: flask.Response) -> flask.Response:
        # Long enough for the other workers to take the other requests of a burst; what is answered is decided already.
        threading.Event().wait(float(flask.request.headers.get("X-Hold", 0)))
        response.headers[WORKER] = str(os.getpid())
        return response


class InProcess:
    """An application that is asked without a server; a context manager that leaves nothing for its threads to write.

    Args:
        url: of the storage.
        secret: its SECRET_KEY, one of its own by default.
        **options: of `make_application`.
    """

    def __init__(self, url: str, secret: str = "", **options: Any) -> None:
        self.app, self.tessera = make_application(url, secret or secrets.token_hex(), **options)
        self._errors: list[str] = []
        flask.got_request_exception.connect(self._note, self.app)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self.app.app_context(), contextlib.suppress(StorageUnavailableError):
            self.tessera.runtime.shared.activity.flush()
            self.tessera.runtime.storage.close()

    def _note(self, _sender: object, exception: BaseException, **_: object) -> None:
        frames = traceback.extract_tb(exception.__traceback__)
        self._errors.append(f"{type(exception).__name__}: {exception} ({frames[-1].filename}:{frames[-1].lineno})")

    def __call__(self, method: str, path: str, token: str = "", body: Any = None) -> Reply:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        sent_at, began = time.time(), time.monotonic()
        response = self.app.test_client().open(path, method=method, headers=headers, json=body)
        seconds = time.monotonic() - began
        trouble = self._errors[-1] if response.status_code == 500 and self._errors else ""
        retry_after = response.headers.get("Retry-After", "")
        return Reply(
            response.status_code,
            response.get_json(silent=True),
            seconds,
            retry_after,
            str(os.getpid()),
            sent_at,
            trouble,
        )
