"""The follower of a worker: what it reads, how long that is believed, and what becomes of its thread."""

from __future__ import annotations

import gc
import logging
import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from flask_tessera.errors import StorageUnavailableError
from flask_tessera.services.follower import RevocationFollower
from flask_tessera.services.revocation import RevocationView
from flask_tessera.services.workers import BEAT_EVERY, WORKER_FORGOTTEN, WorkerRegistry
from flask_tessera.storage.from_url import open_storage
from flask_tessera.storage.model import Wakeup
from flask_tessera.testing.contract.base import T0
from tests.far import make_far
from tests.servers import fresh, wait_until, why_not
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
    make_far(bench.storage)
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
    """What this thread has logged: followers of other tests may still read what is gone."""
    return [record.message for record in caplog.records if record.thread == threading.get_ident()]


def listed(bench):
    """The workers that the storage knows of."""
    return WorkerRegistry(bench.storage).list(at=bench.clock())


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
    monkeypatch.setattr(log, "wait", lambda cursor, *, longest: Wakeup())
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


@pytest.mark.unix("fork")
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
    monkeypatch.setattr(log, "wait", lambda cursor, *, longest: Wakeup())
    for _ in range(3):
        follower.poll_once()
    assert told_here(caplog) == ["the revocation log cannot be read, each request asks the storage: broken"]
    steady.now += PATIENCE
    assert not follower.is_current()
    monkeypatch.setattr(log, "after", real)
    until(lambda: follower.poll_once() or follower.is_current())
    assert told_here(caplog)[-1] == "the revocation log can be read again"


@pytest.mark.slow
def test_a_worker_beats_after_it_has_read(bench, follower, steady, monkeypatch):
    follower.poll_once()
    (worker,) = listed(bench)
    assert (worker.name, worker.started_at, worker.beat_at) == (follower.name, bench.clock(), bench.clock())
    bench.clock.advance(5)
    follower.poll_once()
    assert listed(bench) == [worker]
    steady.now += BEAT_EVERY

    def broken(cursor, *, at):
        raise StorageUnavailableError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(bench.storage.revocations, "after", broken)
        follower.poll_once()
    assert listed(bench) == [worker]
    follower.poll_once()
    (later,) = listed(bench)
    assert later.beat_at == worker.beat_at + 5


@pytest.mark.slow
def test_S01_a_beat_tells_how_late_the_slowest_revocation_was_read(bench, follower, steady):
    bench.service.end(bench.log_in().session.sid, "logout")
    follower.poll_once()

    def read_of_one(at_least):
        bench.service.end(bench.log_in().session.sid, "logout")
        while bench.storage.revocations.after(bench.view.cursor, at=bench.clock()).delay < at_least:
            pass
        follower.poll_once()
        steady.now += BEAT_EVERY
        follower.poll_once()
        return listed(bench)[0].delay

    slow = read_of_one(20)
    assert slow >= 20
    slowest = read_of_one(slow + 20)
    assert slowest >= slow + 20
    steady.now += WORKER_FORGOTTEN / 2
    assert read_of_one(0) >= slowest
    steady.now += WORKER_FORGOTTEN
    follower.poll_once()
    steady.now += BEAT_EVERY
    follower.poll_once()
    assert listed(bench)[0].delay == 0


def test_a_worker_that_is_stopped_removes_itself(bench):
    follower = RevocationFollower(bench.storage, bench.view, bench.clock, patience=30.0)
    follower.is_current()
    until(lambda: listed(bench))
    follower.stop()
    assert listed(bench) == []
    follower.stop()
    assert not follower.is_current()
    assert listed(bench) == []


def test_a_worker_whose_follower_nobody_holds_removes_itself(bench):
    before = set(threads())
    follower = RevocationFollower(bench.storage, bench.view, bench.clock, patience=PATIENCE)
    follower.is_current()
    until(lambda: listed(bench))
    (thread,) = set(threads()) - before
    del follower
    gc.collect()
    thread.join(DEADLINE)
    assert listed(bench) == []


class CountingLog:
    """What a follower asks of a log, counted; it says after each wait what it was told to."""

    bound = 2

    def __init__(self, log, steady, *, says_unchanged):
        self.log, self.steady, self.says_unchanged = log, steady, says_unchanged
        self.reads = self.waits = 0
        self.at_each_end = lambda: None

    def after(self, cursor, *, at):
        self.reads += 1
        return self.log.after(cursor, at=at)

    def drop_expired(self, **named):
        return self.log.drop_expired(**named)

    def wait(self, cursor, *, longest):
        self.waits += 1
        self.steady.now += longest
        self.at_each_end()
        return Wakeup(is_unchanged=self.says_unchanged)


