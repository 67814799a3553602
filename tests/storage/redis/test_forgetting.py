"""Redis forgets, all or in part: unknown means refused, and the log that is left is another one (X9, F04)."""

from __future__ import annotations

import msgspec
import pytest
from flask import Flask

from flask_tessera import Tessera
from flask_tessera.errors import StorageUnavailableError
from flask_tessera.sessions.record import RETENTION_MARGIN
from flask_tessera.storage.contract import WORKER_FORGOTTEN, Page, Revocation, Wakeup, Worker
from flask_tessera.testing import Clock
from flask_tessera.testing.contract.base import ACCESS, IDLE, NO_LIMITS, T0, begin, new_session, rotate, stored
from tests.services.test_legacy_logins import OLD_SECRET, old_token

FORGET = T0 + ACCESS + RETENTION_MARGIN


def log_of(storage, cursor=0, at=T0):
    return storage.revocations.after(cursor, at=at)


def begin_at_home(storage, user_id="7", **fields):
    sid = new_session().sid
    return begin(storage, user_id, sid=sid[:6] + storage.sessions.tag("", user_id, seed=b"") + sid[8:], **fields)


def test_F04_after_a_flush_all_sessions_are_unknown(server, broken, opened):
    """The log is born anew, so workers ask about older tokens; new logins work for everybody."""
    session, other = begin(broken), opened(server.url)
    before = log_of(broken)
    assert other.sessions.find(session.sid)
    server.ask("FLUSHALL")
    assert broken.sessions.find(session.sid) is None
    assert broken.sessions.rotate(session.sid, 0, at=T0, leeway=15, idle=IDLE) is None
    after = log_of(broken, before.cursor, T0 + 50)
    assert after.log_id != before.log_id
    assert (after.born_at, after.entries) == (T0 + 50, ())
    again = begin(other, at=T0 + 60)
    assert rotate(broken, again, 0, T0 + 61).outcome == "rotated"


def test_F04_handles_that_lived_through_a_flush_agree_on_where_users_are(server, broken, opened):
    other = opened(server.url)
    tag = broken.sessions.tag("", "7", seed=b"a" * 32)
    log_of(broken)
    assert other.sessions.tag("", "7", seed=b"b" * 32) == tag
    server.ask("FLUSHALL")
    log_of(broken)
    log_of(other)
    assert other.sessions.tag("", "7", seed=b"c" * 32) == tag
    assert broken.sessions.tag("", "7", seed=b"d" * 32) == tag
    assert opened(server.url).sessions.tag("", "7", seed=b"e" * 32) == tag


def test_F04_a_session_that_lies_where_its_user_is_not_is_unknown(server, broken, opened):
    """The key of the places was lost with all that knew it: what has since ended its user cannot know of it."""
    session = begin_at_home(broken)
    server.ask("DEL", "tessera:{log}:meta", "tessera:{log}:tag_key")
    late = opened(server.url)
    late.sessions.tag("", "7", seed=b"other" * 7)
    assert late.sessions.find(session.sid) is None
    assert late.sessions.rotate(session.sid, 0, at=T0, leeway=15, idle=IDLE) is None
    assert late.sessions.end(session.sid, "kick", at=T0) is None
    assert late.records.read("", most=1000).sessions == ()


@pytest.mark.parametrize("lost", ["meta", "tag_key"])
def test_F04_one_lost_key_does_not_lose_the_way_to_the_sessions(lost, server, broken, opened):
    session = begin_at_home(broken)
    server.ask("DEL", f"tessera:{{log}}:{lost}")
    late = opened(server.url)
    assert late.sessions.tag("", "7", seed=b"x" * 32) == session.sid[6:8]
    assert stored(late, session) == session


@pytest.mark.parametrize("lost", [("meta",), ("era",), ("meta", "era")])
def test_F04_an_era_does_not_go_down(lost, server, broken, opened):
    """It is kept twice, and by those that know it."""
    broken.revocations.restore(at=T0)
    log_of(broken)
    server.ask("DEL", *[f"tessera:{{log}}:{name}" for name in lost])
    assert log_of(broken, at=T0 + 9).era == 1
    assert log_of(opened(server.url), at=T0 + 9).era == 1
    assert opened(server.url).revocations.restore(at=T0 + 10) == 2


