"""Replicas: endings wait for one, and a fail-over that loses the last second loses no ending (X9)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from flask_tessera.errors import StorageUnavailableError
from flask_tessera.sessions.limits import Limits
from flask_tessera.testing import race
from flask_tessera.testing.contract.base import IDLE, NO_LIMITS, T0, begin, new_session, rotate, stored
from flask_tessera.testing.contract.breaking import CALLS
from tests.servers import NoAnswerError, RedisServer, Sentinel, wait_until

from ..calls import assert_unavailable


@pytest.fixture
def replica(server):
    """Of `server`; it can be stopped."""
    with RedisServer("redis8", replica_of=server) as replica:
        yield replica
        replica.cont()


@pytest.fixture
def replicated(server, replica, opened):
    """A storage on the master of `replica`."""
    return opened(server.url)


def reused(storage):
    """A session whose older token is presented next."""
    session = begin(storage)
    for presented in (0, 1):
        rotate(storage, session, presented, T0)
    return session


ENDINGS = {
    "end": lambda storage, session: storage.sessions.end(session.sid, "kick", at=T0),
    "end_user": lambda storage, _: storage.sessions.end_user("", "7", "kick", at=T0),
    "suspend": lambda storage, _: storage.sessions.suspend("", "7", until=T0 + 9, at=T0),
    "rotate": lambda storage, session: rotate(storage, session, 0, T0),
    "add": lambda storage, _: storage.sessions.add(new_session(), limits=Limits(1, 0, "evict"), at=T0),
    "restart": lambda storage, _: storage.revocations.restart(at=T0, valid_from=0),
}


@pytest.mark.repeats("name")
@pytest.mark.parametrize("name", ENDINGS)
def test_X9_an_ending_that_no_replica_has_is_not_answered(name, server, replica, replicated):
    """Its outcome is unknown; a refresh and a login do not wait."""
    session = reused(replicated)
    replica.stop()
    with pytest.raises(StorageUnavailableError, match="replica") as caught:
        ENDINGS[name](replicated, session)
    assert caught.value.writing
    assert "cmdstat_wait" in server.tell("INFO", "commandstats")
    other = begin(replicated, "8")
    assert rotate(replicated, other, 0, T0).outcome == "rotated"


def test_X9_an_ending_is_not_answered_when_it_is_asked_for_again_either(replica, replicated):
    """Until a replica has it: also the second time there is a write to wait for."""
    session = begin(replicated)
    replica.stop()
    for _ in range(2):
        with pytest.raises(StorageUnavailableError, match="replica"):
            replicated.sessions.end(session.sid, "kick", at=T0)
    replica.cont()
    ended = replicated.sessions.end(session.sid, "kick", at=T0)
    assert (ended.by_this_call, ended.session.end_reason) == (False, "kick")
    assert len(replicated.revocations.after(0, at=T0).entries) == 1


def find_reuse_by_use(storage, session):
    """Session, of which generation 1 is superseded."""
    return storage.sessions.confirm([(session.sid, 1)], at=T0 + 101)


def find_reuse_by_refresh(storage, session):
    """Generation 0 is older than the predecessor."""
    return rotate(storage, session, 0, T0 + 101)


@pytest.mark.repeats("find_reuse")
@pytest.mark.parametrize("find_reuse", [find_reuse_by_use, find_reuse_by_refresh])
def test_X9_a_reuse_that_no_replica_has_is_answered_neither_at_first_nor_when_tried_again(
    find_reuse, replica, replicated
):
    """The second try finds a session that is over, and vouches for it no less."""
    session = begin(replicated)
    for presented, later in ((0, 0), (0, 100)) if find_reuse is find_reuse_by_use else ((0, 0), (1, 0)):
        rotate(replicated, session, presented, T0 + later)
    replica.stop()
    for _ in range(2):
        with pytest.raises(StorageUnavailableError, match="replica"):
            find_reuse(replicated, session)
    replica.cont()
    find_reuse(replicated, session)
    assert stored(replicated, session).end_reason == "reuse"
    assert len(replicated.revocations.after(0, at=T0).entries) == 1


def test_X9_confirmations_for_sessions_that_are_over_wait_for_nobody(replica, replicated):
    """They come late to those that have logged out, all the time."""
    session = begin(replicated)
    replicated.sessions.end(session.sid, "logout", at=T0)
    replica.stop()
    assert replicated.sessions.confirm([(session.sid, 0)], at=T0) == []


def test_X9_what_was_ended_stays_ended_when_a_replica_takes_over(server, replica, replicated, opened):
    """And a generation that it has not heard of is adopted."""
    lost, ended = begin(replicated), begin(replicated)
    replicated.sessions.end(ended.sid, "kick", at=T0)
    # The last write reaches the socket of a replica that takes nothing in any more.
    replica.stop()
    assert rotate(replicated, lost, 0, T0).session.gen == 1
    server.kill()
    replica.cont()
    replica.ask("REPLICAOF", "NO", "ONE")
    promoted = opened(replica.url)
    assert stored(promoted, ended).end_reason == "kick"
    assert [entry.sid for entry in promoted.revocations.after(0, at=T0).entries] == [ended.sid]
    assert rotate(promoted, lost, 1, T0 + 5).outcome in ("adopted", "rotated")


def test_X9_no_ending_is_passed_over_when_the_end_of_the_log_is_lost(server, replica, replicated, opened):
    """The cursor names an entry that is gone, or another one of its number: all are given."""
    sessions = [begin(replicated) for _ in range(3)]
    replicated.sessions.end(sessions[0].sid, "kick", at=T0)
    replica.ask("REPLICAOF", "NO", "ONE")
    wait_until(lambda: server.tell("INFO")["connected_slaves"] == "0", "the master has lost its replica")
    opened(server.url).sessions.end(sessions[1].sid, "kick", at=T0)
    page = replicated.revocations.after(0, at=T0)
    promoted = opened(replica.url)
    again = promoted.revocations.after(page.cursor, at=T0)
    assert [entry.sid for entry in again.entries] == [sessions[0].sid]
    promoted.sessions.end(sessions[2].sid, "kick", at=T0)
    again = promoted.revocations.after(page.cursor, at=T0)
    assert [entry.sid for entry in again.entries] == [sessions[0].sid, sessions[2].sid]


def test_X6_sentinels_lead_to_the_master_that_takes_over(server, replica, opened):
    """Without a restart, and without waiting for the one that is gone."""
    with Sentinel("redis8", master=server) as sentinel:
        storage = opened(f"redis+sentinel://127.0.0.1:1,127.0.0.1:{sentinel.port}/mymaster/0")
        storage.check()
        session, ended = begin(storage), begin(storage)
        storage.sessions.end(ended.sid, "kick", at=T0)
        server.kill()

        def is_back():
            try:
                return storage.sessions.find(session.sid) is not None
            except StorageUnavailableError:
                return False

        wait_until(is_back, "the replica has taken over")
        assert stored(storage, ended).end_reason == "kick"
        assert rotate(storage, session, 0, T0).outcome == "rotated"
        assert storage.sessions.add(new_session(), limits=NO_LIMITS, at=T0).ended == ()


@pytest.mark.slow
def test_S01_a_master_that_stood_still_while_another_took_over_is_not_believed(server, replica, opened):
    """It answers the wait that was under way, and the sentinels tell it no sooner than ten seconds later."""
    with Sentinel("redis8", master=server, down_after=100) as sentinel, ThreadPoolExecutor(1) as executor:
        storage = opened(sentinel.url)
        session = begin(storage)
        cursor = storage.revocations.after(0, at=T0).cursor
        wakeup = executor.submit(storage.revocations.wait, cursor, longest=0.7)
        server.stop()
        try:
            wait_until(lambda: sentinel.master_port() == replica.port, "the replica has taken over")
            late = opened(sentinel.url)
            # For a moment the sentinel has not heard of the new master.
            wait_until(lambda: is_done(late.sessions.end, session.sid, "kick", at=T0), "the new master is found")
        finally:
            server.cont()
        # On a machine that is busy, the wait may have been given up.
        with suppress(StorageUnavailableError):
            assert not wakeup.result().is_unchanged
        assert [entry.sid for entry in storage.revocations.after(cursor, at=T0).entries] == [session.sid]


@pytest.mark.slow
def test_S01_a_master_that_did_not_answer_a_wait_is_not_asked_by_connections_from_before(server, replica, opened):
    """It goes on when another has taken over, and still believes that it is the master."""
    with Sentinel("redis8", master=server, down_after=100) as sentinel, ThreadPoolExecutor(1) as executor:
        storage = opened(sentinel.url)
        session = begin(storage)
        cursor = storage.revocations.after(0, at=T0).cursor
        server.stop()
        try:
            wakeup = executor.submit(storage.revocations.wait, cursor, longest=0.7)
            wait_until(lambda: sentinel.master_port() == replica.port, "the replica has taken over")
            late = opened(sentinel.url)
            wait_until(lambda: is_done(late.sessions.end, session.sid, "kick", at=T0), "the new master is found")
            with suppress(StorageUnavailableError):
                # Where it began when the sentinels had another one already, it is answered by that one.
                wakeup.result()
        finally:
            server.cont()
        assert [entry.sid for entry in storage.revocations.after(cursor, at=T0).entries] == [session.sid]


def is_done(step, *arguments, **options):
    with suppress(StorageUnavailableError):
        return step(*arguments, **options) is not None
    return False


def fails_over(sentinel):
    with suppress(NoAnswerError):
        sentinel.ask("SENTINEL FAILOVER", "mymaster")
        return True
    return False


def test_S01_a_fail_over_that_broke_no_connection_is_noticed_with_the_next_wait(server, replica, opened):
    """The old master goes on as one until the sentinels tell it, some ten seconds later."""
    with Sentinel("redis8", master=server) as sentinel:
        storage = opened(sentinel.url)
        session = begin(storage)
        cursor = storage.revocations.after(0, at=T0).cursor
        # A login does not wait for it.
        wait_until(lambda: replica.ask("DBSIZE") == server.ask("DBSIZE"), "the replica has the session")
        wait_until(lambda: fails_over(sentinel), "the sentinel knows of the replica")
        wait_until(lambda: sentinel.master_port() == replica.port, "the replica has taken over")
        assert opened(sentinel.url).sessions.end(session.sid, "kick", at=T0)
        storage.revocations.wait(cursor, longest=0.05)
        assert [entry.sid for entry in storage.revocations.after(cursor, at=T0).entries] == [session.sid]


def test_X6_sentinels_that_know_no_such_master_are_unavailable(server, opened):
    with Sentinel("redis8", master=server) as sentinel:
        storage = opened(f"redis+sentinel://127.0.0.1:{sentinel.port}/other")
        with pytest.raises(StorageUnavailableError):
            storage.sessions.rotate(b"\1" * 16, 0, at=T0, leeway=15, idle=IDLE)
        sentinel.stop()
        late = opened(sentinel.url)
        # More threads than can ask it one after the other within a step.
        race(6, lambda _: assert_unavailable(CALLS["find"], late))
        sentinel.cont()
