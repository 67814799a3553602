"""An application with a Tessera, as most tests of the web need one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask

from flask_tessera import StorageUnavailableError, Tessera, TokenPair
from flask_tessera.storage.memory import MemoryStorage
from flask_tessera.testing import Clock
from tests.far import FarLog

if TYPE_CHECKING:
    from flask.testing import FlaskClient

SECRET = "hQ5vT2rB8nX0kW7yL3cM9dF6gJ1pZ4sA"
LOG_AGE = 100
"""Seconds after which tokens are young enough that the log knows all about them."""


class User:
    """Somebody in the application's own table."""

    def __init__(self, id: int, role: str = "member") -> None:  # noqa: A002 - as users have it
        self.id = id
        self.name = f"user {id}"
        self.role = role


@dataclass
class Site:
    """An application and all that a test needs of it."""

    app: Flask
    tessera: Tessera[Any]
    clock: Clock
    users: dict[Any, User] = field(default_factory=dict)
    loads: list[Any] = field(default_factory=list)

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def login(self, user: Any = 7, **how: Any) -> TokenPair:
        with self.app.app_context():
            return self.tessera.login(user, **how)

    def get(self, path: str, token: str | None = None, **how: Any):
        return self.request("GET", path, token, **how)

    def post(self, path: str, token: str | None = None, **how: Any):
        return self.request("POST", path, token, **how)

    def request(self, method: str, path: str, token: str | None = None, **how: Any):
        headers = dict(how.pop("headers", {}))
        if token is not None:
            headers["z-token"] = token
        return self.client.open(path, method=method, headers=headers, **how)


def make_site(
    *, storage: Any = None, loader: bool = True, tessera: dict[str, Any] | None = None, **config: Any
) -> Site:
    clock = Clock()
    app = Flask("site")
    app.config.update(SECRET_KEY=SECRET, **config)
    if storage is None:
        app.config.setdefault("TESSERA_STORE_URL", "memory:")
    made: Tessera[Any] = Tessera(storage=storage, **{"user_id_type": int, "clock": clock, **(tessera or {})})
    site = Site(app, made, clock, {user_id: User(user_id) for user_id in (7, 8)})
    if loader:

        @made.user_loader
        def load(user_id: Any) -> User | None:
            site.loads.append(user_id)
            return site.users.get(user_id)

    made.init_app(app)
    return site


def age(site: Site) -> Site:
    """Let the revocation log be born, and some time pass, so that tokens need no look into the storage."""
    with site.app.app_context():
        site.tessera.verify(site.tessera.login(9).access_token)
    site.clock.advance(LOG_AGE)
    return site


@pytest.fixture
def new_site():
    """Makes sites: `new_site(storage=…, tessera={…}, TESSERA_…=…)`."""
    return make_site


@pytest.fixture
def site() -> Site:
    """A site with a view `/who` that tells the user, guarded."""
    made = make_site()

    @made.app.get("/who")
    @made.tessera.login_required
    def who():
        return {"id": made.tessera.current_user.id, "session": made.tessera.current_identity.session_id}

    return made


class BrokenPort:
    """One port of a storage; raises while the storage is broken."""

    def __init__(self, storage: BrokenStorage, port: Any) -> None:
        self._storage = storage
        self._port = port

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found):
            return found

        def step(*given: Any, **named: Any) -> Any:
            if self._storage.is_broken and name not in self._storage.works:
                raise StorageUnavailableError("away", writing=name in WRITES)
            return found(*given, **named)

        return step


WRITES = (
    "add",
    "rotate",
    "end",
    "end_user",
    "suspend",
    "unsuspend",
    "confirm",
    "touch",
    "purge",
    "put",
    "increment_many",
)


class BrokenStorage:
    """A storage of the host's own kind, which fails while `is_broken`, but for the methods named in `works`."""

    def __init__(self) -> None:
        inner = MemoryStorage()
        self.is_broken = False
        self.works: tuple[str, ...] = ()
        self.sessions = BrokenPort(self, inner.sessions)
        self.revocations = BrokenPort(self, inner.revocations)
        self.values = BrokenPort(self, inner.values)
        self.records = BrokenPort(self, inner.records)

    def be_far(self, bound: int = 2) -> None:
        """Have a log that must be waited for."""
        self.revocations = BrokenPort(self, FarLog(self.revocations._port, bound))

    def check(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def broken_storage():
    """Whole until a test sets `is_broken`, and after it: marks are written until that succeeds."""
    storage = BrokenStorage()
    yield storage
    storage.is_broken = False
