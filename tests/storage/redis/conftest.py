"""What the tests of Redis share."""

from __future__ import annotations

import pytest

from flask_tessera.storage.from_url import open_storage
from tests.length import shortly
from tests.servers import RedisServer, fresh_url, shared, why_not

from .raw import Raw


@pytest.fixture
def opened():
    """Opens storages, and closes them in the end."""
    storages = []

    def open_one(url):
        storages.append(open_storage(url))
        return storages[-1]

    yield open_one
    for storage in storages:
        storage.close()


@pytest.fixture(params=shortly(["redis8", "redis6", "valkey9"]))
def kind(request):
    """A program that can be started here; the contract (../test_contract.py) runs on all of them always."""
    if reason := why_not(request.param):
        pytest.skip(reason)
    return request.param


@pytest.fixture
def url(kind):
    """Of a shared server, where nothing is kept yet."""
    return fresh_url(kind)


@pytest.fixture
def store(url, opened):
    """A storage there."""
    return opened(url)


@pytest.fixture
def raw(kind, url):
    """Its keys, seen by another client."""
    with Raw(shared(kind).url, url.rpartition("=")[2]) as raw:
        yield raw


@pytest.fixture
def server():
    """A server of its own, to be broken."""
    if reason := why_not("redis8"):
        pytest.skip(reason)
    with RedisServer("redis8") as server:
        yield server


@pytest.fixture
def broken(server, opened):
    """A storage on it."""
    return opened(server.url)
