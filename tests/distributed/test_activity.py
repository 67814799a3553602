"""A worker of gunicorn that ends in good order has written which generations were used."""

from __future__ import annotations

import base64
import signal

import pytest

from flask_tessera.storage.from_url import open_storage
from tests.faults.gunicorn import Gunicorn
from tests.faults.places import fresh
from tests.length import shortly

KINDS = pytest.mark.parametrize("kind", shortly(["gthread", "sync"]))


def use(gunicorn):
    """Log in and use the token; gives the id of the session, and which worker has accepted the token."""
    pair = gunicorn("POST", "/login", "", {"user": "7"}).body["data"]
    reply = gunicorn("GET", "/me", pair["access_token"])
    assert reply.status == 200
    return base64.urlsafe_b64decode(pair["session_id"] + "=="), reply.worker


def is_confirmed(url, sid):
    storage = open_storage(url)
    session = storage.sessions.find(sid).session
    storage.close()
    return session.confirmed


@pytest.mark.slow
@KINDS
def test_X12_a_worker_that_has_had_its_requests_writes_what_waits(kind):
    with fresh("sqlite") as url, Gunicorn(url, workers=1, kind=kind, options=("--max-requests", "1")) as gunicorn:
        sid, worker = use(gunicorn)
        # With one worker, the next one is started when the last one has ended; one with threads may accept a
        # connection more while it ends.
        while gunicorn("GET", "/").worker == worker:
            pass
        assert is_confirmed(url, sid)


@pytest.mark.slow
@KINDS
def test_X12_workers_that_are_stopped_gracefully_write_what_waits(kind):
    with fresh("sqlite") as url:
        with Gunicorn(url, workers=2, kind=kind) as gunicorn:
            sid, _worker = use(gunicorn)
            gunicorn.kill(signal.SIGTERM)
        assert is_confirmed(url, sid)
