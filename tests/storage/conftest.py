"""What the storage's tests share."""

from __future__ import annotations

import pytest

from flask_tessera.storage.from_url import open_storage


@pytest.fixture
def path(tmp_path):
    """Where a SQLite file may be made."""
    return tmp_path / "tessera.db"


@pytest.fixture
def url(path):
    """Of a SQLite file that is not there yet."""
    return f"sqlite:///{path}"


@pytest.fixture
def store(url):
    """A storage there."""
    storage = open_storage(url)
    yield storage
    storage.close()


@pytest.fixture
def other(url, store):
    """A second handle on it, as another process has one."""
    storage = open_storage(url)
    yield storage
    storage.close()
