"""GET /healthz: 200 with what it may tell, 503 with nothing, and never later than in three seconds."""

from __future__ import annotations

import re
import socket
import sqlite3
import time
from contextlib import ExitStack, closing
from typing import Any

import pytest
from flask import Flask

from flask_tessera.server.health import make_health
from flask_tessera.services.workers import WORKER_OVERDUE, Worker, WorkerRegistry
from flask_tessera.storage.from_url import open_storage
from tests.cli.stores import SERVERS, STORES, store_url
from tests.length import shortly
from tests.servers import PostgresServer, RedisServer, wait_until, why_not


@pytest.fixture(params=SERVERS)
def far_url(request, tmp_path):
    """Of a storage that workers have to listen to."""
    with store_url(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def far_app(tmp_path, make_service, far_url):
    """A service on that storage."""
    app = make_service(tmp_path, TESSERA_STORE_URL=far_url, TESSERA_REVOCATION_BOUND="5")
    yield app
    app.extensions["tessera_service"].tessera.close(app)


def health(app: Flask) -> dict[str, Any]:
    """What it tells once it is well: on a busy machine half a second may be over before the last step begins."""
    told = []

    def is_well() -> bool:
        reply = app.test_client().get("/healthz")
        assert reply.status_code == 200 or reply.json["code"] == 4004, reply.json
        told.append(reply.json.get("data"))
        return reply.status_code == 200

    wait_until(is_well, "it is well")
    return told[-1]


# -- What it tells -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["semantic", "always_200"])
def test_all_is_told_where_every_request_is_told_of_endings(tmp_path, make_service, status):
    told = health(make_service(tmp_path, TESSERA_HTTP_STATUS=status))
    assert told == {
        "status": "ok",
        "storage": {"durability": told["storage"]["durability"], "warnings": 0},
        "revocation": {"mode": "bounded", "bound": 0, "workers": 0, "overdue": 0, "slowest_ms": 0, "heard": True},
    }
    assert told["storage"]["durability"].endswith("a commit outlives its process and a power cut")


@pytest.mark.parametrize(
    ("settings", "bound", "heard"),
    [
        ({"TESSERA_REVOCATION": "strict"}, 0, True),
        ({"TESSERA_REVOCATION": "stateless"}, 3600, False),
        ({"TESSERA_REVOCATION": "stateless", "TESSERA_TOKEN_LIFETIME": "60"}, 900, False),
        ({"TESSERA_REVOCATION_BOUND": "10"}, 0, True),
    ],
)
def test_S01_the_bound_is_the_one_that_holds_in_this_mode(tmp_path, make_service, settings, bound, heard):
    told = health(make_service(tmp_path, TESSERA_STORE_URL="memory:", **settings))["revocation"]
    assert (told["bound"], told["heard"]) == (bound, heard)


@pytest.mark.repeats("far_url")
def test_S01_on_a_storage_elsewhere_workers_that_are_overdue_are_counted(far_app, far_url):
    storage = open_storage(far_url)
    for name, age, delay in (("one", 0, 7), ("two", WORKER_OVERDUE, 86_400_000), ("three", 100, 8)):
        WorkerRegistry(storage).beat(Worker(name, int(time.time()) - 1000, int(time.time()) - age, delay))
    storage.close()
    told = health(far_app)["revocation"]
    assert (told["mode"], told["bound"], told["overdue"], told["slowest_ms"]) == ("bounded", 5, 2, 86_400_000)
    # Asked for what it hears, the worker begins to listen.
    wait_until(lambda: health(far_app)["revocation"]["heard"], "it hears")
    wait_until(lambda: health(far_app)["revocation"]["workers"] == 4, "it is one of the workers")


@pytest.mark.repeats("far_url")
def test_F04_warnings_of_the_storage_are_counted(far_app):
    with far_app.app_context():
        description = far_app.extensions["tessera_service"].tessera.runtime.storage.describe()
    told = {"durability": description.durability, "warnings": len(description.warnings)}
    assert health(far_app)["storage"] == told


@pytest.mark.repeats("kind")
@pytest.mark.parametrize("kind", STORES)
def test_H03_a_real_server_names_no_host_process_address_or_version(serve, tmp_path, kind):
    with store_url(kind, tmp_path) as url:
        server = serve(TESSERA_STORE_URL=url)
        replies = []

        def hears() -> bool:
            replies.append(server.call("GET", "/healthz"))
            return replies[-1].status == 200 and replies[-1].json["data"]["revocation"]["heard"]

        wait_until(hears, "it hears")
        reply = replies[-1]
        assert reply.headers["cache-control"] == "no-store"
        body = reply.body.decode()
        server.stop()
    numbers = (server.process.pid, server.port, *re.findall(r":(\d{4,5})", url))
    assert [name for name in (socket.gethostname(), "127.0.0.1", "localhost", *map(str, numbers)) if name in body] == []
    assert not re.search(r"\d\.\d", body), "a version"


# -- When it cannot work -----------------------------------------------------------------------------------------------


def assert_closed(reply, *codes: int) -> None:
    assert (reply.status_code, reply.json["code"] in codes) == (503, True)
    assert reply.headers["Retry-After"] == "1"
    assert set(reply.json) == {"code", "msg", "error"}


@pytest.mark.unix("way to take away a file that is open")
@pytest.mark.parametrize("status", ["semantic", "always_200"])
def test_F02_it_is_503_while_the_users_are_gone_whatever_the_mode(tmp_path, make_service, status):
    app = make_service(tmp_path, TESSERA_HTTP_STATUS=status, TESSERA_STORE_URL="memory:")
    client = app.test_client()
    # The file is made with the first user.
    app.extensions["tessera_service"].users.add("13800138000", "hash")
    (tmp_path / "tessera.db").rename(tmp_path / "aside")
    assert_closed(client.get("/healthz"), 4004)
    (tmp_path / "aside").rename(tmp_path / "tessera.db")
    wait_until(lambda: client.get("/healthz").status_code == 200, "it works again")


def test_F06_it_is_503_once_the_schema_has_become_newer_than_this_service(tmp_path, make_service, caplog):
    app = make_service(tmp_path)
    with closing(sqlite3.connect(tmp_path / "tessera.db")) as database, database:
        database.execute("UPDATE tessera_log SET schema_version = 999")
    with app.app_context():
        # As after a lost connection: the schema is looked at when a database is opened.
        app.extensions["tessera_service"].tessera.runtime.storage.close()
    assert_closed(app.test_client().get("/healthz"), 4004)
    assert "the storage cannot be used: STORE_URL: the schema is of version 999" in caplog.text


def test_F02_a_storage_that_answers_slowly_again_and_again_is_not_asked_to_the_end(tmp_path, make_service):
    app = Flask("slow")
    app.extensions = make_service(tmp_path).extensions
    service = app.extensions["tessera_service"]
    # Each step takes half a second.
    seconds = (number / 2 for number in range(100))
    app.register_blueprint(make_health(service.tessera, service.users, steady=lambda: next(seconds)))
    assert_closed(app.test_client().get("/healthz"), 4004)


MAKERS = {"redis8": lambda: RedisServer("redis8"), "postgres": PostgresServer}


@pytest.mark.slow
@pytest.mark.parametrize("kind", shortly(MAKERS))
def test_F02_it_is_503_while_a_server_hangs_or_is_gone_and_200_again_by_itself(serve, kind):
    if reason := why_not(kind):
        pytest.skip(reason)
    with ExitStack() as stack:
        store = stack.enter_context(MAKERS[kind]())
        server = serve(TESSERA_STORE_URL=store.url)

        def status() -> int:
            reply = server.call("GET", "/healthz")
            assert reply.status == 200 or (reply.status, reply.headers["retry-after"]) == (503, "1"), reply.body
            return reply.status

        wait_until(lambda: status() == 200, "it works")
        for break_it, mend_it in ((store.stop, store.cont), (store.kill, store.restart)):
            break_it()
            assert [status() for _ in range(3)] == [503] * 3
            mend_it()
            wait_until(lambda: status() == 200, "it works again")
        code, errors = server.stop()
    assert code == 0
    assert "Traceback" not in errors
