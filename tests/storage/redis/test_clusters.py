"""A cluster: endings are logged on another node before they are written, nodes hang and die, slots move (X6)."""

from __future__ import annotations

import multiprocessing
from functools import partial

import pytest
import redis

from flask_tessera.errors import AlreadyExistsError, CredentialsError, LoginRefusedError, StorageUnavailableError
from flask_tessera.sessions.ids import tag_of
from flask_tessera.sessions.limits import Limits
from flask_tessera.sessions.revocations import Revocation
from flask_tessera.storage.model import Page
from flask_tessera.storage.redis.client import script
from flask_tessera.testing import race
from flask_tessera.testing.contract.base import IDLE, NO_LIMITS, T0, begin, new_session, rotate, stored
from tests.servers import Cluster, fresh_url, wait_until, why_not

USERS = [str(number) for number in range(40)]


@pytest.fixture(scope="module")
def cluster():
    """Of its own, which takes no node for dead: what a test stops it lets go on."""
    if reason := why_not("redis8-cluster"):
        pytest.skip(reason)
    with Cluster("redis8", options={"cluster-node-timeout": "60000"}) as cluster:
        yield cluster


@pytest.fixture
def store(cluster, opened, request):
    """Under a prefix of this test."""
    return opened(f"{cluster.url}?prefix=t{abs(hash(request.node.name))}")


def base_of(storage, user_id):
    return storage._keys.base(tag_of("", user_id))


def begin_elsewhere(storage, user_id):
    """A session whose sid names another slot than its user's, as release 0.1 began them."""
    sid = new_session().sid
    return begin(storage, user_id, sid=sid[:6] + tag_of("", f"not {user_id}") + sid[8:])


def holder_of_log(cluster, storage):
    return cluster.holder_of(storage._keys.log.decode())


def users_elsewhere(cluster, storage):
    """Users whose records lie on another node than the log."""
    log = holder_of_log(cluster, storage)
    return [user for user in USERS if cluster.holder_of(base_of(storage, user).decode()) is not log]


def is_available(step):
    try:
        step()
    except StorageUnavailableError:
        return False
    return True


def assert_unavailable(step):
    with pytest.raises(StorageUnavailableError):
        step()


@pytest.mark.slow
def test_S01_an_ending_is_logged_once(cluster, store):
    session = begin(store, users_elsewhere(cluster, store)[0])
    store.sessions.end(session.sid, "kick", at=T0)
    store.sessions.end(session.sid, "kick", at=T0)
    assert [entry.sid for entry in store.revocations.after(0, at=T0).entries] == [session.sid]
    entries = store._keys.log + b"entries"
    assert store._client.command(entries, "XLEN", entries) == 1


class DiedError(Exception):
    """A process that ends between two round trips."""


def die_before_commit(storage, monkeypatch):
    """Let the next unit of work end when it has logged what it is about to do."""
    run = storage._client.run

    def dying(*calls, **options):
        log = storage._keys.log
        commit, _ = script("commit")
        if any(call.script == commit and not call.key.startswith(log) for call in calls):
            monkeypatch.undo()
            raise DiedError
        return run(*calls, **options)

    monkeypatch.setattr(storage._client, "run", dying)


@pytest.mark.repeats("end")
@pytest.mark.parametrize(
    "end",
    [
        lambda store, session: store.sessions.end(session.sid, "kick", at=T0),
        lambda store, session: store.sessions.end_user("", session.user_id, "kick", at=T0),
    ],
    ids=["one", "all"],
)
def test_F05_an_ending_whose_process_died_after_it_was_logged_is_an_intent_until_it_is_done(
    end, cluster, store, monkeypatch
):
    """Nothing has ended; whoever reads the log is told to ask, until somebody has done it."""
    session = begin(store, users_elsewhere(cluster, store)[0])
    die_before_commit(store, monkeypatch)
    with pytest.raises(DiedError):
        end(store, session)
    assert not stored(store, session).ended_at
    (intent,) = store.revocations.after(0, at=T0).entries
    assert intent.is_intent
    end(store, session)
    assert stored(store, session).end_reason == "kick"
    entries = store.revocations.after(0, at=T0).entries
    assert {entry.is_intent for entry in entries} == {False}
    assert {(entry.sid, entry.user_id) for entry in entries} == {(intent.sid, intent.user_id)}


def test_F05_an_intent_about_a_session_that_is_gone_counts_as_done(store):
    """It would be refused as unknown."""
    store.revocations.append([Revocation(T0 + 900, "kick", b"\3" * 16, is_intent=True)], at=T0)
    assert [entry.is_intent for entry in store.revocations.after(0, at=T0).entries] == [False]


