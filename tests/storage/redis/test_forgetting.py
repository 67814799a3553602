"""Redis forgets, all or in part: unknown means refused, and the log that is left is another one (X9, F04)."""

from __future__ import annotations

import msgspec
import pytest
from flask import Flask

from flask_tessera import Tessera
from flask_tessera.errors import CredentialsError, StorageUnavailableError
from flask_tessera.sessions.revocations import RETENTION_MARGIN, Revocation
from flask_tessera.storage.model import Wakeup
from flask_tessera.testing import Clock
from flask_tessera.testing.contract.base import ACCESS, IDLE, NO_LIMITS, T0, begin, new_session, rotate
from tests.services.test_legacy_logins import OLD_SECRET, old_token

FORGET = T0 + ACCESS + RETENTION_MARGIN


def log_of(storage, cursor=0, at=T0):
    return storage.revocations.after(cursor, at=at)


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
    assert (after.created_at, after.entries) == (T0 + 50, ())
    again = begin(other, at=T0 + 60)
    assert rotate(broken, again, 0, T0 + 61).outcome == "rotated"


@pytest.mark.parametrize("lost", [("meta",), ("valid",), ("meta", "valid")])
def test_F04_how_old_a_session_may_be_does_not_go_down(lost, server, broken, opened):
    """It is kept twice, and by those that know it."""
    broken.revocations.restart(at=T0, valid_from=T0)
    log_of(broken)
    server.ask("DEL", *[f"tessera:{{log}}:{name}" for name in lost])
    assert log_of(broken, at=T0 + 9).valid_from == T0
    late = opened(server.url)
    assert log_of(late, at=T0 + 9).valid_from == T0
    late.revocations.restart(at=T0 + 10, valid_from=0)
    assert log_of(opened(server.url), at=T0 + 11).valid_from == T0


@pytest.mark.parametrize("lost", ["meta", "entries"])
@pytest.mark.parametrize("grows", [False, True])
def test_F04_a_log_that_is_lost_in_part_is_another_log(lost, grows, server, broken):
    """Whether something ends before it is read or not; what is left of it is told."""
    first, second = begin(broken), begin(broken)
    broken.sessions.end(first.sid, "logout", at=T0)
    before, head = log_of(broken), broken.revocations.head(at=T0).checkpoint
    server.ask("DEL", f"tessera:{{log}}:{lost}")
    if grows:
        broken.sessions.end(second.sid, "kick", at=T0)
    after = log_of(broken, before.cursor, T0 + 50)
    assert (after.log_id != before.log_id, after.created_at) == (True, T0 + 50)
    expected = [first.sid] * (lost == "meta") + [second.sid] * grows
    assert [entry.sid for entry in log_of(broken).entries] == expected
    assert broken.revocations.head(at=T0 + 50).checkpoint != head
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
    store.revocations.drop_expired(at=FORGET, most=100, is_sure=True)
    store.sessions.end(sessions[2].sid, "kick", at=T0 + 1)
    assert [entry.sid for entry in log_of(store, cursor).entries] == [sessions[2].sid]


@pytest.fixture
def short_pages(monkeypatch):
    """Of three entries."""
    monkeypatch.setattr("flask_tessera.storage.redis.log._MOST", 3)


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
    assert pages[-1].cursor >> 32 == store.revocations.head(at=T0).number
    assert log_of(store, pages[-1].cursor).entries == ()
    store.revocations.drop_expired(at=FORGET + count - 2, most=100, is_sure=True)
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
    store.revocations.drop_expired(at=FORGET + 4, most=100, is_sure=True)
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


def test_F04_a_wait_on_a_connection_that_was_made_anew_does_not_say_that_the_log_is_unchanged(store):
    """Another server may have answered, which has another log: only a read tells."""
    cursor = settled(store)
    store.close()
    assert store.revocations.wait(cursor, longest=0.01) == Wakeup()
    cursor = log_of(store, cursor).cursor
    assert store.revocations.wait(cursor, longest=0.01) == Wakeup(is_unchanged=True)


