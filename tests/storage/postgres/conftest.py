"""Storages on PostgreSQL: on the server that the run shares, and on one that may be broken."""

from __future__ import annotations

import pytest

from flask_tessera.storage.from_url import open_storage
from flask_tessera.storage.sql import database
from tests.servers import PostgresServer, fresh


@pytest.fixture
def url():
    with fresh("postgres") as url:
        yield url


@pytest.fixture
def patient(monkeypatch):
    """However busy the machine is, a step that lost its connection comes early enough to be tried again."""
    monkeypatch.setattr(database, "STEP", 60)
    monkeypatch.setattr(database, "_PATIENCE", 60)


@pytest.fixture(scope="module")
def server():
    """A server that the tests of a module may break, if they leave it running."""
    with PostgresServer(fsync=True) as server:
        yield server


@pytest.fixture
def fragile(server):
    """A storage there."""
    if not server.is_alive():
        server.restart()
    storage = open_storage(server.url)
    yield storage
    storage.close()
