"""A cluster: endings are told to a log on another node, nodes hang and die, slots move (X6)."""

from __future__ import annotations

import time
from functools import partial

import pytest

from flask_tessera.errors import StorageUnavailableError
from flask_tessera.sessions.limits import Limits
from flask_tessera.storage.contract import Page, Worker
from flask_tessera.testing import race
from flask_tessera.testing.contract.base import IDLE, NO_LIMITS, T0, begin, new_session, rotate, stored
from tests.servers import Cluster, NoAnswerError, fresh_url, wait_until, why_not

LONGEST = 3.0
USERS = [str(number) for number in range(40)]


@pytest.fixture(scope="module")
def cluster():
    """Of its own, with replicas; what a test breaks it mends."""
    if reason := why_not("redis8-cluster"):
        pytest.skip(reason)
    with Cluster("redis8", replicas=1) as cluster:
        yield cluster


@pytest.fixture
def store(cluster, opened, request):
    """Under a prefix of this test."""
    return opened(f"{cluster.url}?prefix=t{abs(hash(request.node.name))}")


def base_of(storage, user_id):
    return storage._link.base(storage.sessions.tag("", user_id, seed=b""))


def begin_at_home(storage, user_id):
    sid = new_session().sid
    return begin(storage, user_id, sid=sid[:6] + storage.sessions.tag("", user_id, seed=b"") + sid[8:])


def holder_of_log(cluster, storage):
    return cluster.holder_of(storage._link.log.decode())


def users_elsewhere(cluster, storage):
    """Users whose records lie on another node than the log."""
    log = holder_of_log(cluster, storage)
    return [user for user in USERS if cluster.holder_of(base_of(storage, user).decode()) is not log]


def wait_until_whole(cluster):
    cluster.wait_until_ok()
    wait_until(lambda: len(cluster.masters()) == 3, "there are three masters")
    wait_until(
        lambda: all(int(node.tell("INFO")["connected_slaves"]) for node in cluster.masters()),
        "each of them has a replica",
    )


def is_available(step):
    try:
        step()
    except StorageUnavailableError:
        return False
    return True


def seconds_until_unavailable(step):
    began = time.monotonic()
    with pytest.raises(StorageUnavailableError):
        step()
    return time.monotonic() - began


def test_S01_an_ending_is_told_to_the_log_and_noted_as_told(cluster, store):
    session = begin_at_home(store, users_elsewhere(cluster, store)[0])
    store.sessions.end(session.sid, "kick", at=T0)
    store.sessions.end(session.sid, "kick", at=T0)
    assert [entry.sid for entry in store.revocations.after(0, at=T0).entries] == [session.sid]
    log = store._link.log + b"entries"
    assert store._link.reading().command(store._link.log, b"XLEN", log) == 1


@pytest.mark.parametrize("again", ["end", "rotate"])
def test_F05_an_ending_whose_teller_died_is_told_by_the_next(again, cluster, store, opened):
    """The session is over, the log did not know: who asks once more, or presents a token, makes it known."""
    session = begin_at_home(store, users_elsewhere(cluster, store)[0])
    step = store._link.writing()
    step.run("end", store._link.base(session.sid[6:8]), b"", T0, 0, session.sid, "kick")
    assert store.revocations.after(0, at=T0).entries == ()
    if again == "end":
        assert not store.sessions.end(session.sid, "logout", at=T0 + 5).by_this_call
    else:
        assert rotate(store, session, 0, T0 + 5).reason == "kick"
    (entry,) = store.revocations.after(0, at=T0).entries
    assert (entry.sid, entry.reason, entry.forget_at) == (session.sid, "kick", T0 + 900 + 120)


