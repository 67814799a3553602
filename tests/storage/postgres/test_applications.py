"""What applications cost a PostgreSQL server: however many there were, and however many realms one has."""

from __future__ import annotations

import gc

import flask
import pytest

from flask_tessera import Tessera
from flask_tessera.clocks import system_clock
from flask_tessera.services.workers import WorkerRegistry
from tests.servers import wait_until

from ..databases import execute
from .leftovers import threads

APPLICATIONS = 12
NAME = "of an application"
REALMS = ("", "admin", "partner")
SECRET = "9b7e40c1f3a85d26e1908c7745bb3f02d6ea914c58f7230b"


@pytest.fixture
def named(url):
    """A URL whose connections can be told from others."""
    return f"{url}&application_name=of%20an%20application"


def connections(url, condition="true"):
    ((count,),) = execute(
        url, f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{NAME}' AND {condition}"
    )
    return count


def use(url, realms=("",), *, testing=False):
    """An application that each realm has logged in to, and been asked by."""
    app = flask.Flask("application")
    app.config.update(TESTING=testing, SECRET_KEY=SECRET, TESSERA_STORE_URL=url)
    tesseras = [Tessera(app, realm=realm) for realm in realms]
    for tessera in tesseras:
        path = f"/{tessera.realm}"
        app.add_url_rule(path, path, tessera.login_required(lambda: "in"))
    for tessera in tesseras:
        with app.app_context():
            token = tessera.login("1").access_token
        assert app.test_client().get(f"/{tessera.realm}", headers={"z-token": token}).status_code == 200
    return app, tesseras


@pytest.mark.slow
@pytest.mark.parametrize("closes", [True, False], ids=["closed", "dropped"])
def test_X12_an_application_for_each_test_leaves_no_connection_and_no_thread(url, named, closes):
    before = threads()
    for _ in range(APPLICATIONS):
        app, (tessera,) = use(named)
        if closes:
            tessera.close(app)
            wait_until(lambda: connections(url) == 0, "the connections are closed")
    del app, tessera

    wait_for_the_end(url, before)


def wait_for_the_end(url, before):
    def is_over():
        # Again and again: the thread that writes activity holds an application until it is written.
        gc.collect()
        return not threads(but=before) and connections(url) == 0

    wait_until(is_over, "the threads have ended and the connections are closed")


@pytest.mark.slow
def test_X12_an_application_for_each_test_lets_go_of_the_one_before_it(url, named):
    """Nobody closes or collects anything: a suite of hundreds of tests stays far below the server's 100 connections."""
    before = threads()
    for _ in range(APPLICATIONS):
        use(named, testing=True)
        wait_until(lambda: connections(url) <= 12, "the applications before let go of their connections")
    wait_for_the_end(url, before)


@pytest.mark.slow
def test_three_realms_cost_what_one_costs(named, store):
    def follows_once():
        return connections(named, "query LIKE 'LISTEN%'") == 1 == len(WorkerRegistry(store).list(at=system_clock()))

    def cost(realms):
        app, tesseras = use(named, realms)
        wait_until(follows_once, "one worker is registered, and one connection listens")
        found, running = connections(named), sorted(each.name for each in threads(but=before))
        tesseras[0].close(app)
        wait_until(lambda: not threads(but=before) and connections(named) == 0, "all of it has ended")
        return found, running

    before = threads()
    for realms in (REALMS[:1], REALMS):
        found, running = cost(realms)
        # One that listens; of the pool one for each thread that may ask at once: a request, the follower, the writer.
        assert 2 <= found <= 4
        assert running == ["tessera-activity", "tessera-follower"]