@pytest.mark.slow
def test_X6_an_ending_that_the_log_cannot_take_is_not_written(cluster, store):
    """The node of the log hangs: nothing ends that workers could not hear of."""
    user = users_elsewhere(cluster, store)[0]
    session, head = begin(store, user), store.revocations.head(at=T0).checkpoint
    log = holder_of_log(cluster, store)
    log.stop()
    try:
        assert_unavailable(lambda: store.sessions.end(session.sid, "kick", at=T0))
        assert not stored(store, session).ended_at
        assert_unavailable(lambda: store.sessions.end_user("", user, "kick", at=T0))
        assert store.sessions.principal("", user).epoch == 0
    finally:
        log.cont()
    wait_until(lambda: is_available(lambda: store.sessions.end(session.sid, "kick", at=T0)), "the log is back")
    store.sessions.end_user("", user, "kick", at=T0)
    assert store.revocations.head(at=T0).checkpoint != head


def test_a_session_in_another_slot_than_its_user_lives_and_ends(cluster, store):
    """In each way; what carries it over does so."""
    for user in USERS[:12]:
        first, second, third = (begin_elsewhere(store, user) for _ in range(3))
        assert [each.sid for each in store.sessions.list("", user, at=T0)] == [first.sid, second.sid, third.sid]
        assert rotate(store, first, 0, T0).outcome == "rotated"
        ended = store.sessions.end_user("", user, "logout", at=T0, except_sid=second.sid)
        assert {each.sid for each in ended} == {first.sid, third.sid}
        assert stored(store, first).end_reason == stored(store, third).end_reason == "logout"
        assert rotate(store, second, 0, T0 + 1).outcome == "rotated"
        newcomer = new_session(user)
        added = store.sessions.add(newcomer, limits=Limits(1, 0, "evict"), at=T0 + 2)
        assert [each.sid for each in added.ended] == [second.sid]
        assert [each.sid for each in store.sessions.list("", user, at=T0 + 2)] == [newcomer.sid]
        with pytest.raises(AlreadyExistsError):
            begin(store, user, sid=first.sid)


def test_sids_of_any_place_are_found_in_every_slot(store):
    """Alone and in bulk, for many users."""
    sessions = [begin(store, user) for user in USERS] + [begin_elsewhere(store, user) for user in USERS]
    store.sessions.touch([(each.sid, T0 + 3) for each in sessions], at=T0 + 3)
    store.sessions.confirm([(each.sid, 0) for each in sessions], at=T0 + 3)
    found = [stored(store, each) for each in sessions]
    assert {(each.last_seen_at, each.confirmed) for each in found} == {(T0 + 3, True)}
    for each in sessions:
        rotate(store, each, 0, T0 + 3)
        rotate(store, each, 0, T0 + 100)
    ended = store.sessions.confirm([(each.sid, 1) for each in sessions], at=T0 + 101)
    assert {each.sid for each in ended} == {each.sid for each in sessions if stored(store, each).end_reason == "reuse"}
    assert len(ended) == len(sessions)
    assert store.sessions.purge(at=T0 + 2 * IDLE, most=1000) == len(sessions)
    assert store.sessions.newest() == 0


def test_records_of_all_nodes_are_read_and_written(store, opened, cluster):
    sessions = {begin(store, user).sid for user in USERS} | {begin_elsewhere(store, user).sid for user in USERS}
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


@pytest.mark.slow
def test_X6_a_node_that_hangs_concerns_its_own_users_only(cluster, store):
    """And is given up; when it goes on, so do they."""
    sessions = [begin(store, user) for user in USERS]
    node = cluster.holder_of(base_of(store, USERS[0]).decode())
    theirs = [cluster.holder_of(base_of(store, user).decode()) is node for user in USERS]
    node.stop()
    assert_unavailable(partial(stored, store, sessions[0]))
    others = [session for session, is_theirs in zip(sessions, theirs, strict=True) if not is_theirs]
    assert is_available(partial(stored, store, others[0]))
    bulk = partial(store.sessions.touch, [(each.sid, T0 + 5) for each in sessions], at=T0 + 5)
    assert_unavailable(bulk)
    node.cont()
    wait_until(lambda: is_available(bulk), "all are served")
    assert {stored(store, each).last_seen_at for each in sessions} == {T0 + 5}