@pytest.mark.parametrize("lost", ["meta", "entries"])
@pytest.mark.parametrize("grows", [False, True])
def test_F04_a_log_that_is_lost_in_part_is_another_log(lost, grows, server, broken):
    """Whether something ends before it is read or not; what is left of it is told."""
    first, second = begin(broken), begin(broken)
    broken.sessions.end(first.sid, "logout", at=T0)
    before, stamp = log_of(broken), broken.revocations.stamp()
    server.ask("DEL", f"tessera:{{log}}:{lost}")
    if grows:
        broken.sessions.end(second.sid, "kick", at=T0)
    after = log_of(broken, before.cursor, T0 + 50)
    assert (after.log_id != before.log_id, after.born_at) == (True, T0 + 50)
    expected = [first.sid] * (lost == "meta") + [second.sid] * grows
    assert [entry.sid for entry in log_of(broken).entries] == expected
    assert broken.revocations.stamp() != stamp
    assert log_of(broken, after.cursor, T0 + 60).log_id == after.log_id


def test_F04_a_cursor_whose_entry_became_another_one_gives_all(store, raw):
    """A fail-over has cut off the end of the log, and it has grown since."""
    sessions = [begin(store) for _ in range(4)]
    store.sessions.end(sessions[0].sid, "kick", at=T0)
    kept = raw.client.hgetall(raw.log(b"meta"))
    store.sessions.end(sessions[1].sid, "kick", at=T0)
    cursor = log_of(store).cursor
    ((number, fields),) = raw.client.xrange(raw.log(b"entries"), count=1)
    raw.client.delete(raw.log(b"entries"))
    raw.client.xadd(raw.log(b"entries"), fields, id=number)
    raw.client.hset(raw.log(b"meta"), mapping=kept)
    assert [entry.sid for entry in log_of(store, cursor).entries] == [sessions[0].sid]
    store.sessions.end(sessions[2].sid, "kick", at=T0)
    wanted = [sessions[0].sid, sessions[2].sid]
    assert [entry.sid for entry in log_of(store, cursor).entries] == wanted
    store.sessions.end(sessions[3].sid, "kick", at=T0)
    assert [entry.sid for entry in log_of(store, cursor).entries] == [*wanted, sessions[3].sid]


def test_F04_a_cursor_whose_entry_was_dropped_is_read_on_from(store):
    sessions = [begin(store) for _ in range(3)]
    store.sessions.end(sessions[0].sid, "kick", at=T0)
    cursor = log_of(store).cursor
    store.sessions.end(sessions[1].sid, "kick", at=T0)
    store.revocations.purge(at=FORGET)
    store.sessions.end(sessions[2].sid, "kick", at=T0 + 1)
    assert [entry.sid for entry in log_of(store, cursor).entries] == [sessions[2].sid]


@pytest.fixture
def short_pages(monkeypatch):
    """Of three entries."""
    monkeypatch.setattr("flask_tessera.storage.redis.revocations._MOST", 3)


def end_many(storage, count):
    """Sids of sessions that have ended, one each second."""
    sids = []
    for number in range(count):
        session = begin(storage)
        sids.append(session.sid)
        storage.sessions.end(session.sid, "kick", at=T0 + number)
    return sids


def pages_of(storage, cursor=0):
    """All pages from a cursor on."""
    pages = [log_of(storage, cursor)]
    while not pages[-1].is_whole:
        pages.append(log_of(storage, pages[-1].cursor))
    return pages


def sids_of(pages):
    return [entry.sid for page in pages for entry in page.entries]


@pytest.mark.usefixtures("short_pages")
@pytest.mark.parametrize("count", [2, 3, 4, 6, 10])
def test_P10_a_long_log_is_read_and_purged_in_pages(count, store):
    """In order, each once; the last page knows that it is the last, and ends where the log does."""
    sids = end_many(store, count)
    pages = pages_of(store)
    assert sids_of(pages) == sids
    assert [len(page.entries) for page in pages] == [min(3, count - begin) for begin in range(0, count, 3)]
    assert pages[-1].cursor >> 32 == store.revocations.tail(at=T0).last
    assert log_of(store, pages[-1].cursor).entries == ()
    store.revocations.purge(at=FORGET + count - 2)
    assert sids_of(pages_of(store)) == sids[-1:]


