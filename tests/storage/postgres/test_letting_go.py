"""What is closed, or held by nobody any more, holds no connection and no thread."""

from __future__ import annotations

import gc
import math
import os

import flask
import pytest

from flask_tessera import Tessera
from flask_tessera.clocks import system_clock
from flask_tessera.services.follower import RevocationFollower
from flask_tessera.services.revocation import RevocationView
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing import race
from flask_tessera.testing.contract.base import T0, begin
from tests.servers import wait_until

from ..databases import execute
from .leftovers import threads

NAME = "to be let go"
SECRET = "9b7e40c1f3a85d26e1908c7745bb3f02d6ea914c58f7230b"


@pytest.fixture
def named(url):
    """A URL whose connections can be told from others."""
    return f"{url}&application_name=to%20be%20let%20go"


def connections(url):
    ((count,),) = execute(url, f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{NAME}'")
    return count


def follow(url):
    """A storage in use: some connections, one that listens, and a thread."""
    storage = open_storage(url)
    race(3, lambda _number: begin(storage))
    follower = RevocationFollower(storage, RevocationView(storage.revocations), system_clock, patience=30.0)
    wait_until(follower.is_current, "it follows")
    wait_until(lambda: storage.revocations._channels, "it listens")
    return storage, follower


def test_a_storage_that_is_closed_holds_no_connection(url, named):
    before = threads()
    for _ in range(5):
        storage, follower = follow(named)
        assert connections(url) > 1
        follower.stop()
        storage.close()
        wait_until(lambda: connections(url) == 0, "all connections are closed")
        assert not threads(but=before)


def test_a_connection_in_use_is_closed_when_it_is_given_back(url, named):
    storage = open_storage(named)

    def close_amid(transaction):
        storage.close()
        return transaction.read(("SELECT 1", ()))

    assert storage._database.transact(close_amid) == [[(1,)]]
    wait_until(lambda: connections(url) == 0, "it is closed")
    assert storage.revocations.head(at=T0).number == 0
    assert connections(url) == 1
    storage.close()


@pytest.mark.slow
def test_a_storage_that_nobody_holds_closes_its_connections_and_ends_its_thread(url, named):
    before = threads()
    for _ in range(5):
        storage, follower = follow(named)
        assert connections(url) > 1
        del storage, follower
        gc.collect()
        wait_until(lambda: not threads(but=before), "its thread has ended")
        gc.collect()
        wait_until(lambda: connections(url) == 0, "all connections are closed")


def test_an_application_that_nobody_holds_lets_go_of_its_connections(url, named):
    """As where each test makes one of its own, and closes none."""
    before = threads()

    def use():
        app = flask.Flask("dropped")
        app.config.update(TESTING=True, SECRET_KEY=SECRET, TESSERA_STORE_URL=named)
        tessera = Tessera(app)
        app.add_url_rule("/", "me", tessera.login_required(lambda: "in"))
        with app.app_context():
            pair = tessera.login("1")
        answer = app.test_client().get("/", headers={"Authorization": f"Bearer {pair.access_token}"})
        assert answer.status_code == 200

    def is_over():
        # Again and again: the thread that writes marks holds the first one until they are written.
        gc.collect()
        return not threads(but=before) and connections(url) == 0

    for _ in range(5):
        use()
    wait_until(is_over, "its threads have ended and its connections are closed")


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_X12_a_child_closes_no_connection_of_its_parent(url, named):
    storage, follower = follow(named)
    held = connections(url)
    (channel,) = storage.revocations._channels
    child = os.fork()
    if not child:
        # Whatever goes wrong here must not run the tests again.
        status = 1
        try:
            channel.connection.close()
            storage.close()
            del storage, channel
            gc.collect()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert connections(url) >= held
    follower.stop()  # its thread would take the answer for a notification
    channel.connection.deadline = math.inf  # that of its last step is over
    assert channel.connection.execute("SELECT 1").fetchone() == (1,)
    storage.close()