@pytest.mark.slow
def test_X6_a_replica_takes_over_without_a_restart(opened):
    """No call is held up for ever meanwhile, alone or in bulk, nor for one who comes new; what was ended stays so."""
    if reason := why_not("redis8-cluster"):
        pytest.skip(reason)
    with Cluster("redis8", replicas=1) as cluster:
        store = opened(cluster.url)
        sessions = [begin(store, user) for user in USERS]
        over = begin(store, USERS[0])
        store.sessions.end(over.sid, "kick", at=T0)
        log_id = store.revocations.after(0, at=T0).log_id
        cluster.holder_of(base_of(store, USERS[0]).decode()).kill()

        def is_back():
            steps = (
                lambda: store.sessions.touch([(each.sid, T0 + 5) for each in sessions], at=T0 + 5),
                lambda: begin(opened(cluster.url), USERS[0]),
                lambda: [stored(store, each) for each in sessions],
            )
            return all(is_available(step) for step in steps)

        wait_until(is_back, "the replica has taken over")
        assert {stored(store, each).last_seen_at for each in sessions} == {T0 + 5}
        assert stored(store, over).end_reason == "kick"
        assert store.revocations.after(0, at=T0).log_id == log_id
        assert rotate(store, sessions[0], 0, T0 + 9).outcome == "rotated"


@pytest.mark.slow
def test_X6_a_cluster_that_is_gone_is_given_up_and_comes_back(opened):
    if reason := why_not("redis8-cluster"):
        pytest.skip(reason)
    with Cluster("redis8") as cluster:
        storage = opened(cluster.url)
        session = begin(storage)
        for node in cluster.nodes:
            node.stop()
        calls = [
            partial(stored, storage, session),
            partial(storage.revocations.head, at=T0),
            partial(storage.values.take, "code", b"ab", at=T0),
            partial(storage.sessions.touch, [(session.sid, T0)], at=T0),
            partial(storage.check),
            partial(storage.sessions.newest),
        ]
        race(len(calls), lambda number: assert_unavailable(calls[number]))
        assert_unavailable(opened(cluster.url).check)
        for node in cluster.nodes:
            node.cont()
        wait_until(lambda: is_available(calls[0]), "it is back")


def test_S06_limits_hold_where_the_log_is_elsewhere(store):
    """All that made room are told, under the reasons they have."""
    for user in USERS[:8]:
        first = begin(store, user)
        added = store.sessions.add(new_session(user), limits=Limits(1, 0, "evict"), at=T0)
        assert [each.sid for each in added.ended] == [first.sid]
    entries = store.revocations.after(0, at=T0).entries
    assert [entry.reason for entry in entries] == ["limit"] * 8


def test_a_cluster_is_found_through_any_node_that_answers(cluster, opened):
    """The first names in the URL may be of nodes that are gone."""
    port = cluster.nodes[-1].port
    storage = opened(f"redis+cluster://127.0.0.1:1,127.0.0.1:{port}?prefix=any")
    assert storage.sessions.add(new_session(), limits=NO_LIMITS, at=T0).ended == ()


@pytest.mark.slow
def test_X6_a_slot_that_no_node_keeps_is_unavailable(opened):
    """The others are not."""
    if reason := why_not("redis8-cluster"):
        pytest.skip(reason)
    with Cluster("redis8", options={"cluster-require-full-coverage": "no"}) as cluster:
        storage = opened(cluster.url)
        sessions = [begin(storage, user) for user in USERS[:2]]
        base = base_of(storage, USERS[0]).decode()
        holder = cluster.holder_of(base)
        slot = holder.ask("CLUSTER", "KEYSLOT", base)
        # First where it lies: the others would hear of it again.
        for node in (holder, *(node for node in cluster.nodes if node is not holder)):
            node.ask("CLUSTER", "DELSLOTS", slot)
        late = opened(cluster.url)
        assert not is_available(lambda: late.sessions.find(sessions[0].sid))
        assert stored(late, sessions[1]) == sessions[1]


def test_children_of_a_process_find_the_cluster_by_themselves(opened):
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


class Move:
    """One slot on its way from one master of a cluster to another, key by key."""

    def __init__(self, cluster, name):
        self.source = cluster.holder_of(name)
        self.target = next(node for node in cluster.masters() if node is not self.source)
        self.nodes = cluster.masters()
        self.slot = self.source.ask("CLUSTER", "KEYSLOT", name)
        self.ids = [node.ask("CLUSTER", "MYID") for node in (self.source, self.target)]

    def begin(self):
        self.target.ask("CLUSTER", "SETSLOT", self.slot, "IMPORTING", self.ids[0])
        self.source.ask("CLUSTER", "SETSLOT", self.slot, "MIGRATING", self.ids[1])

    def names(self):
        with redis.Redis(port=self.source.port) as client:
            client.response_callbacks.clear()  # else the names come as texts
            return sorted(client.execute_command("CLUSTER GETKEYSINSLOT", self.slot, 1000))

    def migrate(self, key):
        with redis.Redis(port=self.source.port) as client:
            client.execute_command("MIGRATE", "127.0.0.1", self.target.port, key, 0, 1000)

    def finish(self):
        for node in (self.target, self.source, *self.nodes):
            node.ask("CLUSTER", "SETSLOT", self.slot, "NODE", self.ids[1])


def outcome(step):
    try:
        return step()
    except StorageUnavailableError:
        return "unavailable"


