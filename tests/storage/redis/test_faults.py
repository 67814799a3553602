"""A broken Redis: every error leaves as StorageUnavailableError, in time, and it recovers by itself (X6)."""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from flask_tessera.errors import ConfigError, StorageUnavailableError
from flask_tessera.sessions.revocations import Revocation
from flask_tessera.storage.model import Page
from flask_tessera.testing import race
from flask_tessera.testing.contract.base import T0, begin, new_session, rotate, stored
from flask_tessera.testing.contract.breaking import CALLS, KEY, READS, SID
from tests.servers import Cluster, NoAnswerError, RedisServer, TlsRelay, wait_until, why_not

from ..calls import assert_unavailable


def is_available(call, storage):
    try:
        call(storage)
    except StorageUnavailableError:
        return False
    return True


def use(storage):
    """Bring all into being that a first use does."""
    for name, call in CALLS.items():
        if name != "suspend":
            call(storage)


def test_X6_a_server_that_is_gone_is_unavailable_and_is_back_without_a_restart(server, broken):
    use(broken)
    server.kill()
    for call in CALLS.values():
        assert_unavailable(call, broken)
    server.restart()
    for call in CALLS.values():
        call(broken)


def test_X6_connections_of_before_a_restart_fail_no_call(server, broken):
    """A server that was restarted unnoticed has closed them."""
    race(8, lambda _: broken.sessions.find(SID))
    server.restart()
    for _ in range(10):
        broken.sessions.find(SID)


@pytest.mark.repeats("name")
@pytest.mark.parametrize("name", ["find", "rotate", "end", "after", "learn", "newest", "check", "put"])
def test_X6_a_server_that_hangs_is_given_up(name, server, broken):
    use(broken)
    server.stop()
    assert_unavailable(CALLS[name], broken)
    server.cont()
    CALLS[name](broken)


def test_X6_many_threads_give_up_on_a_server_that_hangs(server, broken):
    use(broken)
    server.stop()
    race(12, lambda _: assert_unavailable(CALLS["rotate"], broken))
    server.cont()
    CALLS["rotate"](broken)


def test_X6_a_server_that_hangs_at_start_is_given_up(server, opened):
    server.stop()
    assert_unavailable(CALLS["check"], opened(server.url))
    server.cont()


def test_X6_a_replica_is_neither_written_nor_read(server, opened):
    """What it knows may be old; it is used when it has become a master."""
    with RedisServer("redis8", replica_of=server) as replica:
        storage = opened(replica.url)
        for call in CALLS.values():
            with pytest.raises(StorageUnavailableError, match="replica"):
                call(storage)
        replica.ask("REPLICAOF", "NO", "ONE")
        begin(storage)


def test_X6_a_master_that_becomes_a_replica_is_left_by_its_first_refusal(server, opened):
    with RedisServer("redis8") as demoted:
        storage = opened(demoted.url)
        use(storage)
        demoted.ask("REPLICAOF", "127.0.0.1", server.port)
        with pytest.raises(StorageUnavailableError, match="ReadOnlyError"):
            begin(storage)
        with pytest.raises(StorageUnavailableError, match="replica"):
            storage.sessions.find(SID)


def test_X6_a_replica_without_its_master_says_so(opened):
    with RedisServer("redis8", options={"replica-serve-stale-data": "no"}) as replica:
        replica.ask("REPLICAOF", "127.0.0.1", "1")
        for name in ("find", "add"):
            assert_unavailable(CALLS[name], opened(replica.url))


def test_X6_a_server_without_memory_refuses_writes_whole(server, broken):
    """What was there is found; an ending either holds and is told, or neither."""
    session = begin(broken)
    server.ask("CONFIG", "SET", "maxmemory", "1")
    assert stored(broken, session) == session
    for name in ("add", "end_user", "suspend", "restart", "put"):
        assert not is_available(CALLS[name], broken), name
    assert not is_available(lambda storage: storage.sessions.end(session.sid, "kick", at=T0), broken)
    assert stored(broken, session) == session
    server.ask("CONFIG", "SET", "maxmemory", "0")
    assert broken.revocations.after(0, at=T0).entries == ()
    assert broken.sessions.end(session.sid, "kick", at=T0).by_this_call


@pytest.mark.slow
def test_X6_a_server_that_loads_says_so(opened):
    """After a restart with much data it answers, but takes nothing yet."""
    slowly = {
        "enable-debug-command": "yes",
        "key-load-delay": "500",  # microseconds
        "loading-process-events-interval-bytes": "1024",
    }
    with RedisServer("redis8", options=slowly) as server, ThreadPoolExecutor(1) as pool:
        storage = opened(server.url)
        session = begin(storage)
        server.ask("DEBUG", "POPULATE", "3000", "filler", "100")
        server.ask("SAVE")
        restarting = pool.submit(server.restart)
        wait_until(lambda: "BusyLoading" in text_of_failure(CALLS["find"], storage), "it says that it loads")
        restarting.result()
        assert stored(storage, session) == session


