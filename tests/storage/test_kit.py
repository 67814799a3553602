"""The testing kit itself: a login, a clock, races and processes."""

from __future__ import annotations

import os

import flask
import pytest

from flask_tessera import ConfigError, LoginRefusedError, Tessera
from flask_tessera.testing import YEAR_2096, Clock, StorageContract, WorkerProcesses, login_as, race
from flask_tessera.testing.contract.base import error_of

MOST_PROCESSES = 2


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def app(clock):
    app = flask.Flask(__name__)
    app.config.update(SECRET_KEY="a secret of the tests that is long enough 0123456789", TESSERA_STORE_URL="memory:")
    for realm in ("", "admin"):
        tessera = Tessera(app, realm=realm, clock=clock)

        @app.get(f"/{realm or 'user'}", endpoint=realm or "user")
        @tessera.login_required
        def view(tessera=tessera):
            return f"{tessera.realm}:{tessera.current_user}"

    return app


def test_a_client_is_logged_in_for_all_later_requests(app):
    client = app.test_client()
    assert client.get("/user").status_code == 401
    pair = login_as(client, 7, scope="a")
    assert pair.session_id
    for _ in range(2):
        assert client.get("/user").text == ":7"
    assert app.test_client().get("/user").status_code == 401


def test_a_client_is_logged_in_to_the_realm_that_is_named(app):
    client = app.test_client()
    login_as(client, "7", realm="admin")
    assert client.get("/admin").text == "admin:7"
    assert client.get("/user").status_code == 401
    with pytest.raises(ConfigError, match="nowhere"):
        login_as(client, "7", realm="nowhere")


def test_a_suspended_user_cannot_be_logged_in(app):
    with app.app_context():
        runtime = app.extensions["tessera"].runtime("")
        runtime.sessions.suspend("7", until=YEAR_2096 + 1)
    with pytest.raises(LoginRefusedError):
        login_as(app.test_client(), "7")


def test_a_token_goes_where_the_application_looks_for_it():
    app = flask.Flask(__name__)
    app.config.update(SECRET_KEY="another secret that is long enough 0123456789", TESSERA_STORE_URL="memory:")
    app.config["TESSERA_HEADERS"] = ("z-token",)
    tessera = Tessera(app)
    app.get("/")(tessera.login_required(lambda: "let in"))
    client = app.test_client()
    login_as(client, "7")
    assert client.get("/").text == "let in"


def test_a_token_ages_with_the_clock(app, clock):
    client = app.test_client()
    login_as(client, "7")
    clock.advance(900)
    assert client.get("/user").status_code == 401


def test_a_clock_goes_when_told_to():
    clock = Clock()
    assert clock() == clock() == YEAR_2096
    assert clock.advance(5) == YEAR_2096 + 5
    clock.advance(-10)
    assert clock() == YEAR_2096 - 5
    clock.set(7)
    assert clock() == 7


def test_a_race_gives_results_in_order_and_raises_what_was_raised():
    assert race(8, lambda number: number * number) == [number * number for number in range(8)]
    with pytest.raises(ZeroDivisionError):
        race(3, lambda number: 1 // number)


def make_adder(start):
    """What the processes of the processes below do."""

    def add(order):
        if order == "pid":
            return os.getpid()
        return start + order

    return add


def test_processes_carry_out_orders_raise_errors_and_survive_a_kill():
    with WorkerProcesses(MOST_PROCESSES, make_adder, 10) as processes:
        assert processes.race(1) == [11, 11]
        assert processes.call(1, 5) == 15
        with pytest.raises(TypeError):
            processes.call(0, "text")
        pids = [processes.call(number, "pid") for number in range(MOST_PROCESSES)]
        assert len({os.getpid(), *pids}) == 3
        processes.kill(0)
        assert processes.call(1, 0) == 10
        processes.restart(0)
        assert processes.call(0, "pid") not in pids


def test_a_case_that_does_not_fail_as_it_must_is_a_failure():
    with pytest.raises(AssertionError, match="KeyError"):
        error_of(KeyError, lambda: None)


def test_a_storage_that_has_no_second_handle_is_its_own():
    storage = object()
    assert StorageContract().reopen(storage) is storage
