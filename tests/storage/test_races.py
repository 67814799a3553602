"""Races between processes, on one file."""

from __future__ import annotations

import pytest

from flask_tessera.testing import WorkerProcesses, race
from flask_tessera.testing.contract.base import IDLE, LEEWAY, T0, begin, rotate, stored
from tests.faults import workers


def test_S06_the_limit_is_exact_under_40_parallel_logins_of_4_processes(url, store):
    with WorkerProcesses(4, workers.log_in_many, url) as processes:
        assert processes.race(10) == [10] * 4
    assert len(store.sessions.list("", "7", at=T0)) == 5


def test_S06_the_limit_is_exact_under_40_parallel_logins_of_threads(url, store):
    assert workers.log_in_many(url)(40) == 40
    assert len(store.sessions.list("", "7", at=T0)) == 5


def test_X4_several_processes_may_open_a_new_file_at_once(tmp_path):
    for number in range(3):
        url = f"sqlite:///{tmp_path / f'{number}.db'}"
        with WorkerProcesses(4, workers.contract_steps, url) as processes:
            assert processes.race(("", "check", (), {})) == [None] * 4


def test_S01_an_end_in_one_process_beats_a_refresh_in_others(url, store):
    with WorkerProcesses(3, workers.contract_steps, url) as processes:
        for _ in range(15):
            session = begin(store)
            processes.send(0, ("sessions", "end", (session.sid, "logout"), {"at": T0}))
            order = ("sessions", "rotate", (session.sid, 0), {"at": T0, "leeway": LEEWAY, "idle": IDLE})
            for number in (1, 2):
                processes.send(number, order)
            assert processes.receive(0).session.end_reason == "logout"
            assert {processes.receive(number).outcome for number in (1, 2)} <= {"rotated", "same", "refused"}
            assert stored(store, session).end_reason == "logout"
            assert rotate(store, session, 1, T0).reason == "logout"


def test_S01_an_ending_is_heard_in_every_process_with_its_next_stamp(url, store):
    with WorkerProcesses(2, workers.contract_steps, url) as processes:
        for _ in range(10):
            session = begin(store)
            before = [processes.call(number, ("revocations", "stamp", (), {})) for number in (0, 1)]
            store.sessions.end(session.sid, "logout", at=T0)
            after = [processes.call(number, ("revocations", "stamp", (), {})) for number in (0, 1)]
            assert all(old != new for old, new in zip(before, after, strict=True))
            for number in (0, 1):
                page = processes.call(number, ("revocations", "after", (0,), {"at": T0}))
                assert page.entries[-1].sid == session.sid


@pytest.mark.unix("way to take away a file that is open")
def test_X7_many_threads_may_stamp_announce_and_reopen_at_once(url, store, path):
    def step(number):
        for turn in range(40):
            if number == 0:
                (path.parent / "tessera.db-tessera").unlink(missing_ok=True)
            elif number == 1:
                store.revocations.announce()
            elif number == 2 and turn % 10 == 0:
                store.close()
            assert store.revocations.stamp()
            store.revocations.after(0, at=T0)

    begin(store)
    race(6, step)