def text_of_failure(call, storage):
    try:
        call(storage)
    except StorageUnavailableError as error:
        return str(error)
    return ""


def test_X6_forgotten_scripts_are_loaded_again(server, broken):
    """NOSCRIPT, alone and among many."""
    sessions = [begin(broken) for _ in range(5)]
    use(broken)
    server.ask("SCRIPT", "FLUSH")
    for call in CALLS.values():
        call(broken)
    server.ask("SCRIPT", "FLUSH")
    broken.records.write(Page(tuple(new_session() for _ in range(5))), at=T0)
    server.ask("SCRIPT", "FLUSH")
    broken.sessions.touch([(each.sid, T0 + 9) for each in sessions], at=T0 + 9)
    assert {stored(broken, each).last_seen_at for each in sessions} == {T0 + 9}


def test_X6_a_busy_server_says_so(server, broken):
    """Somebody else's script runs for long."""
    use(broken)
    server.ask("CONFIG", "SET", "busy-reply-threshold", "10")
    with pytest.raises(NoAnswerError):
        server.ask("EVAL", "while true do end", "0", seconds=0.1)
    with pytest.raises(StorageUnavailableError):
        broken.sessions.find(SID)
    server.ask("SCRIPT", "KILL")
    wait_until(lambda: is_available(CALLS["find"], broken), "the script has ended")


@pytest.mark.parametrize("login", ["", ":wrong@", "nobody:wrong@"])
def test_X6_a_wrong_password_is_a_storage_that_is_unavailable(login, opened):
    """From each call, and the text does not repeat it."""
    with RedisServer("redis8") as server:
        server.ask("CONFIG", "SET", "requirepass", "secret")
        storage = opened(f"redis://{login}127.0.0.1:{server.port}/0")
        for name in ("find", "check", "learn"):
            with pytest.raises(StorageUnavailableError) as caught:
                CALLS[name](storage)
            assert "wrong" not in str(caught.value)
        begin(opened(f"redis://:secret@127.0.0.1:{server.port}/0"))
        begin(opened(f"redis://default:secret@127.0.0.1:{server.port}/0"))
        server.kill()


def test_X6_no_text_of_an_error_holds_what_was_stored(server, broken):
    """The server's own words may."""
    session = begin(broken, "wang.xiaoming")
    (index,) = server.ask("KEYS", "*:l:*")
    server.ask("DEL", index)
    server.ask("LPUSH", index, "1")
    with pytest.raises(StorageUnavailableError) as caught:
        begin(broken, "wang.xiaoming")
    assert "wang" not in str(caught.value)
    assert not stored(broken, session).ended_at


def test_X6_only_errors_of_writes_say_that_the_outcome_may_be_unknown(server, broken):
    """What only reads has not happened, whatever came of it."""
    use(broken)
    server.kill()
    for name, call in CALLS.items():
        with pytest.raises(StorageUnavailableError) as caught:
            call(broken)
        assert not (caught.value.writing and name in READS), name


@pytest.mark.slow
def test_a_node_of_a_cluster_is_refused_where_one_server_was_named(opened):
    if reason := why_not("redis8-cluster"):
        pytest.skip(reason)
    with Cluster("redis8") as cluster:
        storage = opened(f"redis://127.0.0.1:{cluster.ports[0]}/0")
        with pytest.raises(ConfigError, match="cluster"):
            storage.check()
        # Who does not check is told by the first step on a slot of another node.
        texts = {text_of_failure(CALLS["add"], storage) for _ in range(20)}
        assert any("redis+cluster://" in text for text in texts)


def test_a_child_process_takes_its_own_connections(server, broken):
    """Forked amid the work of other threads: no answer goes to the wrong one."""
    sessions = [begin(broken, str(number)) for number in range(4)]
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()

    def work(number):
        found = [stored(broken, sessions[number]).user_id for _ in range(50)]
        results.put((number, set(found), os.getpid()))

    children = [context.Process(target=work, args=(number,)) for number in range(4)]
    for child in children:
        child.start()
    for _ in range(50):
        assert stored(broken, sessions[3]).user_id == "3"
    for child in children:
        child.join(30)
    assert sorted((number, found) for number, found, _ in (results.get() for _ in range(4))) == [
        (number, {str(number)}) for number in range(4)
    ]
    begin(broken)