@pytest.mark.usefixtures("short_pages")
def test_F04_who_reads_on_in_a_log_that_became_another_one_is_told_its_name_and_begins_anew(server, broken):
    """Its cursor lies amid the old one."""
    end_many(broken, 5)
    first = log_of(broken)
    server.ask("FLUSHALL")
    sids = end_many(broken, 7)
    second = log_of(broken, first.cursor)
    assert second.log_id != first.log_id
    assert sids_of([second]) == sids[:3]
    assert sids_of(pages_of(broken)) == sids


@pytest.mark.usefixtures("short_pages")
def test_F04_who_reads_on_while_entries_come_and_go_passes_over_none(store):
    sids = end_many(store, 7)
    first = log_of(store)
    store.revocations.purge(at=FORGET + 4)
    late = end_many(store, 1)
    assert sids_of(pages_of(store, first.cursor)) == [*sids[5:], *late]


def test_P10_what_a_wait_gives_ahead_are_the_entries_after_the_cursor(store):
    end_many(store, 2)
    cursor = log_of(store).cursor
    store.revocations.wait(cursor, longest=0.01)
    sids = end_many(store, 3)
    wakeup = store.revocations.wait(cursor, longest=30)
    assert sids_of([wakeup]) == sids
    assert wakeup == Wakeup(log_of(store, cursor).entries)


def settled(storage):
    """A cursor behind which a wait finds nothing, not even an old pulse."""
    cursor = log_of(storage).cursor
    storage.revocations.wait(cursor, longest=0.01)
    return cursor


def test_a_wait_in_vain_says_that_the_log_is_unchanged(store):
    """The server has answered that there was nothing: that counts like a read."""
    end_many(store, 2)
    cursor = settled(store)
    assert store.revocations.wait(cursor, longest=0.01) == Wakeup(is_unchanged=True)
    store.workers.beat(Worker("one", T0, T0))
    store.workers.remove("one")
    assert store.revocations.wait(cursor, longest=0.01) == Wakeup(is_unchanged=True)


def test_F04_a_wait_on_a_connection_that_was_made_anew_does_not_say_that_the_log_is_unchanged(store):
    """Another server may have answered, which has another log: only a read tells."""
    cursor = settled(store)
    store._link.reading().server(store._link.log).close()
    assert store.revocations.wait(cursor, longest=0.01) == Wakeup()
    cursor = log_of(store, cursor).cursor
    assert store.revocations.wait(cursor, longest=0.01) == Wakeup(is_unchanged=True)


def told_long_ago(raw, at, seconds):
    """Put an entry into the log as if it had been noted so many seconds ago by the server's clock."""
    noted = raw.client.time()[0] - seconds
    entry = msgspec.msgpack.encode((5, at, noted, at + 900, "kick", b"\1" * 16, "", "", 0, b""))
    raw.client.xadd(raw.log(b"entries"), {"entry": entry}, id="1-0")
    raw.client.hset(raw.log(b"meta"), mapping={"n": 1, "nonce": 5})


@pytest.mark.parametrize(
    ("later", "ago", "is_dropped"),
    [(1000, 1000, True), (10**9, 5, False), (5, 10**6, False), (899, 1000, False), (1000, 899, False)],
)
def test_F07_one_clock_alone_makes_the_log_forget_nothing(later, ago, is_dropped, store, raw):
    """Neither the caller's nor the server's: either may have jumped."""
    told_long_ago(raw, T0, ago)
    session = begin(store, at=T0 + later)
    store.sessions.end(session.sid, "kick", at=T0 + later)
    sids = [entry.sid for entry in log_of(store).entries]
    assert sids == ([] if is_dropped else [b"\1" * 16]) + [session.sid]