@pytest.mark.parametrize(("says_unchanged", "counts_waits"), [(False, False), (True, True)])
def test_P12_an_idle_worker_sends_at_most_two_statements_a_second(bench, steady, says_unchanged, counts_waits):
    """Reads and beats, with a sweep each; a wait too where the storage itself has to answer it."""
    log = CountingLog(bench.storage.revocations, steady, says_unchanged=says_unchanged)
    writes = []

    class CountingValues:
        def put(self, kind, *given, **named):
            writes.append(kind)
            return bench.storage.values.put(kind, *given, **named)

        def purge(self, **named):
            writes.append("purge")
            return bench.storage.values.purge(**named)

    storage = SimpleNamespace(revocations=log, values=CountingValues())
    view = RevocationView(log)
    follower = RevocationFollower(storage, view, bench.clock, patience=PATIENCE, steady=steady)
    begun = steady.now
    while steady.now < begun + 600:
        follower.poll_once()
        assert follower.is_current()
    # To see whose turn it is takes one more, and whoever has it drops entries, too.
    statements = log.reads + counts_waits * log.waits + len(writes) + 2 * writes.count("turn")
    assert 90 <= writes.count("worker") <= 101
    assert statements / (steady.now - begun) <= 2


@pytest.mark.parametrize("says_unchanged", [False, True])
def test_P6_between_two_looks_at_the_log_no_request_has_to_ask_the_storage(bench, steady, says_unchanged):
    log = CountingLog(bench.storage.revocations, steady, says_unchanged=says_unchanged)
    storage = SimpleNamespace(revocations=log, values=bench.storage.values)
    follower = RevocationFollower(storage, RevocationView(log), bench.clock, patience=PATIENCE, steady=steady)
    seen = []
    log.at_each_end = lambda: seen.append(follower.is_current())
    for _ in range(50):
        follower.poll_once()
    assert len(seen) == 50
    assert all(seen)


def test_S01_an_answer_that_came_before_its_time_says_nothing_newer_than_its_request(bench, steady):
    """The clock of the storage was set, or somebody has ended the wait."""
    log = CountingLog(bench.storage.revocations, steady, says_unchanged=True)
    storage = SimpleNamespace(revocations=log, values=bench.storage.values)
    follower = RevocationFollower(storage, RevocationView(log), bench.clock, patience=PATIENCE, steady=steady)
    follower.poll_once()
    sent = steady.now
    log.wait = lambda cursor, *, longest: Wakeup(is_unchanged=True)
    follower.poll_once()
    steady.now = sent + PATIENCE
    assert not follower.is_current()


def test_S01_a_storage_that_says_that_nothing_has_changed_is_read_again_all_the_same(bench, steady):
    """A fail-over may have put another log in its place."""
    log = CountingLog(bench.storage.revocations, steady, says_unchanged=True)
    storage = SimpleNamespace(revocations=log, values=bench.storage.values)
    follower = RevocationFollower(storage, RevocationView(log), bench.clock, patience=PATIENCE, steady=steady)
    begun = steady.now
    while steady.now < begun + 60:
        follower.poll_once()
    assert log.reads >= 60 / 5


ENDING = """
import sys
from flask_tessera.services.follower import RevocationFollower
from flask_tessera.services.revocation import RevocationView
from flask_tessera.services.workers import WorkerRegistry
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing.contract.base import T0
storage = open_storage(sys.argv[1])
follower = RevocationFollower(storage, RevocationView(storage.revocations), lambda: T0, patience=30.0)
follower.is_current()
while not WorkerRegistry(storage).list(at=T0):
    pass
print(follower.name)
"""


@pytest.mark.repeats("kind")
@pytest.mark.parametrize("kind", ["postgres", "mariadb", "redis8"])
def test_a_process_that_ends_in_good_order_removes_its_worker(kind):
    if reason := why_not(kind):
        pytest.skip(reason)
    with fresh(kind) as url:
        command = [sys.executable, "-W", "error", "-c", ENDING, url]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        assert f":{done.stdout.strip().split(':')[1]}:" in done.stdout
        storage = open_storage(url)
        assert WorkerRegistry(storage).list(at=T0) == []
        storage.close()