@pytest.mark.slow
@pytest.mark.parametrize("order", [sorted, lambda keys: sorted(keys, reverse=True)], ids=["forth", "back"])
def test_X6_no_session_looks_unknown_and_no_suspension_forgotten_while_a_slot_moves(order, opened):
    """Whatever key goes first: steps are taken as ever, or refused for the moment."""
    if reason := why_not("redis8-cluster"):
        pytest.skip(reason)
    with Cluster("redis8") as cluster:
        storage = opened(cluster.url)
        user = USERS[0]
        session, odd = begin(storage, user), begin_elsewhere(storage, user)
        placed = new_session(user)
        storage.sessions.suspend("", user, until=T0 + 100, at=T0)
        move = Move(cluster, base_of(storage, user).decode())
        seen = set()

        def look():
            found = outcome(lambda: storage.sessions.find(session.sid))
            assert found is not None
            seen.add(type(found).__name__)
            result = outcome(lambda: rotate(storage, session, 0, T0))
            assert result == "unavailable" or result.reason == "suspension"
            with pytest.raises((LoginRefusedError, StorageUnavailableError)):
                storage.sessions.add(placed, limits=NO_LIMITS, at=T0)
            principal = outcome(lambda: storage.sessions.principal("", user))
            assert principal == "unavailable" or principal.suspended_until == T0 + 100

        move.begin()
        look()
        for key in order(move.names()):
            move.migrate(key)
            look()
        move.finish()
        assert stored(storage, session).end_reason == stored(storage, odd).end_reason == "suspension"
        storage.sessions.touch([(session.sid, T0 + 8), (odd.sid, T0 + 8)], at=T0 + 8)
        assert stored(storage, odd).last_seen_at == T0 + 8
        assert "SessionWithPrincipal" in seen


@pytest.mark.slow
def test_X6_a_purge_that_met_a_slot_on_the_move_is_done_later(opened):
    """The others of a user cannot be told apart from those that have moved: nothing is done by halves."""
    if reason := why_not("redis8-cluster"):
        pytest.skip(reason)
    with Cluster("redis8") as cluster:
        storage = opened(cluster.url)
        user = USERS[0]
        moving, staying = [begin(storage, user) for _ in range(3)], begin(storage, USERS[1])
        move = Move(cluster, base_of(storage, user).decode())
        move.begin()
        for key in [key for key in move.names() if b":l:" in key or key.endswith(moving[0].sid)]:
            move.migrate(key)
        assert_unavailable(lambda: storage.sessions.purge(at=T0 + IDLE, most=100))
        for key in move.names():
            move.migrate(key)
        move.finish()
        storage.sessions.purge(at=T0 + IDLE, most=100)
        assert [storage.sessions.find(each.sid) for each in (*moving, staying)] == [None] * 4


@pytest.mark.slow
def test_X6_a_log_that_moves_loses_no_ending(opened):
    if reason := why_not("redis8-cluster"):
        pytest.skip(reason)
    with Cluster("redis8") as cluster:
        storage = opened(cluster.url)
        sessions = [begin(storage, user) for user in USERS[:12]]
        storage.sessions.end(sessions[0].sid, "kick", at=T0)
        page = storage.revocations.after(0, at=T0)
        move = Move(cluster, "tessera:{log}:")
        move.begin()
        ended = [sessions[0]]

        def end_one():
            session = sessions[len(ended)]
            if outcome(lambda: storage.sessions.end(session.sid, "kick", at=T0)) != "unavailable":
                ended.append(session)
            return outcome(lambda: storage.revocations.after(page.cursor, at=T0))

        end_one()
        for key in move.names():
            move.migrate(key)
            later = end_one()
            assert later == "unavailable" or later.log_id == page.log_id
        move.finish()
        for session in sessions:
            storage.sessions.end(session.sid, "kick", at=T0)
        later = storage.revocations.after(0, at=T0)
        assert later.log_id == page.log_id
        assert {entry.sid for entry in later.entries} == {session.sid for session in sessions}


@pytest.mark.slow
def test_S04_a_login_sees_that_the_end_of_all_has_begun(cluster, store, monkeypatch):
    """From the moment on in which it is logged, though nothing has been written yet."""
    (user, *_) = users_elsewhere(cluster, store)
    checkpoint = store.revocations.head(at=T0).checkpoint
    die_before_commit(store, monkeypatch)
    with pytest.raises(DiedError):
        store.sessions.end_user("", user, "password_change", at=T0)
    with pytest.raises(CredentialsError):
        store.sessions.add(new_session(user), limits=NO_LIMITS, at=T0, checkpoint=checkpoint)
    assert store.sessions.add(new_session("nobody"), limits=NO_LIMITS, at=T0, checkpoint=checkpoint)
    assert store.sessions.principal("", user).epoch == 0