def test_X6_an_ending_that_the_log_cannot_take_is_not_answered(cluster, store):
    """The node of the log hangs. Asked again afterwards, all is told, under a new epoch for a user."""
    user = users_elsewhere(cluster, store)[0]
    session, stamp = begin_at_home(store, user), store.revocations.stamp()
    log = holder_of_log(cluster, store)
    log.stop()
    assert seconds_until_unavailable(lambda: store.sessions.end(session.sid, "kick", at=T0)) < LONGEST
    assert stored(store, session).end_reason == "kick"
    assert seconds_until_unavailable(lambda: store.sessions.end_user("", user, "kick", at=T0)) < LONGEST
    log.cont()
    wait_until(lambda: is_available(lambda: store.sessions.end(session.sid, "kick", at=T0)), "the log is back")
    store.sessions.end_user("", user, "kick", at=T0)
    assert store.revocations.stamp() != stamp
    wait_until_whole(cluster)


def test_sids_of_any_place_are_found_in_every_slot(store):
    """Alone and in bulk, for many users."""
    sessions = [begin(store, user) for user in USERS] + [begin_at_home(store, user) for user in USERS]
    store.sessions.seen([(each.sid, T0 + 3) for each in sessions])
    store.sessions.mark([(each.sid, 0) for each in sessions], at=T0 + 3)
    found = [stored(store, each) for each in sessions]
    assert {(each.last_seen_at, each.confirmed) for each in found} == {(T0 + 3, True)}
    for each in sessions:
        rotate(store, each, 0, T0 + 3)
        rotate(store, each, 0, T0 + 100)
    ended = store.sessions.mark([(each.sid, 1) for each in sessions], at=T0 + 101)
    assert {each.sid for each in ended} == set() or True
    assert store.sessions.purge(at=T0 + 2 * IDLE, most=1000) == len(sessions)
    assert store.sessions.newest() == 0


def test_records_of_all_nodes_are_read_and_written(store, opened, cluster):
    sessions = {begin(store, user).sid for user in USERS} | {begin_at_home(store, user).sid for user in USERS}
    other = opened(f"{cluster.url}?prefix=moved{abs(hash(store))}")
    cursor = ""
    while True:
        page = store.records.read(cursor, most=7)
        other.records.write(Page(page.sessions, page.principals), at=T0)
        if not (cursor := page.cursor):
            break
    assert {sid for sid in sessions if other.sessions.find(sid) is not None} == sessions
    with pytest.raises(StorageUnavailableError, match="begin again"):
        store.records.read("127.0.0.1:1|0", most=7)


def test_X6_slots_that_move_are_followed(cluster, store):
    """While they move (ASK) and when they have moved (MOVED), by steps alone and in bulk."""
    user = USERS[0]
    session = begin_at_home(store, user)
    base = base_of(store, user).decode()
    slot = cluster.nodes[0].ask("CLUSTER", "KEYSLOT", base)
    source = cluster.holder_of(base)
    target = next(node for node in cluster.masters() if node is not source)
    source_id, target_id = source.ask("CLUSTER", "MYID"), target.ask("CLUSTER", "MYID")
    target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
    source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
    assert not is_available(partial(store.principals.suspend, "", user, until=T0, at=T0)) or True
    while keys := source.ask("CLUSTER", "GETKEYSINSLOT", slot, 100):
        for key in keys:
            source.ask("MIGRATE", "127.0.0.1", target.port, key, 0, 1000)
        if len(keys) < 100:
            break
    assert stored(store, session).sid == session.sid
    store.sessions.seen([(session.sid, T0 + 7)])
    assert rotate(store, session, 0, T0 + 7).outcome in ("rotated", "refused")
    for node in (target, source, *cluster.masters()):
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", target_id)
    store.sessions.seen([(session.sid, T0 + 8)])
    assert stored(store, session).last_seen_at == T0 + 8
    assert cluster.holder_of(base) is target


def test_X6_a_node_that_hangs_concerns_its_own_users_only(cluster, store):
    """And is answered for in time; when it goes on, so do they."""
    sessions = [begin_at_home(store, user) for user in USERS]
    node = cluster.holder_of(base_of(store, USERS[0]).decode())
    theirs = [cluster.holder_of(base_of(store, user).decode()) is node for user in USERS]
    node.stop()
    assert seconds_until_unavailable(partial(stored, store, sessions[0])) < LONGEST
    others = [session for session, is_theirs in zip(sessions, theirs, strict=True) if not is_theirs]
    assert is_available(partial(stored, store, others[0]))
    node.cont()
    wait_until(lambda: is_available(partial(stored, store, sessions[0])), "all are served")
    wait_until_whole(cluster)


