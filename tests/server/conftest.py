"""What the tests of the ready service share: applications, users, a clock, real servers and a client."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

import pytest

from flask_tessera.accounts.hash_slots import HashSlots
from flask_tessera.accounts.passwords import Passwords
from flask_tessera.errors import AlreadyExistsError
from flask_tessera.server import create_app
from flask_tessera.server.users import open_users
from tests.servers import forked, fresh, is_available, why_not
from tests.windows import stopping

from .locking import write_lock

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flask import Flask

    from flask_tessera.server.users import Users

PHONE = "13800138000"
PASSWORD = "correct horse battery"
SECRET = "9b7e40c1f3a85d26e1908c7745bb3f02d6ea914c58f7230b"
DEADLINE = 60


class Clock:
    """Now, as the test says."""

    def __init__(self) -> None:
        # In 2096, so that no system clock is near.
        self.now = 4_000_000_000

    def __call__(self) -> int:
        return self.now


@dataclass(frozen=True)
class Answer:
    """What came back over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A running `flask-tessera serve`, in a process of its own."""

    process: subprocess.Popen[str]
    log: IO[bytes]
    """Its standard error: a file, since a pipe that nobody reads holds 4 KiB on Windows, and then stops who writes."""
    host: str
    port: int
    printed: list[str] = field(default_factory=list)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        sent = dict(headers or {})
        if body is not None:
            raw = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        if token is not None:
            sent["z-token"] = token
        connection = http.client.HTTPConnection(self.host, self.port, timeout=DEADLINE)
        try:
            connection.request(method, path, raw, sent)
            reply = connection.getresponse()
            return Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    def log_in(self, phone: str = PHONE, password: str = PASSWORD) -> str:
        reply = self.call("POST", "/login", {"phone": phone, "password": password})
        assert reply.json["code"] == 0, reply.json
        token: str = reply.json["data"]
        return token

    def stop(self, by: signal.Signals | None = None) -> tuple[int, str]:
        """End the process, as is usual on this system; gives its exit code and what it wrote to standard error."""
        if self.process.poll() is None:
            if by:
                self.process.send_signal(by)
            else:
                stopping.stop(self.process)
        out, _ = self.process.communicate(timeout=DEADLINE)
        self.printed.append(out)
        with self.log:
            self.log.seek(0)
            return self.process.returncode, self.log.read().decode().replace("\r\n", "\n")


def clean_environment(**settings: str) -> dict[str, str]:
    """The environment of this process without any setting of ours."""
    ours = ("TESSERA_", "SECRET_KEY", "FLASK_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "SECRET_KEY": SECRET, **settings}


def free_port(host: str = "127.0.0.1") -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as taken:
        taken.bind((host, 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def password_hash() -> str:
    """A hash of PASSWORD: making one takes as long as checking one."""
    return Passwords(HashSlots(1)).hash(PASSWORD)


@pytest.fixture(scope="session")
def make_service() -> Callable[..., Flask]:
    """Makes the application of a service: `make_service(folder, clock, TESSERA_LOCALE="en")`."""

    def make(folder: Path, clock: Callable[[], int] | None = None, **settings: str) -> Flask:
        given = {"clock": clock} if clock else {}
        return create_app(environment={"SECRET_KEY": SECRET, **settings}, data=str(folder), **given)

    return make


@pytest.fixture
def app(tmp_path: Path, clock: Clock, make_service: Callable[..., Flask], password_hash: str) -> Flask:
    """A service with default settings and one user."""
    app = make_service(tmp_path, clock)
    app.extensions["tessera_service"].users.add(PHONE, password_hash, name="Ada", level=3)
    return app


@pytest.fixture(scope="session")
def environment() -> Callable[..., dict[str, str]]:
    return clean_environment


def add_ada(folder: Path, store_url: str, password_hash: str) -> None:
    """The first user, where the service will look for its users."""
    ada = {"phone": PHONE, "password_hash": password_hash, "name": "Ada", "level": 3}
    if store_url.startswith(("postgres", "mysql")):
        with suppress(AlreadyExistsError):
            open_users(store_url, folder / "tessera.db").add(**ada)
    elif not (folder / "tessera.db").exists():
        service = create_app(environment={"SECRET_KEY": SECRET}, data=str(folder)).extensions["tessera_service"]
        service.users.add(**ada)


@contextmanager
def servers(folder: Path, password_hash: str) -> Iterator[Callable[..., Server]]:
    """A function that starts `flask-tessera serve` on a free port; all it has started end with the block."""
    running: list[Server] = []

    def start(
        *options: str, host: str = "127.0.0.1", user: bool = True, wanted_port: int = 0, **settings: str
    ) -> Server:
        if user:
            named = (*options, "--store", settings.get("TESSERA_STORE_URL", ""))
            add_ada(folder, named[named.index("--store") + 1], password_hash)
        port = wanted_port or free_port(host)
        words = ["serve", "--host", host, "--port", str(port), "--data", str(folder), *options]
        log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the server
        process = forked.start("flask_tessera.cli", words, clean_environment(**settings), log)
        server = Server(process, log, host, port)
        running.append(server)
        assert process.stdout is not None
        # Printed when the socket listens; an empty line if the process has ended instead.
        server.printed.append(process.stdout.readline())
        return server

    try:
        yield start
    finally:
        for server in running:
            if server.process.returncode is None:
                server.stop()


@pytest.fixture
def serve(tmp_path: Path, password_hash: str) -> Iterator[Callable[..., Server]]:
    """Starts servers on the data folder `tmp_path / "data"`; they end with the test."""
    with servers(tmp_path / "data", password_hash) as start:
        yield start


@pytest.fixture
def serve_from(password_hash: str) -> Iterator[Callable[[Path], Callable[..., Server]]]:
    """Makes what `serve` is, for any data folder: `serve_from(folder)(…)`."""
    with ExitStack() as running:
        yield lambda folder: running.enter_context(servers(folder, password_hash))


KINDS = ("", "postgres", "mariadb", *(["mysql"] if is_available("mysql") else []))


@pytest.fixture(params=KINDS, ids=lambda kind: kind or "file")
def users_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of the users' database: none, so that they are in a file of the service; and each other kind."""
    if not request.param:
        yield ""
        return
    if reason := why_not(request.param):
        pytest.skip(reason)
    with fresh(request.param) as url:
        yield url


@pytest.fixture
def open_again(users_url: str, tmp_path: Path) -> Callable[[], Users]:
    """Opens the same users as another process would."""
    return lambda: open_users(users_url, tmp_path / "users.db")


@pytest.fixture
def users(open_again: Callable[[], Users]) -> Users:
    """A table of users in which there is nobody."""
    return open_again()


@pytest.fixture(scope="module")
def two_servers(tmp_path_factory: pytest.TempPathFactory, password_hash: str) -> Iterator[tuple[Server, Server]]:
    """Two running servers with default settings on one data folder, for tests that leave them as they were."""
    with servers(tmp_path_factory.mktemp("shared") / "data", password_hash) as start:
        yield start(), start()


@pytest.fixture
def hold_lock() -> Callable[[Path], Any]:
    """Holds the write lock of a SQLite file in another process: `with hold_lock(path): …`."""
    return write_lock


@pytest.fixture
def run_program() -> Callable[..., str]:
    """Runs a Python program in a process without threads, so that it may fork; gives what it printed."""

    def run(program: str, *arguments: object, **settings: str) -> str:
        command = [sys.executable, "-c", program, *map(str, arguments)]
        done = subprocess.run(
            command, env=clean_environment(**settings), capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run
