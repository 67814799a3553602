"""The contract, on every storage."""

from __future__ import annotations

import os
from functools import partial

import flask
import flask_sqlalchemy
import pytest
import sqlalchemy

from flask_tessera.storage.from_url import open_engine, open_storage
from flask_tessera.testing import BrokenStorageContract, StorageContract
from flask_tessera.testing.contract.base import T0, begin
from tests.servers import (
    Cluster,
    MariaDBServer,
    PostgresServer,
    RedisServer,
    fresh,
    fresh_database,
    fresh_url,
    is_available,
    wait_until,
    why_not,
)

from . import calls
from .databases import execute


class TestMemory(StorageContract):
    @pytest.fixture
    def storage(self):
        return open_storage("memory:")


class TestSQLiteFile(StorageContract):
    @pytest.fixture
    def storage(self, url):
        self.url = url
        self.opened = [open_storage(url)]
        yield self.opened[0]
        for storage in self.opened:
            storage.close()

    def reopen(self, storage):
        self.opened.append(open_storage(self.url))
        return self.opened[-1]


@pytest.mark.slow
class TestEngineOfAHost(StorageContract):
    @pytest.fixture
    def storage(self, tmp_path):
        self.engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'host.db'}")
        self.opened = [open_engine(self.engine)]
        yield self.opened[0]
        for storage in self.opened:
            storage.close()
        self.engine.dispose()

    def reopen(self, storage):
        self.opened.append(open_engine(self.engine))
        return self.opened[-1]


@pytest.mark.long
class TestFlaskSQLAlchemy(StorageContract):
    @pytest.fixture
    def storage(self, tmp_path):
        app = flask.Flask(__name__, instance_path=str(tmp_path))
        app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///host.db"
        self.db = flask_sqlalchemy.SQLAlchemy(app)
        with app.app_context():
            # The threads of later steps have no application.
            self.opened = [open_engine(self.db)]
            yield self.opened[0]
            for storage in self.opened:
                storage.close()
            self.db.engine.dispose()

    def reopen(self, storage):
        self.opened.append(open_engine(self.db))
        return self.opened[-1]


class TestPostgres(StorageContract):
    @pytest.fixture
    def storage(self):
        with fresh("postgres") as self.url:
            self.opened = [open_storage(self.url)]
            yield self.opened[0]
            for storage in self.opened:
                storage.close()

    def reopen(self, storage):
        self.opened.append(open_storage(self.url))
        return self.opened[-1]


@pytest.mark.long
class TestPostgresEngineOfAHost(StorageContract):
    @pytest.fixture(scope="class")
    @classmethod
    def url(cls):
        with fresh_database() as url:
            yield url

    @pytest.fixture
    def storage(self, url):
        # Never connected: the host has a driver of its own, which need not be here.
        self.engine = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
        self.opened = [open_engine(self.engine)]
        yield self.opened[0]
        for storage in self.opened:
            storage.close()
        self.engine.dispose()
        execute(url, "DROP SCHEMA IF EXISTS tessera CASCADE")

    def reopen(self, storage):
        self.opened.append(open_engine(self.engine))
        return self.opened[-1]


class OnMySQL(StorageContract):
    """In a database of its own."""

    kind = ""

    @pytest.fixture
    def storage(self):
        if reason := why_not(self.kind):
            pytest.skip(reason)
        with fresh(self.kind) as self.url:
            self.opened = [open_storage(self.url)]
            yield self.opened[0]
            for storage in self.opened:
                storage.close()

    def reopen(self, storage):
        self.opened.append(open_storage(self.url))
        return self.opened[-1]


class TestMariaDB(OnMySQL):
    kind = "mariadb"


if is_available("mysql"):

    class TestMySQL(OnMySQL):
        kind = "mysql"


@pytest.mark.long
class TestMariaDBEngineOfAHost(StorageContract):
    @pytest.fixture
    def storage(self):
        if reason := why_not("mariadb"):
            pytest.skip(reason)
        with fresh("mariadb") as url:
            # A name of the driver, and an option for it, that are not for us.
            self.engine = sqlalchemy.create_engine(url.replace("mysql:", "mariadb+pymysql:") + "?charset=utf8mb4")
            self.opened = [open_engine(self.engine)]
            yield self.opened[0]
            for storage in self.opened:
                storage.close()
            self.engine.dispose()

    def reopen(self, storage):
        self.opened.append(open_engine(self.engine))
        return self.opened[-1]


class OnAServer(StorageContract):
    """On a shared server, under a prefix of its own."""

    kind = ""

    @pytest.fixture
    def storage(self):
        if reason := why_not(self.kind):
            pytest.skip(reason)
        self.url, self.opened = fresh_url(self.kind), []
        yield self.open()
        for storage in self.opened:
            storage.close()

    def open(self):
        self.opened.append(open_storage(self.url))
        if self.kind.endswith("cluster"):
            # On a busy machine it takes longer than a step may until it is known who keeps what.
            wait_until(partial(calls.is_available, self.opened[-1].check), "the cluster is known")
        return self.opened[-1]

    def reopen(self, storage):
        return self.open()


class TestRedis8(OnAServer):
    kind = "redis8"


@pytest.mark.slow
class TestRedis6(OnAServer):
    kind = "redis6"


@pytest.mark.slow
class TestValkey9(OnAServer):
    kind = "valkey9"


@pytest.mark.slow
class TestRedis8Cluster(OnAServer):
    kind = "redis8-cluster"


@pytest.mark.slow
class TestValkey9Cluster(OnAServer):
    kind = "valkey9-cluster"


def broken_by_a_kill(server):
    """A storage that has worked on a server that is gone now."""
    storage = open_storage(server.url)
    begin(storage)
    storage.revocations.after(0, at=T0)
    for each in getattr(server, "nodes", [server]):
        each.kill()
    return storage


class TestBrokenSQLite(BrokenStorageContract):
    @pytest.fixture
    def broken_storage(self, store, path):
        begin(store)
        if os.name == "nt":
            store.close()  # there, no file can be taken away that is open
        path.unlink()
        path.mkdir()
        return store


class TestBrokenPostgres(BrokenStorageContract):
    @pytest.fixture
    def broken_storage(self):
        with PostgresServer() as server:
            yield broken_by_a_kill(server)


class TestBrokenMariaDB(BrokenStorageContract):
    @pytest.fixture
    def broken_storage(self):
        with MariaDBServer() as server:
            yield broken_by_a_kill(server)


class TestBrokenRedis(BrokenStorageContract):
    @pytest.fixture
    def broken_storage(self):
        with RedisServer("redis8") as server:
            yield broken_by_a_kill(server)


@pytest.mark.slow
class TestBrokenValkeyCluster(BrokenStorageContract):
    @pytest.fixture
    def broken_storage(self):
        with Cluster("valkey9") as cluster:
            yield broken_by_a_kill(cluster)
