"""Races between processes, on one schema."""

from __future__ import annotations

import itertools

import pytest

from flask_tessera.errors import AlreadyExistsError, LoginRefusedError, SessionLimitError
from flask_tessera.sessions.limits import Limits
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing import WorkerProcesses, race
from flask_tessera.testing.contract.base import IDLE, LEEWAY, NO_LIMITS, T0, begin, new_session, rotate, stored
from tests.faults import workers
from tests.servers import fresh

ROUNDS = 50
_users = itertools.count()


@pytest.fixture(scope="module")
def url():
    with fresh("postgres") as url:
        yield url


@pytest.fixture(scope="module")
def processes(url):
    """Four processes on the schema that all tests of this module share, each with users of its own."""
    with WorkerProcesses(4, workers.contract_steps, url) as processes:
        yield processes


@pytest.fixture
def user():
    return f"user {next(_users)}"


def refresh(sid, gen):
    return "sessions", "rotate", (sid, gen), {"at": T0, "leeway": LEEWAY, "idle": IDLE}


def log_in(session, limits=NO_LIMITS):
    return "sessions", "add", (session,), {"limits": limits, "at": T0}


def entries_of(store, sids):
    return [entry.sid for entry in store.revocations.after(0, at=T0).entries if entry.sid in sids]


def test_S06_the_limit_is_exact_under_100_parallel_logins_of_4_processes(url, store):
    before = len(store.revocations.after(0, at=T0).entries)
    with WorkerProcesses(4, workers.log_in_many, url) as processes:
        assert processes.race(25) == [25] * 4
    assert len(store.sessions.list("", "7", at=T0)) == 5
    assert len(store.revocations.after(0, at=T0).entries) == before + 95


def test_S06_newcomers_are_refused_exactly_under_parallel_logins(store, url, user):
    other, limits = open_storage(url), Limits(5, 0, "refuse")

    def step(number):
        try:
            workers.add_surely((store, other)[number % 2], new_session(user), limits)
        except SessionLimitError:
            return "refused"
        return "added"

    results = race(32, step)
    other.close()
    assert results.count("added") == 5
    assert len(store.sessions.list("", user, at=T0)) == 5


def test_X4_several_processes_may_open_a_new_schema_at_once():
    with fresh("postgres") as url, WorkerProcesses(4, workers.contract_steps, url) as processes:
        assert processes.race(("", "check", (), {})) == [None] * 4


def test_X7_one_refresh_token_has_one_successor_in_4_processes_of_16_threads(url, store, user):
    session = begin(store, user)
    with WorkerProcesses(4, workers.refresher) as processes:
        for gen in range(5):
            results = [each for process in processes.race((url, session.sid, gen)) for each in process]
            assert {number for _, number in results} == {gen + 1}
            assert sorted(outcome for outcome, _ in results) == ["rotated"] + ["same"] * (len(results) - 1)


def test_S04_no_refresh_gets_by_the_end_of_all(processes, store, user):
    """Whoever comes first: the session has ended, and no token of it is good for another."""
    for turn in range(ROUNDS):
        session, kept = begin(store, user), begin(store, user)
        processes.send(0, ("sessions", "end_user", ("", user, "kick"), {"at": T0, "except_sid": kept.sid}))
        processes.send(1, refresh(session.sid, 0))
        carried = rotate(store, kept, 0, T0)
        ended = processes.receive(0)
        assert processes.receive(1).outcome in ("rotated", "refused")
        assert session.sid in [each.sid for each in ended]
        assert rotate(store, session, 1, T0).reason == "kick"
        assert carried.outcome == "rotated"
        assert (stored(store, kept).epoch, stored(store, kept).gen) == (turn + 1, 1)
        store.sessions.end(kept.sid, "logout", at=T0)


def test_S04_no_login_gets_by_the_end_of_all(processes, store, user):
    """It is before, and has ended, or after, under the new epoch."""
    for turn in range(ROUNDS):
        session = new_session(f"{user} {turn % 5}")
        processes.send(0, ("sessions", "end_user", ("", session.user_id, "kick"), {"at": T0}))
        processes.send(1, log_in(session, Limits(3, 0, "evict")))
        ended, added = processes.receive(0), processes.receive(1)
        epoch = store.sessions.principal("", session.user_id).epoch
        is_after = added.session.epoch == epoch
        assert (session.sid in [each.sid for each in ended]) is not is_after
        assert bool(stored(store, session).ended_at) is not is_after


def test_S03_no_login_gets_by_a_suspension(processes, store, user):
    for turn in range(ROUNDS):
        session = new_session(f"{user} {turn}")
        processes.send(0, ("sessions", "suspend", ("", session.user_id), {"until": T0 + 100, "at": T0}))
        try:
            store.sessions.add(session, limits=NO_LIMITS, at=T0)
        except LoginRefusedError:
            assert processes.receive(0) == []
            assert store.sessions.find(session.sid) is None
            continue
        assert [each.sid for each in processes.receive(0)] == [session.sid]
        assert stored(store, session).end_reason == "suspension"


def test_R05_a_mark_that_races_with_an_ending_ends_nothing_twice(processes, store, user):
    for _ in range(ROUNDS // 2):
        session = begin(store, user)
        rotate(store, session, 0, T0)
        rotate(store, session, 0, T0 + 100)
        processes.send(0, ("sessions", "end", (session.sid, "logout"), {"at": T0}))
        processes.send(1, ("sessions", "confirm", ([(session.sid, 1)],), {"at": T0}))
        by_end, by_mark = processes.receive(0), processes.receive(1)
        assert by_end.by_this_call is not bool(by_mark)
        assert stored(store, session).end_reason == ("logout" if by_end.by_this_call else "reuse")
        assert by_end.session == stored(store, session)
        assert entries_of(store, {session.sid}) == [session.sid]


def test_X5_batches_in_opposite_order_do_not_lock_each_other_out(processes, store, user):
    sessions = [begin(store, f"{user} {number}") for number in range(20)]
    marks = [(session.sid, 0) for session in sessions]
    times = [(session.sid, T0 + 5) for session in sessions]
    orders = [
        ("sessions", "confirm", (marks,), {"at": T0}),
        ("sessions", "confirm", (marks[::-1],), {"at": T0}),
        ("sessions", "touch", (times[::-1],), {"at": T0}),
        ("sessions", "touch", (times,), {"at": T0}),
    ]
    for _ in range(ROUNDS // 2):
        for number, order in enumerate(orders):
            processes.send(number, order)
        assert [processes.receive(number) for number in range(4)] == [[], [], None, None]


def test_a_sid_begins_only_once_in_all_processes(processes, user):
    def outcome(number):
        try:
            processes.receive(number)
        except AlreadyExistsError:
            return "there already"
        return "added"

    for _ in range(10):
        session = new_session(user)
        for number in (0, 1):
            processes.send(number, log_in(session))
        assert sorted(outcome(number) for number in (0, 1)) == ["added", "there already"]


def test_S11_purges_of_several_processes_remove_each_session_once(processes, store, user):
    for _ in range(40):
        begin(store, user, idle_until=T0 + 900)
    removed = processes.race(("sessions", "purge", (), {"at": T0 + 900, "most": 40}))
    assert sum(removed) + store.sessions.purge(at=T0 + 900, most=100) == 40
    assert store.sessions.list("", user, at=T0) == []