def test_F04_a_record_that_nobody_can_read_is_a_storage_that_is_unavailable(store, raw):
    session = begin_at_home(store)
    (key,) = raw.names(b"s")
    texts = msgspec.msgpack.encode(["", "7", *["text"] * 22])
    for junk in (b"junk", b"\x91\x01", b"\xc1", texts):
        raw.client.set(key, junk)
        with pytest.raises(StorageUnavailableError):
            store.sessions.find(session.sid)
    raw.client.set(store_principal_key(store, raw), b"\xc1")
    with pytest.raises(StorageUnavailableError):
        store.principals.find("", "7")
    raw.client.hset(raw.log(b"workers"), "x", b"\xc1")
    with pytest.raises(StorageUnavailableError):
        store.workers.list(at=T0)
    for junk in (b"", b"?", b"\x9a" + b"\1" * 9, msgspec.msgpack.encode((5, T0, T0, T0, b"\xff", "", "", "", 0, ""))):
        raw.client.delete(raw.log(b"entries"))
        raw.client.xadd(raw.log(b"entries"), {"entry": junk})
        for read in (log_of, lambda storage: storage.revocations.wait(0, longest=1)):
            with pytest.raises(StorageUnavailableError):
                read(store)


def store_principal_key(store, raw):
    tag = store.sessions.tag("", "7", seed=b"").hex().encode()
    return raw.prefix + b":{" + tag + b"}:p:0:7"


def test_entries_that_were_told_twice_are_read_once(store):
    """A process may have died before it could note that it had told."""
    entry = Revocation(FORGET, "kick", b"\2" * 16)
    store.records.write(Page(revocations=(entry, entry)), at=T0)
    assert log_of(store).entries == (entry,)


def test_workers_that_have_been_silent_for_long_are_forgotten(store, raw):
    store.workers.beat(Worker("old", T0, T0))
    raw.client.zadd(raw.log(b"beats"), {"old": raw.client.time()[0] - WORKER_FORGOTTEN})
    store.workers.beat(Worker("new", T0, T0))
    assert raw.client.hkeys(raw.log(b"workers")) == [b"new"]
    assert all(raw.client.ttl(raw.log(name)) > 0 for name in (b"workers", b"beats"))
    store.workers.remove("new")
    assert not raw.client.exists(raw.log(b"workers"), raw.log(b"beats"))


def test_F04_who_waits_behind_a_log_that_was_flushed_is_woken_by_the_first_ending(server, broken, opened):
    """Its number is lower than the one waited for."""
    end_many(broken, 5)
    other = opened(server.url)
    cursor = settled(other)
    server.ask("FLUSHALL")
    (sid,) = end_many(broken, 1)
    assert not other.revocations.wait(cursor, longest=30).is_unchanged
    assert sids_of([log_of(other, cursor)]) == [sid]


def test_F04_who_waits_is_woken_by_a_restored_backup(server, broken, opened):
    other = opened(server.url)
    cursor = settled(other)
    broken.revocations.restore(at=T0)
    assert other.revocations.wait(cursor, longest=30) == Wakeup()
    assert log_of(other, cursor).era == 1


def test_a_login_under_limits_is_one_step_for_a_new_user(store):
    """Nothing is kept of him yet."""
    assert store.sessions.add(new_session("new"), limits=NO_LIMITS, at=T0).ended == ()


@pytest.mark.parametrize("restarted", [False, True])
def test_M05_F04_after_a_flush_an_old_token_that_was_spent_stays_so(server, restarted):
    """A process that saw it happen knows; one that has started since is told by `since`."""
    clock = Clock()
    headers = {"z-token": old_token(7, clock() - 60)}

    def start(**legacy):
        app = Flask(__name__)
        legacy = {"secret": OLD_SECRET, "until": clock() + 3600, **legacy}
        app.config.update(SECRET_KEY="6f1d5f7a9c3e4b2880a1d4c7e9f20b35", TESSERA_LEGACY=legacy)
        app.register_blueprint(Tessera(app, storage=server.url, user_id_type=int, clock=clock).blueprint())
        return app.test_client()

    client = start(since=clock()) if restarted else start()
    assert client.post("/auth/exchange", headers=headers).status_code == 200
    server.ask("FLUSHALL")
    clock.advance(60)
    client = start(since=clock() - 60) if restarted else client
    assert client.post("/auth/exchange", headers=headers).status_code == 401
    assert client.post("/auth/logout", headers=headers).status_code == 401