@pytest.mark.parametrize(
    ("later", "ago", "is_dropped"),
    [(1020, 1020, True), (10**9, 5, False), (5, 10**6, False), (1019, 1020, False), (1020, 1000, False)],
)
def test_F07_one_clock_alone_makes_the_log_forget_nothing(later, ago, is_dropped, store, raw):
    """Neither the caller's nor the server's: either may have jumped. Who is sure of the time asks one only."""
    store.sessions.end(begin(store).sid, "kick", at=T0)
    ((name, score),) = raw.client.zrange(raw.log(b"forget"), 0, -1, withscores=True)
    number, _, ends = name.partition(b":")
    raw.client.zrem(raw.log(b"forget"), name)
    raw.client.zadd(raw.log(b"forget"), {b"%b:%d" % (number, int(ends) - ago): score})
    assert store.revocations.drop_expired(at=T0 + later, most=9, is_sure=False) == is_dropped
    assert len(log_of(store).entries) == (not is_dropped)
    assert store.revocations.drop_expired(at=T0 + later, most=9, is_sure=True) == (later >= 1020 and not is_dropped)
    assert len(log_of(store).entries) == (later < 1020)


def test_P10_what_is_dropped_is_found_by_an_index(broken, server):
    """Not by reading the log: entries that stay cost nothing."""
    broken.revocations.append([Revocation(FORGET + number, "kick", b"%016d" % number) for number in range(500)], at=T0)

    def looked_at():
        said = server.tell("INFO", "commandstats")
        return [name for name in said if name.startswith(("cmdstat_xrange", "cmdstat_xread"))]

    assert broken.revocations.drop_expired(at=FORGET + 9, most=6, is_sure=True) == 6
    assert broken.revocations.drop_expired(at=FORGET + 9, most=6, is_sure=True) == 4
    assert broken.revocations.drop_expired(at=FORGET + 9, most=6, is_sure=True) == 0
    assert looked_at() == []
    assert len(log_of(broken).entries) == 490


def test_F04_a_record_that_nobody_can_read_is_a_storage_that_is_unavailable(store, raw):
    session = begin(store)
    (key,), packed = raw.names(b"s"), raw.client.get(raw.names(b"s")[0])
    for junk in (b"junk", packed[:30], packed[:-1], packed[:17] + b"\xff" + packed[18:], packed[:15] + b"\xff" * 40):
        raw.client.set(key, junk)
        with pytest.raises(StorageUnavailableError):
            store.sessions.find(session.sid)
    for junk in (b"\1" * 8 + b"\xc1", b"\1" * 8 + b"\x91\1"):
        raw.client.set(raw.names(b"p")[0], junk)
        with pytest.raises(StorageUnavailableError):
            store.sessions.principal("", "7")
    for junk in (b"", b"?", b"\x98" + b"\1" * 7, msgspec.msgpack.encode((T0, b"\xff", "", "", "", 0, "", False))):
        raw.client.delete(raw.log(b"entries"))
        raw.client.xadd(raw.log(b"entries"), {"e": junk, "n": 1})
        for read in (log_of, lambda storage: storage.revocations.wait(0, longest=1)):
            with pytest.raises(StorageUnavailableError):
                read(store)


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
    broken.revocations.restart(at=T0, valid_from=T0)
    assert other.revocations.wait(cursor, longest=30) == Wakeup()
    assert log_of(other, cursor).valid_from == T0


def test_F04_a_login_is_refused_whose_checkpoint_was_before_a_flush(server, broken):
    """Whose password may have been changed since, and all that tells of it is lost; numbers begin anew."""
    end_many(broken, 2)
    checkpoint = broken.revocations.head(at=T0).checkpoint
    server.ask("FLUSHALL")
    end_many(broken, 3)
    for _ in range(2):
        with pytest.raises(CredentialsError):
            broken.sessions.add(new_session(), limits=NO_LIMITS, at=T0, checkpoint=checkpoint)
        broken.revocations.head(at=T0)


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
