"""Storages on PostgreSQL: on the server that the run shares, and on one that may be broken."""

from __future__ import annotations

import pytest

from flask_tessera.storage.from_url import open_storage
from tests.servers import PostgresServer

from ..databases import fresh_schema


@pytest.fixture
def url():
    with fresh_schema() as url:
        yield url


@pytest.fixture
def store(url):
    storage = open_storage(url)
    yield storage
    storage.close()


@pytest.fixture
def other(url, store):
    """A second handle on that schema, as another process has one."""
    storage = open_storage(url)
    yield storage
    storage.close()


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
