"""Races between processes, on one server and on a cluster."""

from __future__ import annotations

import pytest

from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing import WorkerProcesses
from flask_tessera.testing.contract.base import IDLE, LEEWAY, T0, begin, rotate, stored
from tests.faults import workers
from tests.length import shortly
from tests.servers import fresh_url, why_not


@pytest.fixture(params=shortly(["redis8", "valkey9-cluster"]))
def url(request):
    if reason := why_not(request.param):
        pytest.skip(reason)
    return fresh_url(request.param)


@pytest.fixture
def store(url, opened):
    return opened(url)


def test_S06_the_limit_is_exact_under_40_parallel_logins_of_4_processes(url, store):
    with WorkerProcesses(4, workers.log_in_many, url) as processes:
        assert processes.race(10) == [10] * 4
    assert len(store.sessions.list("", "7", at=T0)) == 5


def test_X7_one_refresh_token_has_one_successor_in_4_processes(url, store):
    session = begin(store)
    with WorkerProcesses(4, workers.contract_steps, url) as processes:
        for gen in range(10):
            order = ("sessions", "rotate", (session.sid, gen), {"at": T0, "leeway": LEEWAY, "idle": IDLE})
            results = processes.race(order)
            assert {result.session.gen for result in results} == {gen + 1}
            assert sorted(result.outcome for result in results) == ["rotated", "same", "same", "same"]


def test_S01_an_end_in_one_process_beats_a_refresh_in_others(url, store):
    with WorkerProcesses(3, workers.contract_steps, url) as processes:
        for _ in range(10):
            session = begin(store)
            processes.send(0, ("sessions", "end", (session.sid, "logout"), {"at": T0}))
            order = ("sessions", "rotate", (session.sid, 0), {"at": T0, "leeway": LEEWAY, "idle": IDLE})
            for number in (1, 2):
                processes.send(number, order)
            assert processes.receive(0).session.end_reason == "logout"
            assert {processes.receive(number).outcome for number in (1, 2)} <= {"rotated", "same", "refused"}
            assert stored(store, session).end_reason == "logout"
            assert rotate(store, session, 1, T0).reason == "logout"


def test_S01_an_ending_wakes_every_process_that_waits(url, store):
    """One that waits is woken, and one that has not begun yet does not begin to."""
    cursor = store.revocations.after(0, at=T0).cursor
    with WorkerProcesses(3, workers.contract_steps, url) as processes:
        for _ in range(5):
            session = begin(store)
            for number in range(3):
                processes.send(number, ("revocations", "wait", (cursor,), {"longest": 30.0}))
            store.sessions.end(session.sid, "logout", at=T0)
            heard = [processes.receive(number).entries for number in range(3)]
            page = store.revocations.after(cursor, at=T0)
            assert [[entry.sid for entry in entries] for entries in heard] == [[session.sid]] * 3
            assert [entry.sid for entry in page.entries] == [session.sid]
            cursor = page.cursor


def test_a_process_that_dies_amid_its_work_leaves_nothing_half_done(url):
    """Its sessions are there or not; limits and lists go on."""
    with WorkerProcesses(2, workers.log_in_many, url) as processes:
        for _ in range(3):
            for number in (0, 1):
                processes.send(number, 30)
            processes.kill(0)
            assert processes.receive(1) == 30
            processes.restart(0)
    storage = open_storage(url)
    live = storage.sessions.list("", "7", at=T0)
    assert len(live) <= 5
    assert all(stored(storage, each) == each for each in live)
    storage.close()
