"""Storages of every kind that several processes can share, and one that has to be listened to in any case."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.far import far_storage
from tests.servers import fresh, fresh_database, why_not

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask_tessera.storage.memory import MemoryStorage

SERVERS = ("postgres", "redis8-cluster", "mariadb", "redis8")
STORES = ("sqlite", *SERVERS)


@contextmanager
def store_url(kind: str, folder: Path) -> Iterator[str]:
    """A URL of this kind under which there is nothing yet; the test is skipped where there is no such server.

    On PostgreSQL it is that of a database, since the schema may be a matter of the test.
    """
    if kind == "sqlite":
        yield f"sqlite:///{folder}/{kind}.db"
        return
    if reason := why_not(kind):
        pytest.skip(reason)
    with fresh_database() if kind == "postgres" else fresh(kind) as url:
        yield url


def listened_storage(bound: int = 2) -> MemoryStorage:
    """A storage whose endings have to be listened for, as those on other machines."""
    return far_storage(bound)
