"""The ready service in a thread, and visitors who use it by a real browser."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from werkzeug.serving import make_server

from flask_tessera.server import create_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask

PHONE = "13800138000"
PASSWORD = "correct horse battery"
SECRET = "9b7e40c1f3a85d26e1908c7745bb3f02d6ea914c58f7230b"
EXPIRY = 1000
"""More seconds than an access token lives."""
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1"
    " Mobile/15E148 Safari/604.1"
)
_WATCH = """
addEventListener("securitypolicyviolation", (event) => console.error("violation: " + event.violatedDirective + " " +
  event.blockedURI));
"""


class Clock:
    """Now, as the test says. Near the browser's own, which drops cookies by it."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


@dataclass
class Service:
    """A running service, and what it was asked."""

    app: Flask
    clock: Clock
    port: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    """Requests by method and path, of which each is handled, and not answered before it is counted."""
    _counting: threading.Condition = field(default_factory=threading.Condition)
    _answering: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._answering.set()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Requests are handled and counted here, and answered when this ends."""
        self._answering.clear()
        try:
            yield
        finally:
            self._answering.set()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def users(self) -> Any:
        return self.app.extensions["tessera_service"].users

    def login(self, user_agent: str = IPHONE, **device: str) -> None:
        """Begin another session of the user, as a program does."""
        body = {"phone": PHONE, "password": PASSWORD, "device": device}
        answer = self.app.test_client().post("/auth/login", json=body, headers={"User-Agent": user_agent})
        assert answer.status_code == 200, answer.text

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        answer = self.app(environ, start_response)
        with self._counting:
            self.asked[f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"] += 1
            self._counting.notify_all()
        self._answering.wait(60)
        return answer

    def wait_until_asked(self, expected: dict[str, int]) -> None:
        """Wait until each of these requests was handled so many times."""
        with self._counting:
            told = self._counting.wait_for(lambda: all(self.asked[each] >= expected[each] for each in expected), 60)
            assert told, (expected, self.asked)


@contextmanager
def listening(application: Any) -> Iterator[int]:
    """The port of a WSGI application that is served in a thread."""
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving(folder: Path, password_hash: str) -> Iterator[Service]:
    """A service with one user."""
    clock = Clock(int(time.time()))
    app = create_app(environment={"SECRET_KEY": SECRET}, data=str(folder), clock=clock)
    service = Service(app, clock)
    service.users.add(PHONE, password_hash, name="Ada", level=3)
    with listening(service) as port:
        service.port = port
        yield service
    service.app.extensions["tessera_service"].tessera.close(app)


class Visitors:
    """Makes contexts of the browser: each is a person with cookies of his own."""

    def __init__(self, browser: Any, service: Service) -> None:
        self._browser, self.service = browser, service
        self._contexts: list[Any] = []
        self.violations: list[str] = []
        """What a Content-Security-Policy has refused."""
        self.mistakes: list[str] = []
        """What a page has written to the console as an error, or thrown."""
        self.expected: tuple[str, ...] = ()
        """Beginnings of such errors that belong to the test."""

    def come(self, *, language: str = "zh-CN", width: int = 1280, **how: Any) -> Any:
        """A new person; gives his first, empty page."""
        context = self._browser.new_context(
            locale=language, timezone_id="Asia/Shanghai", viewport={"width": width, "height": 800}, **how
        )
        context.set_default_timeout(60_000)
        context.add_init_script(_WATCH)
        context.on("console", lambda message: self._hear(message.type, message.text))
        context.on("weberror", lambda error: self.mistakes.append(str(error.error)))
        context.on("dialog", lambda dialog: (self.mistakes.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self._contexts.append(context)
        return context.new_page()

    def type_into(self, page: Any, selector: str, keys: tuple[str, ...]) -> None:
        """Press these keys when the element has the focus, which a page gives it some time after it was loaded."""
        page.wait_for_function("(which) => document.activeElement.matches(which)", arg=selector)
        for key in keys:
            page.keyboard.press(key) if key in ("Tab", "Enter") else page.keyboard.type(key)

    def sign_in(self, page: Any, password: str = PASSWORD) -> None:
        """Fill in the form of the page."""
        page.goto(f"{self.service.url}/console/sign-in")
        page.fill("#account", PHONE)
        page.fill("#password", password)
        page.keyboard.press("Enter")
        page.wait_for_url("**/console/devices")

    def leave(self) -> None:
        """Close all of their windows."""
        for each in self._contexts:
            each.close()

    def _hear(self, kind: str, text: str) -> None:
        if "violation:" in text or "Content Security Policy" in text:
            self.violations.append(text)
        elif kind == "error" and not text.startswith(self.expected or ("\0",)):
            self.mistakes.append(text)


def find_axe() -> str:
    """The source of axe-core, which a wheel carries."""
    spec = find_spec("axe_playwright_python")
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / "axe.min.js").read_text("utf-8")
