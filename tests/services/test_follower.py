"""The follower of a worker: what it reads, how long that is believed, and what becomes of its thread."""

from __future__ import annotations

import gc
import logging
import os
import threading

import pytest

from flask_tessera.errors import StorageUnavailableError
from flask_tessera.services.follower import RevocationFollower
from flask_tessera.services.revocation import RevocationView
from flask_tessera.storage.contract import WORKER_SILENCE
from tests.servers import wait_until
from tests.services.bench import Bench

DEADLINE = 60.0
PATIENCE = 1.0


class Steady:
    """Seconds that go when the test says so."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def bench():
    """A storage whose log has to be listened to."""
    bench = Bench()
    bench.storage.revocations.bound = 2
    bench.view = RevocationView(bench.storage.revocations)
    return bench


@pytest.fixture
def steady():
    return Steady()


@pytest.fixture
def follower(bench, steady):
    return RevocationFollower(bench.storage, bench.view, bench.clock, patience=PATIENCE, steady=steady)


def until(condition):
    """Wait for what a thread does."""
    wait_until(condition, "a thread has done it")


def told_here(caplog):
    """What this thread has logged: ears of other tests may still be listening to what is gone."""
    return [record.message for record in caplog.records if record.thread == threading.get_ident()]


def threads():
    return [each for each in threading.enumerate() if each.name == "tessera-follower"]


def test_S01_a_storage_that_tells_with_the_next_request_needs_no_thread():
    bench = Bench()
    before = threads()
    follower = RevocationFollower(bench.storage, bench.view, bench.clock, patience=PATIENCE)
    assert follower.is_current()
    assert threads() == before


def test_S01_the_thread_starts_at_first_use_and_then_the_view_is_believed(bench):
    follower = RevocationFollower(bench.storage, bench.view, bench.clock, patience=30.0)
    assert not follower.is_current()
    until(follower.is_current)
    issued = bench.log_in()
    claims = bench.claims(issued)
    bench.service.end(issued.session.sid, "logout")
    until(lambda: bench.view.refusal(claims, at=bench.clock()) == "logout")


def test_S01_a_view_is_read_by_its_thread_only(bench, follower):
    follower.poll_once()
    issued = bench.log_in()
    claims = bench.claims(issued)
    bench.service.end(issued.session.sid, "logout")
    assert bench.view.refusal(claims, at=bench.clock()) == ""
    follower.poll_once()
    assert bench.view.refusal(claims, at=bench.clock()) == "logout"


def test_F07_what_was_read_is_believed_by_when_the_read_was_sent(bench, follower, steady, monkeypatch):
    log, real = bench.storage.revocations, bench.storage.revocations.after

    def slow(cursor, *, at):
        page = real(cursor, at=at)
        steady.now += 0.75
        return page

    bench.view.catch_up(bench.clock())
    monkeypatch.setattr(log, "after", slow)
    follower.poll_once()
    steady.now += 0.24
    assert follower.is_current()
    steady.now += 0.02
    assert not follower.is_current()


def test_X12_a_process_that_was_stopped_does_not_believe_what_it_knew(follower, steady):
    follower.poll_once()
    assert follower.is_current()
    steady.now += 3600
    assert not follower.is_current()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_X12_a_child_process_hears_for_itself(bench):
    follower = RevocationFollower(bench.storage, bench.view, bench.clock, patience=30.0)
    follower.is_current()
    until(follower.is_current)
    parents_name = follower.name
    child = os.fork()
    if not child:
        # Whatever goes wrong here must not run the tests again.
        status = 1
        try:
            assert follower.name != parents_name
            assert not follower.is_current()
            until(follower.is_current)
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_X12_a_thread_ends_when_nobody_holds_its_ear(bench):
    before = set(threads())
    follower = RevocationFollower(bench.storage, bench.view, bench.clock, patience=PATIENCE)
    follower.is_current()
    (thread,) = set(threads()) - before
    del follower
    gc.collect()
    thread.join(DEADLINE)
    assert not thread.is_alive()


def test_a_follower_that_is_stopped_has_no_thread_and_believes_nothing(bench):
    before = set(threads())
    follower = RevocationFollower(bench.storage, bench.view, bench.clock, patience=30.0)
    until(follower.is_current)
    (thread,) = set(threads()) - before
    follower.stop()
    assert not thread.is_alive()
    assert not follower.is_current()
    assert set(threads()) <= before  # those of other tests may have ended meanwhile


def test_F02_a_log_that_cannot_be_read_is_told_once_and_is_heard_again(bench, follower, steady, caplog, monkeypatch):
    caplog.set_level(logging.WARNING, "flask_tessera")
    log, real = bench.storage.revocations, bench.storage.revocations.after

    def broken(cursor, *, at):
        raise StorageUnavailableError("broken")

    follower.poll_once()
    monkeypatch.setattr(log, "after", broken)
    for _ in range(3):
        follower.poll_once()
    assert told_here(caplog) == [
        "the revocation log cannot be read; until it can, each request asks the storage: broken"
    ]
    steady.now += PATIENCE
    assert not follower.is_current()
    monkeypatch.setattr(log, "after", real)
    until(lambda: follower.poll_once() or follower.is_current())
    assert told_here(caplog)[-1] == "the revocation log can be read again"


def test_a_worker_says_how_long_its_beats_take(bench, follower, steady):
    follower.poll_once()
    (said,) = bench.storage.workers.list(at=bench.clock())
    assert (said.name, said.started_at, said.lag_ms) == (follower.name, bench.clock(), -1)
    # The first one is heard at once, and another beat tells of it.
    follower.poll_once()
    (said,) = bench.storage.workers.list(at=bench.clock())
    assert said.lag_ms == 0
    first = bench.clock()
    bench.clock.advance(5)
    follower.poll_once()
    assert bench.storage.workers.list(at=bench.clock()) == [said]
    assert said.beat_at == first
    steady.now += 10
    follower.poll_once()
    (said,) = bench.storage.workers.list(at=bench.clock())
    assert (said.beat_at, said.lag_ms) == (first + 5, 0)
    assert bench.storage.workers.list(at=bench.clock() + WORKER_SILENCE) == []
