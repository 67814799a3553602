"""The contract, on Redis and Valkey, alone and as clusters."""

from __future__ import annotations

import pytest

from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing import StorageContract
from tests.servers import fresh_url, why_not


class OnAServer(StorageContract):
    """On a shared server, under a prefix of its own."""

    kind = ""

    @pytest.fixture
    def storage(self):
        if reason := why_not(self.kind):
            pytest.skip(reason)
        self.url = fresh_url(self.kind)
        self.opened = [open_storage(self.url)]
        yield self.opened[0]
        for storage in self.opened:
            storage.close()

    def reopen(self, storage):
        self.opened.append(open_storage(self.url))
        return self.opened[-1]


class TestRedis8(OnAServer):
    kind = "redis8"


class TestRedis6(OnAServer):
    kind = "redis6"


class TestValkey9(OnAServer):
    kind = "valkey9"


class TestRedis8Cluster(OnAServer):
    kind = "redis8-cluster"


class TestValkey9Cluster(OnAServer):
    kind = "valkey9-cluster"