def test_connections_are_let_go_of_and_taken_anew(server, broken):
    race(5, lambda _: broken.sessions.find(SID))
    broken.close()

    def clients():
        return sum("addr=" in line for line in server.ask("CLIENT", "LIST").splitlines())

    wait_until(lambda: clients() == 1, "only the asking client is connected")
    broken.sessions.find(SID)
    assert clients() == 2


def test_S01_records_travel_encrypted(server, opened, tmp_path):
    """And the server's certificate is verified."""
    with TlsRelay(server, tmp_path) as relay:
        storage = opened(relay.url)
        storage.check()
        session = begin(storage)
        assert rotate(storage, session, 0, T0).outcome == "rotated"
        for _ in range(20):
            assert stored(storage, session)
        assert_unavailable(CALLS["find"], opened(f"rediss://127.0.0.1:{relay.port}/0"))


WRITES = {
    "add": lambda storage, _: begin(storage, "8"),
    "end": lambda storage, session: storage.sessions.end(session.sid, "kick", at=T0),
    "rotate": lambda storage, session: rotate(storage, session, 0, T0),
    "end_user": lambda storage, _: storage.sessions.end_user("", "7", "kick", at=T0),
    "append": lambda storage, _: storage.revocations.append([Revocation(T0, "kick", SID)], at=T0),
    "restart": lambda storage, _: storage.revocations.restart(at=T0, valid_from=T0),
    "put": lambda storage, _: storage.values.put("code", KEY, b"", expires_at=T0 + 9, at=T0),
    "take": lambda storage, _: storage.values.take("ticket", KEY, at=T0),
    "increment": lambda storage, _: storage.values.increment("counter", KEY, window=9, at=T0),
}


def scripts_run(server):
    (said,) = (value for name, value in server.tell("INFO", "commandstats").items() if name == "cmdstat_evalsha")
    return int(said.partition("calls=")[2].partition(",")[0])


@pytest.mark.repeats("name")
@pytest.mark.parametrize("name", WRITES)
def test_X6_no_write_that_has_timed_out_is_made_later(name, server, broken, monkeypatch):
    """A server that stands still just then goes on, much later, with what lies in its sockets."""
    monkeypatch.setattr("flask_tessera.storage.redis.server._LATEST", 1)
    session = begin(broken)
    broken.values.put("ticket", KEY, b"", expires_at=T0 + 9, at=T0)
    # All scripts are known to the server.
    broken.revocations.append([Revocation(T0, "kick", SID)], at=T0)
    broken.revocations.restart(at=T0, valid_from=0)
    before = broken.revocations.head(at=T0)
    run, scripts = broken._client.run, scripts_run(server)

    def stopping(*calls, **options):
        if any(call.writes for call in calls):
            server.stop()
        return run(*calls, **options)

    monkeypatch.setattr(broken._client, "run", stopping)
    with pytest.raises(StorageUnavailableError) as caught:
        WRITES[name](broken, session)
    assert caught.value.writing
    too_late = int(time.time()) + 2
    wait_until(lambda: time.time() > too_late, "the time for the write is over")
    server.cont()
    reads = 1 if name in ("add", "end", "rotate", "end_user") else 0
    wait_until(lambda: scripts_run(server) > scripts + reads, "it has looked into its sockets")
    monkeypatch.undo()
    assert stored(broken, session) == session
    assert broken.sessions.list("", "8", at=T0) == []
    assert broken.sessions.principal("", "7").epoch == 0
    assert broken.revocations.head(at=T0) == before
    names = [("code", KEY), ("counter", KEY), ("ticket", KEY)]
    assert [each is not None for each in broken.values.get_many(names, at=T0)] == [False, False, True]


@pytest.mark.parametrize("lacking", ["xinfo", "xadd", "zadd"])
def test_X6_an_ending_that_the_log_could_not_take_has_not_happened(server, broken, lacking):
    """Redis takes nothing back of a script that fails in the middle."""
    first, session, other = begin(broken), begin(broken), begin(broken, "8")
    broken.sessions.end(first.sid, "logout", at=T0)
    server.ask("ACL", "SETUSER", "default", f"-{lacking}")
    with pytest.raises(StorageUnavailableError):
        broken.sessions.end(session.sid, "logout", at=T0)
    with pytest.raises(StorageUnavailableError):
        broken.sessions.end_user("", "8", "kick", at=T0)
    server.ask("ACL", "SETUSER", "default", f"+{lacking}")
    assert [broken.sessions.find(each.sid).session.ended_at for each in (session, other)] == [0, 0]
    assert broken.sessions.principal("", "8").epoch == 0
    broken.sessions.end(session.sid, "logout", at=T0)
    broken.sessions.end_user("", "8", "kick", at=T0)
    said = {(entry.sid, entry.user_id) for entry in broken.revocations.after(0, at=T0).entries}
    assert said == {(first.sid, ""), (session.sid, ""), (b"", "8")}