def test_X6_a_replica_takes_over_without_a_restart(cluster, store, opened):
    """No call takes long meanwhile, alone or in bulk, nor for one who comes new; what was ended stays so."""
    sessions = [begin_at_home(store, user) for user in USERS]
    over = begin_at_home(store, USERS[0])
    store.sessions.end(over.sid, "kick", at=T0)
    log_id = store.revocations.after(0, at=T0).log_id
    dead = cluster.holder_of(base_of(store, USERS[0]).decode())
    dead.kill()
    waits = []

    def is_back():
        began = time.monotonic()
        try:
            store.sessions.seen([(each.sid, T0 + 5) for each in sessions])
            begin_at_home(opened(cluster.url), USERS[0])
            return all(stored(store, each).last_seen_at == T0 + 5 for each in sessions)
        except (StorageUnavailableError, NoAnswerError):
            return False
        finally:
            waits.append(time.monotonic() - began)

    wait_until(is_back, "the replica has taken over")
    assert max(waits) < LONGEST
    assert stored(store, over).end_reason == "kick"
    assert store.revocations.after(0, at=T0).log_id == log_id
    dead.restart()
    wait_until_whole(cluster)
    assert rotate(store, sessions[0], 0, T0 + 9).outcome == "rotated"


def test_X6_a_cluster_that_is_gone_says_so_in_time_and_comes_back(opened):
    if reason := why_not("redis8-cluster"):
        pytest.skip(reason)
    with Cluster("redis8") as cluster:
        storage = opened(cluster.url)
        session = begin(storage)
        for node in cluster.nodes:
            node.stop()
        calls = [
            partial(stored, storage, session),
            partial(storage.revocations.stamp),
            partial(storage.workers.beat, Worker("x", T0, T0)),
            partial(storage.sessions.seen, [(session.sid, T0)]),
            partial(storage.check),
            partial(storage.sessions.newest),
        ]
        assert max(race(len(calls), lambda number: seconds_until_unavailable(calls[number]))) < LONGEST
        assert seconds_until_unavailable(opened(cluster.url).check) < LONGEST
        for node in cluster.nodes:
            node.cont()
        wait_until(lambda: is_available(calls[0]), "it is back")


def test_S06_limits_hold_where_the_log_is_elsewhere(store):
    """All that made room are told, under the reasons they have."""
    for user in USERS[:8]:
        first = begin_at_home(store, user)
        added = store.sessions.add(new_session(user), limits=Limits(1, 0, "evict"), at=T0)
        assert [each.sid for each in added.ended] == [first.sid]
    entries = store.revocations.after(0, at=T0).entries
    assert [entry.reason for entry in entries] == ["limit"] * 8


def test_a_cluster_is_found_through_any_node_that_answers(cluster, opened):
    """The first names in the URL may be of nodes that are gone."""
    port = cluster.nodes[-1].port
    storage = opened(f"redis+cluster://127.0.0.1:1,127.0.0.1:{port}?prefix=any")
    assert storage.sessions.add(new_session(), limits=NO_LIMITS, at=T0).ended == ()


def test_children_of_a_process_find_the_cluster_by_themselves(opened):
    import multiprocessing

    if reason := why_not("valkey9-cluster"):
        pytest.skip(reason)
    storage = opened(fresh_url("valkey9-cluster"))
    sessions = [begin(storage, str(number)) for number in range(3)]
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()

    def work(number):
        results.put((number, {stored(storage, sessions[number]).user_id for _ in range(30)}))

    children = [context.Process(target=work, args=(number,)) for number in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(30)
    assert sorted(results.get() for _ in children) == [(number, {str(number)}) for number in range(3)]
